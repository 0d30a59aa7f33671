"""What the heads of passing packets show of a conversation."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.session.conversation import Conversation
from wstp import Symbol
from wstp.packets import packet


def say(conversation: Conversation, head: str, argument: str | int | float | None = None) -> None:
    conversation.begins()
    conversation.names("System`" + head)
    if argument is not None:
        conversation.says(argument)
    conversation.ends()


def test_a_request_is_owed_until_it_is_answered() -> None:
    talk = Conversation()
    for head in ("EvaluatePacket", "System`EnterTextPacket", "Foo", None):
        talk.requested(head)
    assert (talk.busy, talk.evaluations) == (True, 2)
    say(talk, "TextPacket", "x")
    say(talk, "ReturnPacket")
    assert talk.busy
    say(talk, "InputNamePacket", "In[2]:= ")
    assert (talk.busy, talk.listening, talk.prompt) == (False, True, "In[2]:= ")


@pytest.mark.parametrize("answer", ["TextPacket", "EnterTextPacket", "EnterExpressionPacket"])
@pytest.mark.parametrize("request_", ["EvaluatePacket", "EnterTextPacket"])
def test_an_answer_to_a_question_is_no_request(answer: str, request_: str) -> None:
    talk = Conversation()
    talk.requested(request_)
    say(talk, "InputPacket", "? ")
    assert talk.question == Symbol("InputPacket")("? ")
    assert (talk.listening, talk.busy) == (True, True)
    talk.requested(answer)
    assert (talk.question, talk.evaluations, talk.listening) == (None, 1, False)
    say(talk, "ReturnPacket" if request_ == "EvaluatePacket" else "InputNamePacket", "In[2]:= ")
    assert not talk.busy


def test_without_prompts_an_input_of_the_main_loop_is_not_waited_for() -> None:
    talk = Conversation()
    talk.prompts = False
    talk.requested("EnterTextPacket")
    assert (talk.busy, talk.evaluations, talk.answered) == (False, 1, 1)
    talk.requested("EvaluatePacket")
    assert talk.busy
    say(talk, "InputNamePacket", "In[1]:= ")
    assert talk.prompts, "it prompts after all"


def test_a_menu_is_a_question_until_an_abort() -> None:
    talk = Conversation()
    talk.requested("EvaluatePacket")
    say(talk, "MenuPacket", 1)
    assert talk.question is not None
    assert talk.question.args[0] == 1
    talk.interrupted()
    assert not talk.listening


@pytest.mark.parametrize(("request_", "answer"), [("EvaluatePacket", "ReturnPacket"), ("EnterTextPacket", "InputNamePacket")])
def test_in_a_dialog_the_kernel_listens_while_answers_are_owed(request_: str, answer: str) -> None:
    talk = Conversation()
    talk.requested(request_)
    say(talk, "BeginDialogPacket", 1)
    say(talk, "InputNamePacket", "(Dialog) In[1]:= ")
    assert (talk.listening, talk.prompt) == (True, "(Dialog) In[1]:= ")
    talk.requested("EnterTextPacket")
    assert not talk.listening
    say(talk, "InputNamePacket", "(Dialog) In[2]:= ")
    assert talk.listening
    talk.requested("EnterTextPacket")  # Return[]
    say(talk, "EndDialogPacket", 1)
    assert not talk.listening
    say(talk, answer, "In[2]:= ")
    assert talk.listening


def test_a_menu_that_explains_itself_is_asked_again_as_one_that_does_not() -> None:
    talk = Conversation()
    talk.requested("EvaluatePacket")
    say(talk, "MenuPacket", 0)
    assert talk.question == packet("MenuPacket", 1, "Interrupt> ")


def test_the_text_of_a_message_is_distinguished_from_other_text() -> None:
    talk = Conversation()
    say(talk, "MessagePacket")
    talk.begins()
    assert talk.after_message
    talk.names("TextPacket")
    talk.ends()
    talk.begins()
    assert not talk.after_message


@pytest.mark.parametrize("asks", ["InputPacket", "InputStringPacket", "MenuPacket", "InputNamePacket"])
def test_a_question_stays_while_something_else_is_evaluated(asks: str) -> None:
    talk = Conversation()
    talk.requested("EvaluatePacket")
    if asks == "InputNamePacket":
        say(talk, "BeginDialogPacket", 1)
    say(talk, asks, 1 if asks == "MenuPacket" else "? ")
    question = talk.question
    assert question is not None
    talk.requested("EvaluatePacket")
    assert not talk.listening
    say(talk, "ReturnPacket")
    assert talk.question is question
    talk.requested("TextPacket")
    say(talk, "ReturnPacket")
    assert talk.question is None

"""What a kernel's packets become: kernelbus.shell.jupyter.conversation."""

from __future__ import annotations

from kernelbus.shell.jupyter.conversation import (
    Asked,
    Conversation,
    Happening,
    Pictured,
    Printed,
    Prompted,
    Result,
    Returned,
    Told,
    Unreadable,
)
from kernelbus.shell.jupyter.kernelcode import PRINTED
from wstp import Expr, Function, Symbol


def packet(name: str, *arguments: Expr) -> Function:
    return Symbol(name)(*arguments)


def taken(*packets: Function) -> list[Happening]:
    conversation = Conversation()
    return [happening for packet in packets for happening in conversation.take(packet)]


def test_an_evaluation() -> None:
    assert taken(
        packet("TextPacket", "hi\n"),
        packet("MessagePacket", Symbol("Power"), "infy"),
        packet("TextPacket", "Power::infy: Infinite expression 1 / 0 encountered.\n"),
        packet("OutputNamePacket", "Out[12]//InputForm= "),
        packet("ReturnTextPacket", "ComplexInfinity"),
        packet("InputNamePacket", "In[13]:= "),
    ) == [
        Printed("hi\n"),
        Told("Power::infy", "Power::infy: Infinite expression 1 / 0 encountered."),
        Result(12, "Out[12]//InputForm= ", "ComplexInfinity"),
        Prompted("In[13]:= ", 13, 0),
    ]


def test_what_is_printed_may_have_a_rendering_before_it() -> None:
    rendering = packet("ExpressionPacket", [PRINTED, ["picture", "<svg", ""]])
    conversation = Conversation()
    assert not list(conversation.take(rendering)) and conversation.within
    assert list(conversation.take(packet("TextPacket", "-Graphics-\n"))) == [Pictured("-Graphics-\n", ["picture", "<svg", ""])]
    assert not conversation.within
    # An abort came between the two.
    assert taken(rendering, packet("InputNamePacket", "In[2]:= "), packet("TextPacket", "b\n"))[1:] == [Printed("b\n")]


def test_text_that_cannot_be_read() -> None:
    assert taken(packet("SyntaxPacket", 3), packet("InputNamePacket", "In[1]:= ")) == [Unreadable(3), Prompted("In[1]:= ", 1, 0)]


def test_what_the_server_says_is_marked() -> None:
    said = taken(packet("MessagePacket", Symbol("WSTPServer`ConnectKernel"), "killed"), packet("TextPacket", "it did not obey"))
    assert said == [Told("WSTPServer`ConnectKernel::killed", "it did not obey", of_server=True)]


def test_a_dialog_is_counted() -> None:
    conversation = Conversation()
    packets = [
        packet("BeginDialogPacket", 1),
        packet("InputNamePacket", "(Dialog) In[3]:= "),
        packet("EndDialogPacket", 1),
        packet("InputNamePacket", "In[3]:= "),
    ]
    prompts = [happening for packet in packets for happening in conversation.take(packet)]
    assert prompts == [Prompted("(Dialog) In[3]:= ", 3, 1), Prompted("In[3]:= ", 3, 0)]


def test_a_client_that_comes_in_the_middle_of_a_dialog() -> None:
    conversation = Conversation()
    assert conversation.at_prompt("(Dialog) In[3]:= ").depth == 1
    assert conversation.at_prompt("").depth == 0


def test_questions() -> None:
    assert taken(
        packet("InputPacket", "? "),
        packet("InputStringPacket", "name "),
        packet("MenuPacket", 1, "Interrupt> "),
        packet("MenuPacket", 0, "Interrupt> "),
        packet("TextPacket", "Your options are:\n"),
    ) == [
        Asked("input", "? "),
        Asked("string", "name "),
        Asked("menu", "Interrupt> "),
        Printed("Your options are:\n"),
        Asked("menu", "Interrupt> "),
    ]


def test_a_pair_of_packets_is_one() -> None:
    conversation = Conversation()
    assert list(conversation.take(packet("OutputNamePacket", "Out[1]= "))) == []
    assert conversation.within
    assert list(conversation.take(packet("ReturnExpressionPacket", [1, 2]))) == [Result(1, "Out[1]= ", "List[1, 2]")]
    assert not conversation.within
    assert list(conversation.take(packet("ReturnPacket", 5))) == [Returned(5)]
    assert list(conversation.take(packet("DisplayPacket", "%!PS"))) == [
        Told("", "the kernel says DisplayPacket, which cannot be shown here")
    ]

"""Questions, dialogs and the interrupt menu over a scripted source of packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kernelbus.kernelhost.mathics.evaluation.interrupts import Suspension
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.messages import handlers
from kernelbus.kernelhost.mathics.packets.dialogs import Dialogs
from kernelbus.kernelhost.mathics.packets.interfaces import Arrival
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from wstp import Expr, Function, Misread, Symbol

S = Symbol
TEXT, ENTER, EVALUATE = S("TextPacket"), S("EnterTextPacket"), S("EvaluatePacket")
MENU = Function("MenuPacket", 1, "Interrupt> ")


class Client:
    """Send packets to a main loop, with the answers to its questions prepared."""

    def __init__(self, loaded: Loaded) -> None:
        self.sent: list[Any] = []
        self.arrivals: list[Arrival] = []
        self.answered = 0
        self.depth = 0
        self._loaded = loaded
        self._loop = MainLoop(loaded, self, self)
        loaded.definitions.set_line_no(1)

    def send(self, *packets: Expr, last: bool = False) -> None:
        self.sent += packets

    @contextmanager
    def inside(self) -> Iterator[None]:
        self.depth += 1
        yield
        self.depth -= 1

    def next(self, suspension: Suspension) -> Arrival | None:
        assert self.depth
        return None if suspension.over else self.arrivals.pop(0)

    def done(self) -> None:
        self.answered += 1

    def evaluate(self, code: str, *answers: Expr | Arrival) -> list[Any]:
        """Return what is sent for an EvaluatePacket whose evaluation gets these answers."""
        self.sent.clear()
        self.arrivals = [answer if isinstance(answer, Arrival) else Arrival(answer) for answer in answers]
        self._loop.handle(EVALUATE(S("ToExpression")(code)))
        self._loaded.interrupts.forget()
        assert not self.arrivals
        return list(self.sent)


@pytest.fixture
def client(loaded: Loaded) -> Client:
    return Client(loaded)


def returned(value: Any) -> Function:
    return Function("ReturnPacket", value)


def test_a_kernel_with_a_source_asks_its_client(client: Client, loaded: Loaded) -> None:
    assert isinstance(loaded.terminal.client, Dialogs)
    assert client.evaluate('{Input["n? "]}', ENTER("1 + 2")) == [Function("InputPacket", "n? "), returned([3])]
    assert client.evaluate("{InputString[]}", TEXT("1 + 2")) == [Function("InputStringPacket", "? "), returned(["1 + 2"])]


def test_text_that_cannot_be_read_is_asked_for_again(client: Client) -> None:
    heads = [packet.head.name for packet in client.evaluate("Input[]", "f[1,", S("CallPacket")(1), "7")]
    assert heads == ["InputPacket", "MessagePacket", "TextPacket", "SyntaxPacket", "InputPacket", "ReturnPacket"]
    assert client.sent[-1] == returned(7)


def test_an_evaluation_in_between_leaves_the_question(client: Client) -> None:
    assert client.evaluate("{InputString[]}", EVALUATE(S("Plus")(1, 1)), "x") == [
        Function("InputStringPacket", "? "),
        returned(2),
        returned(["x"]),
    ]
    assert client.answered == 1


def test_an_aborted_answer_aborts_the_evaluation(client: Client) -> None:
    assert client.evaluate("Input[]; 5", Arrival("7", aborted=True))[-1] == returned(S("$Aborted"))


def test_a_misread_answer_is_reported(client: Client) -> None:
    name, text, answer = client.evaluate("{Input[]}", Arrival(S("$Failed"), fault=Misread("number", '"1x" was none', S("$Failed"), 0)))[1:]
    assert name == Function("MessagePacket", S("Kernel"), "number")
    assert "1x" in text.args[0]
    assert answer == returned([S("$Failed")])


def test_dialogs_nest(client: Client) -> None:
    sent = client.evaluate("{Dialog[]}", ENTER("Dialog[4]"), ENTER("Return[% + 1]"), ENTER("Return[%]"))
    assert [p.args[0] for p in sent if p.head.name in ("BeginDialogPacket", "EndDialogPacket")] == [1, 2, 2, 1]
    assert sent[-1] == returned([5])


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        (["c"], [returned(5)]),
        ([TEXT(" Continue ")], [returned(5)]),
        (["a"], [returned(S("$Aborted"))]),
    ],
    ids=repr,
)
def test_the_menu(answers: list[Expr], sent: list[Function], client: Client) -> None:
    assert client.evaluate("Interrupt[]; 5", *answers) == [MENU, *sent]


def test_the_menu_explains_itself_and_asks_again(client: Client) -> None:
    first, again, help_, answer = client.evaluate("Interrupt[]; 5", "what?", "c")
    assert (first, again, answer) == (MENU, Function("MenuPacket", 0, "Interrupt> "), returned(5))
    assert help_.args[0].startswith("Your options are:")


@pytest.mark.parametrize("handler", ["Function[{}, Dialog[]]", "Function[Null, Dialog[]]"])
def test_a_handler_takes_the_place_of_the_menu(client: Client, handler: str) -> None:
    try:
        code = f'Internal`AddHandler["Interrupt", {handler}]; x = 1; Interrupt[]; x'
        sent = client.evaluate(code, ENTER("x = 7"), ENTER("Return[]"))
    finally:
        handlers.clear()
    assert [p.head.name for p in sent if p.head.name in ("MenuPacket", "BeginDialogPacket", "EndDialogPacket")] == [
        "BeginDialogPacket",
        "EndDialogPacket",
    ]
    assert sent[-1] == returned(7)
    assert client.evaluate("Interrupt[]; 5", "c")[-2:] == [MENU, returned(5)]


def test_the_menu_ends_the_kernel(client: Client) -> None:
    with pytest.raises(SystemExit):
        client.evaluate("Interrupt[]; 5", "exit")
    assert client.sent == [MENU]

"""One kernel over one link, against a scripted server: attaching, evaluating, aborting."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from kernel_player import KERNEL, KernelPlayer, message, packet

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.pool import kernellink
from kernelbus.shell.pool.kernellink import KernelDied, KernelLink, KernelMessage, NoKernel, encode
from wstp import Symbol

Start = Callable[..., KernelPlayer]


def attach(player: KernelPlayer, pool: str = "", **options: object) -> KernelLink:
    address = Address("127.0.0.1", player.port, pool)
    return KernelLink.attach(address, timeout=30, stop=lambda: False, **options)  # type: ignore[arg-type]


def evaluate(link: KernelLink, expression: wstp.Expr, said: list[object] | None = None) -> wstp.Expr:
    said = [] if said is None else said
    return link.evaluate(encode(expression), on_message=said.append, on_print=said.append)


@pytest.mark.parametrize(
    ("pool", "options", "named", "asked"),
    [
        ("Main", {}, [], {"Pool": "Main"}),
        ("", {}, [], {"Parallel": Symbol("True")}),
        ("", {"parallel": False}, [], {}),
        ("Main", {"kernel": "some-id", "keep": True}, ["some-id"], {}),
    ],
)
def test_what_a_server_is_asked_for(
    play: Start, pool: str, options: dict[str, object], named: list[wstp.Expr], asked: dict[str, wstp.Expr]
) -> None:
    kernel = play()
    link = attach(kernel, pool, **options)
    assert link.identity == KERNEL
    # In one command, so that a program that dies after it leaves no kernel behind.
    keep = {"KeepAlive": Symbol("True" if options.get("keep") else "False")}
    rules = [Symbol("Rule")(name, value) for name, value in (keep | {"Progress": Symbol("True")} | asked).items()]
    assert kernel.commands == [Symbol("WSTPServer`ConnectKernel")(*named, Symbol("Association")(*rules))]
    link.close()
    assert kernel.commands[-1] == Symbol("WSTPServer`CloseKernel")()


def test_the_value_and_what_is_said_before_it(play: Start) -> None:
    kernel = play({"f[1]": [packet("TextPacket", "printed\n"), *message("f", "bad", "f::bad: Oh."), packet("ReturnPacket", 7)]})
    link, said = attach(kernel), []
    assert evaluate(link, Symbol("f")(1), said) == 7
    assert said == ["printed\n", KernelMessage("f", "bad", "f::bad: Oh.")]
    link.close()


def test_an_answer_that_cannot_be_read_ends_nothing(play: Start) -> None:
    def answer(player: KernelPlayer, link: wstp.Link) -> None:
        link.put_raw([b"FA#OA~LReturnPacket\n+FA~C12x\n]"])
        link.flush()

    link, said = attach(play({"f[1]": answer, "f[2]": [packet("ReturnPacket", 7)]})), []
    assert evaluate(link, Symbol("f")(1), said) == Symbol("$Failed")
    (told,) = said
    assert (told.symbol, told.tag) == ("Link", "number")
    assert '"12x"' in told.text
    assert evaluate(link, Symbol("f")(2)) == 7
    link.close()


def test_a_kernel_that_has_ended_meanwhile_is_noticed() -> None:
    kernel = KernelPlayer({"f[1]": [packet("ReturnPacket", 7), packet("TextPacket", "late")]})
    try:
        link, said = attach(kernel), []
        assert evaluate(link, Symbol("f")(1)) == 7
        assert link.ended() is None
        assert evaluate(link, Symbol("f")(1), said) == 7 and said == ["late"], "what came before is not lost"
    finally:
        kernel.close()
    died = link.ended()
    assert isinstance(died, KernelDied) and "the kernel" in str(died)
    link.close()


def test_what_the_code_asks_is_answered_for_nobody_and_told(play: Start) -> None:
    def ask(player: KernelPlayer, link: wstp.Link) -> None:
        for kind, question in (("InputPacket", "How many?"), ("InputStringPacket", "? ")):
            link.put(packet(kind, question), end_packet=True)
            link.flush(timeout=10)
            assert link.get(timeout=10) == Symbol("EndOfFile")
        link.put(packet("ReturnPacket", 7), end_packet=True)
        link.flush(timeout=10)

    def dialog(player: KernelPlayer, link: wstp.Link) -> None:
        # A dialog has a prompt, which is none of another kernel.
        for each in (packet("BeginDialogPacket", 1), packet("InputNamePacket", "In[1]:= ")):
            link.put(each, end_packet=True)
        link.flush(timeout=10)
        player.await_message(link, wstp.MessageCode.ABORT)
        for each in (packet("EndDialogPacket", 1), packet("ReturnPacket", Symbol("$Aborted"))):
            link.put(each, end_packet=True)
        link.flush(timeout=10)

    link, said = attach(play({"f[1]": ask, "f[2]": dialog, "f[3]": [packet("ReturnPacket", 8)]})), []
    assert evaluate(link, Symbol("f")(1), said) == 7
    assert evaluate(link, Symbol("f")(2), said) == Symbol("$Aborted")
    assert evaluate(link, Symbol("f")(3), said) == 8
    assert [(told.symbol, told.tag) for told in said] == [("Input", "nobody"), ("InputString", "nobody"), ("Dialog", "nobody")]
    assert said[0].text == "the code asks for input (How many?), and nobody can answer here"
    link.close()


@pytest.mark.parametrize("answered", ["", "EndOfFile"])
def test_a_late_abort_falls_on_an_evaluation_of_no_consequence(
    play: Start, monkeypatch: pytest.MonkeyPatch, answered: str
) -> None:
    """So does the answer to a question that the abort had ended: it is evaluated as an input."""
    numbers = itertools.count()
    monkeypatch.setattr(kernellink, "uuid", SimpleNamespace(uuid4=lambda: next(numbers)))
    began = threading.Event()

    def busy(player: KernelPlayer, link: wstp.Link) -> None:
        began.set()
        player.await_message(link, wstp.MessageCode.ABORT)
        link.put(packet("ReturnPacket", Symbol("$Aborted")), end_packet=True)
        if answered:
            link.put(packet("ReturnPacket", Symbol(answered)), end_packet=True)
        link.flush()

    # The abort also hits the next evaluation, as it does when it reaches the kernel late.
    marks = {'"kernelbus 0"': Symbol("$Aborted"), '"kernelbus 1"': "kernelbus 1", "next": 7}
    kernel = play({"busy[]": busy, **{code: [packet("ReturnPacket", value)] for code, value in marks.items()}})
    link, token = attach(kernel), object()
    link.begin(token)

    def abort() -> None:
        began.wait(30)
        link.abort(object())
        link.abort(token)

    thread = threading.Thread(target=abort)
    thread.start()
    assert evaluate(link, Symbol("busy")()) == Symbol("$Aborted")
    thread.join()
    assert kernel.codes == ["busy[]", '"kernelbus 0"', '"kernelbus 1"']
    assert kernel.messages == [wstp.MessageCode.ABORT]
    link.begin(token)
    assert evaluate(link, Symbol("next")) == 7
    link.close()


@pytest.mark.parametrize("asked", ["once", "twice"])
def test_an_abort_that_had_no_effect_is_sent_again(play: Start, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """The first has overtaken its request; without the second, nobody would ever have an answer."""
    monkeypatch.setattr(kernellink, "_AGAIN", 0.1 if asked == "once" else 1000.0)
    monkeypatch.setattr(kernellink, "_TWICE", 0.0)
    heard = threading.Event()

    def busy(player: KernelPlayer, link: wstp.Link) -> None:
        player.await_message(link, wstp.MessageCode.ABORT)
        heard.set()
        player.messages.clear()
        player.await_message(link, wstp.MessageCode.ABORT)
        link.put(packet("ReturnPacket", Symbol("$Aborted")), end_packet=True)
        link.flush()

    kernel = play({"busy[]": busy, **{str(n): [packet("ReturnPacket", n)] for n in range(3)}})
    link, token = attach(kernel), object()
    link.begin(token)
    link.abort(token)

    def again() -> None:
        heard.wait(30)
        link.abort(token)

    thread = threading.Thread(target=again)
    if asked == "twice":
        thread.start()
    assert evaluate(link, Symbol("busy")()) == Symbol("$Aborted")
    kernel.messages.clear()
    link.begin(object())
    assert evaluate(link, 2) == 2
    assert kernel.messages == [], "no abort is left over"
    link.close()


def test_a_kernel_that_goes_away(play: Start) -> None:
    link = attach(play({"gone[]": lambda player, link: link.close()}))
    with pytest.raises(KernelDied, match="the kernel is gone"):
        evaluate(link, Symbol("gone")())
    link.close()


def test_a_server_that_gives_no_kernel(play: Start) -> None:
    words = [*message("WSTPServer", "full", "WSTPServer::full: no kernel is free"), packet("ReturnPacket", Symbol("$Failed"))]
    with pytest.raises(NoKernel, match=r"gave no kernel: no kernel is free"):
        attach(play(greeting=words, refuse=True))
    with pytest.raises(NoKernel, match="cannot reach a server"):
        KernelLink.attach(Address("127.0.0.1", 1), timeout=5, stop=lambda: False)


def test_waiting_is_given_up_when_nobody_wants_the_kernel(play: Start) -> None:
    kernel = play(greeting=[])
    with pytest.raises(NoKernel, match="it was not wanted any more"):
        KernelLink.attach(Address("127.0.0.1", kernel.port), timeout=60, stop=lambda: True)

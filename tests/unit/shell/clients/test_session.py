"""Links of the clients to servers that are not what they seem; tests/e2e has real ones."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import wstp
from kernelbus.bus.security.proof import client_proof, server_proof
from kernelbus.shell.address import Address
from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.presence import find_kernel
from kernelbus.shell.clients.session import KernelRefused, Session, SessionError, connect_command, proves
from kernelbus.shell.commands import COMMAND_LINE, CONTEXT, command, name_of
from wstp import Expr, Function, Symbol
from wstp.packets import packet

TOKEN = "the token of the tests"


class Impostor:
    """A server that asks for the token, as if it had it, and keeps all that it is told."""

    def __init__(self, listener: wstp.Listener, *, silent: bool = False) -> None:
        self.address = Address("127.0.0.1", listener.port)
        self.heard: list[Expr] = []
        self._listener, self._silent = listener, silent
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        link = self._listener.accept(60)
        try:
            while True:
                asked = link.get(timeout=60)
                self.heard.append(asked)
                if not self._silent:
                    self._answer(link, asked)
        except wstp.WSTPError:
            link.close()

    def _answer(self, link: wstp.Link, asked: Expr) -> None:
        if isinstance(asked, Function) and name_of(asked.head) == CONTEXT + "Authenticate" and asked.args[0] != TOKEN:
            link.put(packet("ReturnPacket", "a number of the impostor's"), end_packet=True)
        else:
            link.put(packet("MessagePacket", Symbol(CONTEXT + "Authenticate"), "token"), end_packet=True)
            link.put(packet("TextPacket", "this server needs its token first"), end_packet=True)
            link.put(packet("ReturnPacket", Symbol("$Failed")), end_packet=True)
        link.flush()


@pytest.fixture
def listener() -> Iterator[wstp.Listener]:
    with wstp.listen() as made:
        yield made


def test_a_server_that_was_found_does_not_hear_the_token_unless_it_has_it(listener: wstp.Listener) -> None:
    impostor = Impostor(listener)
    with pytest.raises(KernelRefused) as refused:
        Session(impostor.address, connect_command(), token=TOKEN, prove=True, timeout=60)
    assert refused.value.reason == COMMAND_LINE.unproven and refused.value.tag == "token"
    said = repr(impostor.heard)
    assert "Challenge" in said and "Proof" in said and TOKEN not in said


def test_neither_does_one_that_is_asked_for_a_kernel(listener: wstp.Listener) -> None:
    impostor = Impostor(listener)
    with pytest.raises(SessionError, match="does not prove that it has the one that is known here"):
        find_kernel(impostor.address, "AbCdEfGhIjKlMnOpQrStUv", TOKEN, prove=True)
    assert TOKEN not in repr(impostor.heard)


def test_a_server_that_says_nothing_is_given_up_soon(listener: wstp.Listener) -> None:
    impostor = Impostor(listener, silent=True)
    with pytest.raises(SessionError, match=r"does not answer: it has said nothing in 0\.2 s"):
        Session(impostor.address, connect_command(), patience=0.2)


KERNEL = "AbCdEfGhIjKlMnOpQrStUv"
PROMPT = packet("InputNamePacket", "In[1]:= ")


@pytest.mark.parametrize(
    ("answers", "point"),
    [
        (["Main", 0, KERNEL, PROMPT], 0),
        (["Main", PROMPT, 1, KERNEL], 0),
        ([PROMPT, "Main", 1, KERNEL], 0),
        (["Main", 0, PROMPT, KERNEL], 0),
        (["Main", 7, PROMPT, PROMPT, KERNEL], 7),
        ([PROMPT, "Main", PROMPT, 9, PROMPT, KERNEL], 7),
    ],
)
def test_the_resume_point_is_in_the_profile_however_output_falls_among_the_answers(
    listener: wstp.Listener, tmp_path: Path, answers: list[Expr], point: int
) -> None:
    """An answer counts what the kernel has said before it, and nothing of what comes behind it."""

    def serve() -> None:
        link = listener.accept(60)
        for _ in range(4):
            link.get(timeout=60)
        for answer in [KERNEL, *answers]:
            link.put(answer if isinstance(answer, Function) else packet("ReturnPacket", answer), end_packet=True)
        link.flush()
        with contextlib.suppress(wstp.LinkClosed):
            link.get(timeout=60)
        link.close()

    threading.Thread(target=serve, daemon=True).start()
    file = tmp_path / "p.json"
    choice = Choice.of(server=f"{listener.port}@127.0.0.1", start_profile=str(file))
    attachment = choice.attach(keep=True, timeout=60)
    with attachment.session as session:
        assert (session.pool, session.position, json.loads(file.read_text())["ResumePoint"]) == ("Main", point, point)
        for count in range(1, 1 + sum(answer is PROMPT for answer in answers)):
            assert (session.next(60), session.position) == (PROMPT, point + count)


@pytest.mark.parametrize("back", ["own number", "own proof", "no text"])
def test_what_proves_nothing(back: str) -> None:
    asked: list[Function] = []

    def ask(question: Function) -> Expr:
        asked.append(question)
        kind, value = question.args
        if kind == "Challenge":
            return value if back == "own number" else 7 if back == "no text" else "0123456789abcdef"
        return value  # our own proof, sent back

    assert not proves(TOKEN, ask)
    assert len(asked) == (2 if back == "own proof" else 1)


def test_a_server_with_the_token_proves_it() -> None:
    numbers = ["", "0123456789abcdef"]

    def ask(question: Function) -> Expr:
        kind, value = question.args
        if kind == "Challenge":
            numbers[0] = str(value)
            return numbers[1]
        assert value == client_proof(TOKEN, *numbers)
        return server_proof(TOKEN, *numbers)

    assert proves(TOKEN, ask)
    assert command("Authenticate", "Challenge", "x").args == ("Challenge", "x")

"""The events of a session at a prompt: order, back-pressure, Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest
from kernel_player import KernelPlayer, packet

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.clients import events as module
from kernelbus.shell.clients.events import Ended, Events, Interrupts, Pressed, Said, Typed, listen
from kernelbus.shell.clients.session import Session, connect_command


def test_events_come_in_order_and_whoever_waits_elsewhere_is_called() -> None:
    events, called = Events(), []
    events.put(Typed())
    events.on_put = lambda: called.append("put")
    events.put(Pressed())
    assert [events.get(0), events.get(None), events.get(0)] == [Typed(), Pressed(), None]
    assert called == ["put"]


def test_a_kernel_that_says_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROOM", 2)
    events = Events()
    said = [Said(None, packet("TextPacket", str(number)), number) for number in range(3)]  # type: ignore[arg-type]

    def put() -> None:
        for each in said:
            events.put(each)

    thread = threading.Thread(target=put)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive(), "there is room for two"
    # Other events than the kernel's never wait.
    events.put(Pressed())
    assert events.get(10) == said[0]
    thread.join(30)
    assert not thread.is_alive()


def test_what_a_kernel_says_and_the_end_of_its_link(play: Callable[..., KernelPlayer]) -> None:
    def leave(player: KernelPlayer, link: wstp.Link) -> None:
        link.close()
        raise wstp.LinkClosed("played")

    kernel = play({"c": [packet("TextPacket", "one\n"), packet("ReturnPacket", "2")], "Quit[]": leave})
    session = Session(Address.parse(kernel.server), connect_command(keep=False))
    events = Events()
    listen(session, events)
    session.put(packet("EnterTextPacket", "c"))
    came = [events.get(30) for _ in range(3)]
    assert [event.packet.head.name for event in came if isinstance(event, Said)] == ["InputNamePacket", "TextPacket", "ReturnPacket"]
    assert [event.position for event in came if isinstance(event, Said)] == [1, 2, 3]
    session.put(packet("EvaluatePacket", wstp.Symbol("Quit")()))
    ended = events.get(30)
    assert isinstance(ended, Ended)
    assert ended.session is session
    session.close()


def test_the_frontends_own_words_are_not_counted(play: Callable[..., KernelPlayer]) -> None:
    """A session that was lost may be there again, and its count has no such packets."""
    said = "WSTPServer`ConnectKernel::lost: its host has been silent for 60 s"
    words = [packet("MessagePacket", wstp.Symbol("WSTPServer`ConnectKernel"), "lost"), packet("TextPacket", said)]
    own = [packet("MessagePacket", wstp.Symbol("Power"), "infy"), packet("TextPacket", "Power::infy: ...")]
    with Session(Address.parse(play({"c": [*words, *own]}).server), connect_command(keep=False)) as session:
        session.put(packet("EnterTextPacket", "c"))
        positions = [(session.next(30).head.name, session.position) for _ in range(5)]
    names = ["InputNamePacket", "MessagePacket", "TextPacket", "MessagePacket", "TextPacket"]
    assert positions == list(zip(names, [1, 1, 1, 2, 3], strict=True))


def test_ctrl_c_is_an_event_while_it_is_entered() -> None:
    events = Events()
    before = signal.getsignal(signal.SIGINT)
    with Interrupts(events):
        os.kill(os.getpid(), signal.SIGINT)
        assert events.get(10) == Pressed()
    assert signal.getsignal(signal.SIGINT) is before

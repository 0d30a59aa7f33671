"""The thread that reads a link: packets in order, messages for the right evaluation."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

import wstp
from kernelbus.kernelhost.mathics.packets import intake as module
from kernelbus.kernelhost.mathics.packets.intake import End, Intake
from kernelbus.kernelhost.mathics.packets.interfaces import Arrival
from wstp import Expr, MessageCode, Symbol

S = Symbol
WAIT = 60.0


class Kernel:
    """Read a link as a kernel does, and record which requests reach the evaluation."""

    def __init__(self) -> None:
        with wstp.listen(0, mode="default") as listener:
            peers: list[wstp.Link] = []
            accepting = threading.Thread(target=lambda: peers.append(listener.accept(WAIT)))
            accepting.start()
            name = f"{listener.port}@127.0.0.1"
            self.link = wstp.connect(["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", name])
            accepting.join()
        self.peer = peers[0]
        self.calls: list[str] = []
        self._called = threading.Condition()
        self.intake = Intake(self.link, self._recorder("abort"), self._recorder("forget"), self._recorder("interrupt"))
        self.intake.start()

    def _recorder(self, name: str) -> Callable[[], None]:
        def call() -> None:
            with self._called:
                self.calls.append(name)
                self._called.notify_all()

        return call

    def wait_for(self, *calls: str) -> None:
        with self._called:
            assert self._called.wait_for(lambda: self.calls == list(calls), WAIT), self.calls

    def put(self, packet: Expr) -> None:
        self.peer.put(packet, end_packet=True)
        self.peer.flush(WAIT)

    def take(self) -> Arrival:
        arrival = self.intake.take()
        assert isinstance(arrival, Arrival)
        return arrival


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    # The reader exits the process if its link ends and nothing finishes it in time.
    monkeypatch.setattr(module, "GRACE", WAIT)
    made = Kernel()
    yield made
    made.intake.finish()
    made.peer.close()
    made.link.close()


def test_packets_arrive_in_order(kernel: Kernel) -> None:
    for number in range(3):
        kernel.put(S("f")(number))
    assert [kernel.take() for _ in range(3)] == [Arrival(S("f")(number)) for number in range(3)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(MessageCode.ABORT, Arrival(S("f")(1), aborted=True)), (MessageCode.INTERRUPT, Arrival(S("f")(1), interrupted=True))],
)
def test_a_message_behind_a_packet_is_for_it(code: MessageCode, expected: Arrival, kernel: Kernel) -> None:
    kernel.put(S("f")(1))
    kernel.peer.put_message(code)
    # Taken only now, so that the message is for a packet that waits.
    assert _settled(kernel, lambda: kernel.intake._queue and kernel.intake._queue[0] == expected)
    assert kernel.take() == expected
    assert kernel.calls == []


@pytest.mark.parametrize(("code", "call"), [(MessageCode.ABORT, "abort"), (MessageCode.INTERRUPT, "interrupt")])
def test_a_message_reaches_the_running_evaluation(code: MessageCode, call: str, kernel: Kernel) -> None:
    kernel.put(S("f")(1))
    kernel.take()
    kernel.peer.put_message(code)
    kernel.wait_for(call)
    kernel.intake.done()
    assert kernel.calls == [call, "forget"]


def test_a_message_while_idle_has_no_effect(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    hear = kernel.intake._heard

    def note(message: wstp.Message, arriving: bool) -> bool:
        goes_on = hear(message, arriving)
        heard.append(message.code)
        return goes_on

    monkeypatch.setattr(kernel.intake, "_heard", note)
    kernel.peer.put_message(MessageCode.ABORT)
    kernel.peer.put_message(MessageCode.INTERRUPT)
    # A message on a connection of its own may come behind a packet that was sent after it.
    assert _settled(kernel, lambda: heard == [MessageCode.ABORT, MessageCode.INTERRUPT])
    kernel.put(S("f")(1))
    assert kernel.take() == Arrival(S("f")(1))
    assert kernel.calls == []


def test_an_abort_is_for_the_evaluation_that_asks_if_nothing_else_runs(kernel: Kernel) -> None:
    kernel.put(S("f")(1))
    kernel.take()
    kernel.intake.enter()
    kernel.put("answer")
    assert kernel.intake.take_inside(lambda: False, lambda: None) == Arrival("answer")
    kernel.intake.done()
    kernel.peer.put_message(MessageCode.ABORT)
    assert kernel.intake.take_inside(lambda: "abort" in kernel.calls, lambda: None) is None
    kernel.intake.leave()


def test_a_packet_that_cannot_be_read_comes_with_its_fault(kernel: Kernel) -> None:
    kernel.peer.put_raw([b"FA#DA~Af\n+FA~C12x\n]", b"FB#DA~Af\n]"])
    kernel.put("next")
    for kind in (wstp.Misread, wstp.EarlyEnd):
        arrival = kernel.take()
        assert type(arrival.fault) is kind
        assert arrival.packet == arrival.fault.expr == S("f")(S("$Failed"))
    assert kernel.take() == Arrival("next")


@pytest.mark.parametrize(
    ("how", "end", "status"),
    [("close", End.CLOSED, 0), ("abort", End.LOST, 3), ("terminate", End.TERMINATED, 0), ("nonsense", End.BROKEN, 4)],
)
def test_the_link_ends(how: str, end: End, status: int, kernel: Kernel) -> None:
    if how == "terminate":
        kernel.peer.put_message(MessageCode.TERMINATE)
    elif how == "nonsense":
        kernel.peer.put_raw([b"\x01\x02\x03"])
        kernel.peer.flush(WAIT)
    else:
        getattr(kernel.peer, how)()
    assert kernel.intake.take() is end
    assert kernel.intake.end() is end
    assert end.status == status


def test_an_evaluation_that_outlives_its_link_ends_the_process(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    exited: list[int] = []
    gone = threading.Event()
    monkeypatch.setattr(module, "GRACE", 0.01)
    monkeypatch.setattr(os, "_exit", lambda status: (exited.append(status), gone.set()))
    kernel.put(S("f")(1))
    kernel.take()
    kernel.peer.abort()
    assert gone.wait(WAIT)
    assert exited == [3]
    assert kernel.calls == ["abort"]


def _settled(kernel: Kernel, condition: Callable[[], object]) -> bool:
    """Wait until a condition on the queue holds."""
    changed = kernel.intake._changed
    with changed:
        # A message changes the queue without a notification.
        for _ in range(int(WAIT / 0.01)):
            if condition():
                return True
            changed.wait(0.01)
    return False

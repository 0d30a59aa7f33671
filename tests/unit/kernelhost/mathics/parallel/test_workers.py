"""Kernels for parallel work, beside a server that a thread plays."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

import wstp
from kernelbus.kernelhost.mathics.parallel import workers as module
from kernelbus.kernelhost.mathics.parallel.workers import NoWorkersError, Worker, Workers
from wstp import Expr, Function, Link, MessageCode, Symbol

S = Symbol


class Calm:
    """Hold no aborts back, and raise one when told to."""

    error: BaseException | None = None

    @property
    @contextlib.contextmanager
    def masked(self) -> Iterator[None]:
        yield
        if self.error is not None:
            raise self.error


class Server:
    """Give each client a kernel that adds, prints, waits or dies as it is told."""

    def __init__(self, kernels: int) -> None:
        self._listener = wstp.listen(mode="uuid")
        self.name = f"{self._listener.port}@127.0.0.1"
        self._left = kernels
        self.aborted = threading.Event()
        self.closed = threading.Semaphore(0)
        self.asked: list[Expr] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(wstp.WSTPError, ValueError, OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept(),), daemon=True).start()

    def _serve(self, link: Link) -> None:
        with contextlib.suppress(wstp.WSTPError), link:
            self.asked.append(link.get(60))
            if self._left <= 0:
                link.put(S("MessagePacket")(S("WSTPServer`ConnectKernel"), "none"))
                link.put(S("TextPacket")("WSTPServer`ConnectKernel::none: none is free\n"))
                link.put(S("ReturnPacket")(S("$Failed")), end_packet=True)
                link.flush()
                link.get(60)
            self._left -= 1
            link.put(S("ReturnPacket")("an id"), end_packet=True)
            link.put(S("InputNamePacket")("In[1]:= "), end_packet=True)
            link.flush()
            while True:
                self._answer(link, link.get(60).args[0])
        self.closed.release()

    def _answer(self, link: Link, task: Expr) -> None:
        if task == "die":
            link.abort()
        elif task == "wait":
            while (message := link.get_message()) is None:
                link.wait(0.05)
            assert message.code == MessageCode.ABORT
            self.aborted.set()
            link.put(S("ReturnPacket")(S("$Aborted")), end_packet=True)
        else:
            link.put(S("TextPacket")(f"{task}\n"), end_packet=True)
            link.put(S("ReturnPacket")(task), end_packet=True)
        link.flush()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(3)
    yield made
    made.close()


@pytest.fixture
def held() -> Calm:
    return Calm()


@pytest.fixture
def workers(server: Server, held: Calm) -> Iterator[Workers]:
    made = Workers(held, server.name)
    yield made
    held.error = None
    made.close(made.all())


def nothing(worker: Worker, packet: Function) -> None:
    """Take what a worker says."""


def test_kernels_are_asked_for_and_given_back(workers: Workers, server: Server) -> None:
    launched = workers.launch(2)
    assert [(worker.number, worker.identity) for worker in launched] == [(1, "an id"), (2, "an id")]
    assert workers.all() == launched
    parallel = S("Association")(S("Rule")("Parallel", S("True")))
    assert server.asked == [S("WSTPServer`ConnectKernel")(parallel, S("Rule")("KeepAlive", S("False")))] * 2
    workers.close(launched)
    assert workers.all() == []
    assert server.closed.acquire(timeout=60)
    assert server.closed.acquire(timeout=60)


def test_fewer_kernels_come_than_are_wanted(workers: Workers) -> None:
    assert len(workers.launch(5)) == 3
    with pytest.raises(NoWorkersError, match="none is free"):
        workers.launch(1)


def test_there_is_no_server(held: Calm) -> None:
    with pytest.raises(NoWorkersError, match="belongs to no server"):
        Workers(held).launch(1)
    with pytest.raises(NoWorkersError, match="refused"):
        Workers(held, "1@127.0.0.1").launch(1)


def test_no_kernel_comes_in_time(held: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAUNCHING", 0.2)
    over = threading.Event()

    def serve(listener: wstp.Listener) -> None:
        with listener.accept(60):
            over.wait(60)

    with wstp.listen(mode="uuid") as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with pytest.raises(NoWorkersError, match="in time"):
            Workers(held, f"{listener.port}@127.0.0.1").launch(1)
        over.set()
        thread.join()


def test_tasks_are_shared_out_and_their_results_are_in_order(workers: Workers) -> None:
    workers.launch(2)
    heard: list[Expr] = []
    results, left = workers.run([1, 2, 3, 4, 5], lambda worker, packet: heard.append(packet))
    assert (results, left) == ([1, 2, 3, 4, 5], [])
    assert all(S("TextPacket")(f"{task}\n") in heard for task in (1, 2, 3, 4, 5))


def test_a_task_for_each_worker(workers: Workers) -> None:
    first, second = workers.launch(2)
    assert workers.run(["a", "b", "c"], nothing, only=[second, first, second]) == (["a", "b", "c"], [])
    workers.close([second])
    assert workers.run(["a", "b"], nothing, only=[first, second]) == (["a", S("$Failed")], [])


def test_a_task_that_loses_two_workers_has_failed(workers: Workers) -> None:
    workers.launch(3)
    assert workers.run(["die", 2, 3], nothing) == ([S("$Failed"), 2, 3], [])
    assert len(workers.all()) == 1
    assert workers.run(["die", 2], nothing) == ([None, None], [0, 1])
    assert workers.all() == []


def test_enough_is_enough(workers: Workers, server: Server) -> None:
    workers.launch(2)
    assert workers.run(["wait", 2, 3], nothing, enough=lambda result: result == 2) == ([None, 2, None], [])
    assert server.aborted.wait(60)
    assert workers.run([4, 5, 6], nothing) == ([4, 5, 6], [])


def test_an_abort_goes_to_the_workers(workers: Workers, server: Server, held: Calm) -> None:
    class Stop(BaseException):
        pass

    workers.launch(1)
    threading.Timer(0.3, lambda: setattr(held, "error", Stop())).start()
    with pytest.raises(Stop):
        workers.run(["wait"], nothing)
    held.error = None
    assert server.aborted.wait(60)
    assert workers.run([7], nothing) == ([7], [])

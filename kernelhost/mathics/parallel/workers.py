"""Take kernels of the server for parallel work, and give them tasks; no Mathics3.

A kernel is told where its server listens for programs. There it connects as a program does, and
asks for a kernel for parallel work that is not kept: ``WSTPServer`ConnectKernel[<|"Parallel" ->
True|>, "KeepAlive" -> False]``. So these kernels count as any other, wait their turn in the queue,
and end when the link to this kernel ends, however it ends.

A task is an expression that is evaluated in an ``EvaluatePacket``. Each worker has one task at a
time; what it prints is passed on. The task of a worker that is lost is given to another one, once.
Waiting is done in short slices, as in :mod:`kernelbus.kernelhost.mathics.links.table`.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

import wstp
from wstp import Link, LocalProtocolError, WSTPError
from wstp.expr import Expr, Function, Symbol

__all__ = ["Held", "NoWorkersError", "Worker", "Workers"]

_SLICE: Final = 0.05
#: How long connecting to the server may take, seconds.
_CONNECTING: Final = 5.0
#: How long kernels are waited for once they have been asked for, seconds.
_LAUNCHING: Final = 5.0
#: How many workers a task may lose.
_TRIES: Final = 2

#: What a worker sends in the middle of a task to be answered.
_QUESTIONS: Final = tuple(map(Symbol, ("EvaluatePacket", "InputPacket", "InputStringPacket", "BeginDialogPacket", "MenuPacket")))

_CONNECT: Final = Symbol("WSTPServer`ConnectKernel")(
    Symbol("Association")(Symbol("Rule")("Parallel", Symbol("True"))), Symbol("Rule")("KeepAlive", Symbol("False"))
)


class Held(Protocol):
    """Hold aborts back."""

    @property
    def masked(self) -> AbstractContextManager[None]:
        """Hold aborts back while the body runs, and raise what came at its end."""


class NoWorkersError(Exception):
    """Say that there is no kernel for parallel work, and why."""


class Worker:
    """A kernel for parallel work.

    Attributes:
        number: its number, as in ``$KernelID``.
        link: the link to it, over the server.
        identity: its id.
        shared: what it has been told about the symbols that it shares with its master.
        known: the definitions that it has: the name of each symbol, and which state of it.
        owed: how many answers are to be dropped: those of tasks that were given up.
    """

    def __init__(self, number: int, link: Link, identity: str) -> None:
        self.number = number
        self.link = link
        self.identity = identity
        self.shared: object = None
        self.known: dict[str, int] = {}
        self.owed = 0


class Workers:
    """The kernels for parallel work that one kernel has.

    Args:
        held: holds aborts back.
        server: where the server listens, ``port@host``; "" if this kernel has none.
    """

    def __init__(self, held: Held, server: str = "") -> None:
        self.server = server
        self._held = held
        self._workers: list[Worker] = []
        self._last = 0

    def all(self) -> list[Worker]:
        """Return the workers, in the order of their numbers."""
        return list(self._workers)

    def launch(self, count: int) -> list[Worker]:
        """Take up to so many kernels of the server, and return those that came.

        Raises:
            NoWorkersError: none came.
        """
        if not self.server:
            raise NoWorkersError("this kernel belongs to no server")
        asked: list[Link] = []
        made: list[Worker] = []
        why = "none came free in time"
        try:
            for _ in range(count):
                try:
                    link = wstp.connect(self.server, mode="uuid", timeout=_CONNECTING)
                    asked.append(link)
                    link.put(_CONNECT, end_packet=True)
                    link.flush(_CONNECTING)
                except (WSTPError, OSError) as error:
                    why = str(error)
                    break
            until = time.monotonic() + _LAUNCHING
            while asked and time.monotonic() < until:
                with self._held.masked:
                    for link in self._ready(asked):
                        try:
                            answer = link.get(0)
                        except WSTPError as error:
                            answer, why = Symbol("$Failed"), str(error)
                        text = _said(answer)
                        if text is not None:
                            why = text
                        elif answer == Symbol("$Failed") or _result(answer) == Symbol("$Failed"):
                            asked.remove(link)
                            link.abort()
                        elif isinstance(identity := _result(answer), str):
                            asked.remove(link)
                            self._last += 1
                            made.append(Worker(self._last, link, identity))
                            self._workers.append(made[-1])
        finally:
            for link in asked:
                link.abort()
        if not made:
            raise NoWorkersError(why)
        return made

    def _ready(self, links: Sequence[Link]) -> list[Link]:
        """Wait a little for links that have something to read, and return these."""
        ready = [link for link in links if _has_data(link)]
        if ready:
            return ready
        poller = select.poll()
        for link in links:
            if link.fileno() >= 0:
                poller.register(link.fileno(), select.POLLIN)
        poller.poll(int(_SLICE * 1000))
        return [link for link in links if _has_data(link)]

    def close(self, workers: Sequence[Worker]) -> None:
        """End workers, which ends their kernels."""
        for worker in workers:
            self._drop(worker)

    def _drop(self, worker: Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        with contextlib.suppress(WSTPError, OSError):
            worker.link.close(timeout=1.0, linger=0.0)

    # -- tasks -----------------------------------------

    def run(
        self,
        tasks: Sequence[Expr],
        said: Callable[[Worker, Function], None],
        *,
        only: Sequence[Worker] | None = None,
        enough: Callable[[Expr], bool] = lambda result: False,
        answer: Callable[[Function], Expr] | None = None,
    ) -> tuple[list[Expr | None], list[int]]:
        """Have tasks evaluated by whichever worker is free.

        A task that loses its worker is given to another one, once, and has ``$Failed`` then. With
        `only` it has that at once.

        Args:
            tasks: the expressions.
            said: receives what a worker prints, and its messages.
            only: give each task to this worker, the first to the first.
            enough: tells of a result whether the other tasks are needed no more; these have None.
            answer: returns the packet with which a question of a worker is answered. It is called
                for one question at a time, and aborts are not held back meanwhile.

        Returns:
            The results, in order; and which tasks were given to nobody, since no worker is left.
        """
        results: list[Expr | None] = [None] * len(tasks)
        waiting = deque(range(len(tasks)))
        tries = [0] * len(tasks)
        busy: dict[int, tuple[Worker, int]] = {}
        questions: deque[tuple[Worker, Function]] = deque()
        try:
            while waiting or busy:
                with self._held.masked:
                    self._give(tasks, waiting, busy, results, only)
                    if waiting and not busy and not self._workers:
                        return results, list(waiting)
                    finished = self._take(busy, waiting, tries if only is None else [_TRIES] * len(tasks), results, said, questions)
                while questions:
                    self._reply(*questions.popleft(), answer)
                if finished and any(results[index] is not None and enough(_given(results[index])) for index in finished):
                    waiting.clear()
                    self._give_up(busy)
            return results, []
        except BaseException:
            self._give_up(busy)
            raise

    def _give(
        self,
        tasks: Sequence[Expr],
        waiting: deque[int],
        busy: dict[int, tuple[Worker, int]],
        results: list[Expr | None],
        only: Sequence[Worker] | None,
    ) -> None:
        """Give free workers their next tasks."""
        for worker in self._free(busy):
            index = next((i for i in waiting if only is None or only[i] is worker), None)
            if index is None:
                continue
            try:
                worker.link.put(Symbol("EvaluatePacket")(tasks[index]), end_packet=True)
                worker.link.flush(_CONNECTING)
            except WSTPError:
                self._drop(worker)
                continue
            waiting.remove(index)
            busy[worker.number] = worker, index
        for index in [i for i in waiting if only is not None and only[i] not in self._workers]:
            waiting.remove(index)
            results[index] = Symbol("$Failed")

    def _free(self, busy: dict[int, tuple[Worker, int]]) -> list[Worker]:
        """Return who can take a task.

        A worker that still owes an answer could take the next task for the answer to its question,
        or the abort of the last one for that of the next.
        """
        return [worker for worker in self._workers if worker.number not in busy and not worker.owed]

    def _take(
        self,
        busy: dict[int, tuple[Worker, int]],
        waiting: deque[int],
        tries: list[int],
        results: list[Expr | None],
        said: Callable[[Worker, Function], None],
        questions: deque[tuple[Worker, Function]],
    ) -> list[int]:
        """Take what busy workers say; return which tasks have a result now."""
        by_link = {id(worker.link): worker for worker in self._workers if worker.owed or worker.number in busy}
        by_link |= {id(worker.link): worker for worker, _ in busy.values()}
        finished = []
        for link in self._ready([worker.link for worker in by_link.values()]):
            worker = by_link[id(link)]
            try:
                packet = link.get(0)
            except wstp.PacketFault as fault:
                packet = fault.expr
            except WSTPError:
                self._drop(worker)
                if worker.number in busy:
                    index = busy.pop(worker.number)[1]
                    tries[index] += 1
                    if tries[index] < _TRIES:
                        waiting.appendleft(index)
                    else:
                        results[index] = Symbol("$Failed")
                continue
            if not isinstance(packet, Function):
                continue
            if worker.owed:
                worker.owed -= packet.head == Symbol("ReturnPacket")
            elif packet.head in _QUESTIONS:
                questions.append((worker, packet))
            elif packet.head != Symbol("ReturnPacket"):
                said(worker, packet)
            else:
                index = busy.pop(worker.number)[1]
                results[index] = packet.args[0] if packet.args else Symbol("Null")
                finished.append(index)
        return finished

    def _reply(self, worker: Worker, question: Function, answer: Callable[[Function], Expr] | None) -> None:
        """Answer a question of a worker; without an answer the worker's evaluation is aborted."""
        packet = None if answer is None else answer(question)
        # A link that is lost is found out when it is read.
        with self._held.masked, contextlib.suppress(WSTPError, OSError):
            if packet is not None:
                with contextlib.suppress(TypeError, LocalProtocolError):
                    worker.link.put(packet, end_packet=True)
                    worker.link.flush(_CONNECTING)
                    return
            worker.link.put_message(wstp.MessageCode.ABORT)

    def _give_up(self, busy: dict[int, tuple[Worker, int]]) -> None:
        """Abort what is evaluated, and drop its results when they come."""
        for worker, _ in busy.values():
            worker.owed += 1
            with contextlib.suppress(WSTPError, OSError):
                worker.link.put_message(wstp.MessageCode.ABORT)
        busy.clear()


def _given(value: Expr | None) -> Expr:
    return Symbol("Null") if value is None else value


def _has_data(link: Link) -> bool:
    try:
        return link.ready()
    except WSTPError:
        return True


def _result(packet: Expr) -> Expr:
    """Return what a ReturnPacket holds, Null for another packet."""
    is_result = isinstance(packet, Function) and packet.head == Symbol("ReturnPacket") and packet.args
    return packet.args[0] if is_result and isinstance(packet, Function) else Symbol("Null")


def _said(packet: Expr) -> str | None:
    """Return what a TextPacket says, None for another packet."""
    if isinstance(packet, Function) and packet.head == Symbol("TextPacket") and packet.args and isinstance(packet.args[0], str):
        return packet.args[0].strip().removeprefix("WSTPServer`ConnectKernel::")
    return None

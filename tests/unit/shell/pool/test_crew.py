"""The threads of a pool: their queue, their end, and tasks without a kernel."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from kernel_player import KernelPlayer, packet

from kernelbus.shell.address import Address
from kernelbus.shell.pool.crew import Crew, Orders, Task, check_value
from kernelbus.shell.pool.kernellink import (
    EvaluationAborted,
    EvaluationFailed,
    KernelMessage,
    NoKernel,
    encode,
)
from wstp import Expr, Symbol

Start = Callable[..., KernelPlayer]


def crew_of(port: int, initializer: Expr | None = None) -> Crew:
    first = None if initializer is None else encode(initializer)
    return Crew(1, Orders(Address("127.0.0.1", port), first, 30.0, None, lambda text: None))


def task_of(expression: Expr) -> Task:
    future: Future[Any] = Future()
    return Task(encode(expression), future)


def test_values_that_are_none() -> None:
    said = [KernelMessage("f", "bad", "f::bad:\n  Oh.")]
    with pytest.raises(EvaluationFailed, match=r"the value is \$Failed: f::bad: Oh\.") as failed:
        check_value(Symbol("System`$Failed"), said)
    assert failed.value.messages == tuple(said)
    with pytest.raises(EvaluationFailed):
        check_value(Symbol("$Failed")(1))
    with pytest.raises(EvaluationAborted):
        check_value(Symbol("$Aborted"))
    for value in (3, [Symbol("$Failed")], Symbol("f")(Symbol("$Aborted")), Symbol("$Aborted")(1)):
        assert check_value(value) == value


def test_tasks_are_done_in_order_and_the_kernel_is_ended(play: Start) -> None:
    kernel = play({"f[1]": [packet("ReturnPacket", 1)], "f[2]": [packet("ReturnPacket", Symbol("$Failed"))]})
    crew = crew_of(kernel.port, Symbol("init")())
    crew.when_ready(1).result(60)
    tasks = [task_of(Symbol("f")(1)), task_of(Symbol("f")(2))]
    for task in tasks:
        crew.add(task)
    assert tasks[0].future.result(30) == 1
    assert isinstance(tasks[1].future.exception(30), EvaluationFailed)
    crew.close()
    crew.join()
    assert kernel.codes == ["init[]", "f[1]", "f[2]"]
    assert kernel.commands[-1].head == Symbol("WSTPServer`CloseKernel")
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        crew.add(task_of(1))


def test_without_a_server_there_is_no_kernel_and_nothing_waits() -> None:
    crew = crew_of(1)
    with pytest.raises(NoKernel, match="cannot reach a server"):
        crew.when_ready(1).result(60)
    crew.join()
    assert crew.size == 0
    with pytest.raises(NoKernel):
        crew.add(task_of(1))


def test_an_initializer_that_fails(play: Start) -> None:
    crew = crew_of(play({"init[]": [packet("ReturnPacket", Symbol("$Failed"))]}).port, Symbol("init")())
    with pytest.raises(NoKernel, match="the initializer failed"):
        crew.when_ready(1).result(60)
    crew.join()


def test_a_cancelled_task_is_not_evaluated(play: Start) -> None:
    def wait(player: KernelPlayer, link: Any) -> None:
        player.wait_until(lambda: second.future.cancelled())
        link.put(packet("ReturnPacket", 1), end_packet=True)
        link.flush()

    kernel = play({"first[]": wait})
    crew = crew_of(kernel.port)
    first, second = task_of(Symbol("first")()), task_of(Symbol("second")())
    crew.add(first)
    crew.add(second)
    assert second.future.cancel()
    crew.cancelled(second)
    assert first.future.result(30) == 1
    crew.close()
    crew.join()
    assert kernel.codes == ["first[]"]

"""Kernels as an Executor, with real servers.

Stand-in kernels show failures, embedded ones compute. Tests kernelbus.shell.pool.kernelpool, with
its threads (kernelbus.shell.pool.crew) and links (kernelbus.shell.pool.kernellink).
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, as_completed, wait
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from forking import raised_after_fork
from serving import ROOT, Part, stand_in_pool, wait_until, write_config

from kernelbus import (
    AddressError,
    EvaluationAborted,
    EvaluationFailed,
    KernelDied,
    KernelMessage,
    KernelPool,
    KernelWarning,
    NoKernel,
)
from wstp import Symbol

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """A server with stand-in kernels.

    Its pools: `Plain` by default, `Workers` for parallel work, `Few` with at most two kernels,
    `Bad` with none.
    """
    folder = tmp_path_factory.mktemp("pool")
    bad = {**stand_in_pool(folder), "KernelPath": str(folder / "missing"), "MinimumKernelNumber": 0}
    pools = {
        "Plain": stand_in_pool(folder, Default=True),
        "Workers": stand_in_pool(folder, ParallelKernels=True, ParallelKernelDefault=True, MaximumKernelNumber=8),
        "Few": stand_in_pool(folder, MinimumKernelNumber=0, MaximumKernelNumber=2),
        "Bad": bad,
    }
    config = write_config(folder / "c.conf", Pools=pools, Limits={"AbortTimeout": 4})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


@pytest.fixture(scope="module")
def mathics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("mathics") / "c.conf", Pools={"M": {"MinimumKernelNumber": 2}})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


@pytest.fixture(scope="module")
def two(mathics: Part) -> Iterator[KernelPool]:
    """A pool of two embedded kernels that several tests share."""
    with KernelPool(f"wstp://127.0.0.1:{mathics.port}/M", 2, initializer="double[x_] := 2 x") as pool:
        yield pool


def of(server: Part, pool: str = "") -> str:
    return f"wstp://127.0.0.1:{server.port}/{pool}"


def kernels(server: Part) -> set[int]:
    return {child.pid for child in server.children()}


def pids(pool: KernelPool, count: int) -> set[int]:
    """Return the process ids of `count` kernels, which evaluate at the same time."""
    found: set[int] = set()

    def all_seen() -> bool:
        found.update(future.result(10) for future in [pool.submit("Pid") for _ in range(4 * count)])
        return len(found) >= count

    wait_until(all_seen, f"{count} kernels")
    return found


# ---- what is computed --------------------------------------------------------------------------


def test_map_gives_the_values_in_order(two: KernelPool) -> None:
    primes = list(two.map("Prime", range(1, 301)))
    assert primes[:5] == [2, 3, 5, 7, 11]
    assert len(primes) == 300
    assert primes == sorted(primes)
    assert {type(value) for value in primes} == {int}


@pytest.mark.parametrize("chunksize", [None, 1, 3, 100])
def test_map_means_the_same_in_chunks_of_any_size(two: KernelPool, chunksize: int | None) -> None:
    assert list(two.map("#^2 &", range(10), chunksize=chunksize)) == [n * n for n in range(10)]
    assert list(two.map("Plus", range(10), range(10, 30), chunksize=chunksize)) == list(range(10, 30, 2))
    assert list(two.map("double", [1, Fraction(1, 3), [1, 2]], chunksize=chunksize))[:2] == [2, Fraction(2, 3)]
    assert list(two.map("Nothing &", range(3), chunksize=chunksize)) == [Symbol("Nothing")] * 3
    assert list(two.map("Prime", [], chunksize=chunksize)) == []


def test_a_list_of_lists_comes_back_row_by_row(two: KernelPool) -> None:
    for row, value in zip(np.arange(100.0).reshape(4, 25), two.map("2 # &", np.arange(100.0).reshape(4, 25), chunksize=2), strict=True):
        assert np.array_equal(np.asarray(value), 2 * row)


def test_map_reads_no_further_ahead_than_it_is_told(two: KernelPool) -> None:
    read = itertools.count(1)
    values = two.map("Prime", read, chunksize=2, buffersize=3)
    assert [next(values) for _ in range(5)] == [2, 3, 5, 7, 11]
    assert next(read) <= 5 + 2 * 3 + 2
    values.close()  # type: ignore[attr-defined]


def test_values_of_every_kind(two: KernelPool) -> None:
    assert two.submit("Plus", 2, 2).result() == 4
    assert two.submit(Symbol("Derivative")(1), Symbol("Sin")).result() is not None
    assert two.submit("Divide", 1, 3).result() == Fraction(1, 3)
    assert two.submit("Global`double", 1.5).result() == 3.0
    assert two.submit("StringLength", "été").result() == 3
    assert two.submit("f", Symbol("x")).result() == Symbol("f")(Symbol("x"))
    assert two.submit("Sort", [3, 1, 2], Symbol("Greater")).result() == [3, 2, 1]
    assert two.submit("List", x=Fraction(1, 2)).result() == [Symbol("Rule")(Symbol("x"), Symbol("Rational")(1, 2))]
    assert two.evaluate("{True, Null, <|\"a\" -> 1|>, 1.5 + 2. I}").result() == [True, None, {"a": 1}, 1.5 + 2j]
    data = np.arange(10_000.0)
    assert two.submit("Total", data).result() == data.sum()
    back = two.submit("Identity", data).result()
    assert isinstance(back, np.ndarray)
    assert np.array_equal(back, data)


def test_failed_and_aborted_are_raised_with_what_the_kernel_said(two: KernelPool) -> None:
    with pytest.raises(EvaluationFailed, match=r"\$Failed: Get::noopen") as failed:
        two.submit("Get", "/no/such/file.m").result()
    assert failed.value.messages == (KernelMessage("Get", "noopen", failed.value.messages[0].text),)
    with pytest.raises(EvaluationFailed, match="ToExpression::"):
        two.submit("#^ &", 1).result()
    with pytest.raises(EvaluationAborted):
        two.evaluate("Abort[]").result()
    values = two.map("If[# == 2, $Failed, #] &", range(5), chunksize=5)
    assert [next(values), next(values)] == [0, 1]
    with pytest.raises(EvaluationFailed):
        next(values)


def test_messages_are_warnings_where_the_result_is_taken(two: KernelPool) -> None:
    future = two.evaluate("1/0")
    with pytest.warns(KernelWarning, match=r"^Power::infy: Infinite expression") as warned:
        assert future.result() == Symbol("DirectedInfinity")()
    assert warned[0].filename == __file__
    assert [message.tag for message in future.messages] == ["infy"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        future.result()
    with pytest.warns(KernelWarning, match="infy") as warned:
        list(two.map("1/# &", [0, 1], chunksize=2))
    assert warned[0].filename == __file__


def test_prints_and_messages_go_where_they_are_wanted(mathics: Part, capfd: pytest.CaptureFixture[str]) -> None:
    messages: list[str] = []
    printed: list[str] = []
    with KernelPool(of(mathics), 1, on_message=lambda message: messages.append(message.tag), on_print=printed.append) as pool:
        pool.evaluate('Print["here"]; 1/0').result()
    assert (messages, printed) == (["infy"], ["here\n"])
    with KernelPool(of(mathics), 1) as pool:
        pool.evaluate('Print["there"]').result()
    assert capfd.readouterr().out == "there\n"


def test_a_cancelled_evaluation_is_aborted_and_harms_no_other(two: KernelPool) -> None:
    for _ in range(5):
        endless = [two.evaluate("While[True]") for _ in range(2)]
        waiting = two.evaluate("1")
        wait_until(lambda endless=endless: all(future.running() for future in endless), "both kernels are busy")
        assert waiting.cancel()
        for future in endless:
            assert future.cancel()
            assert future.cancelled()
            with pytest.raises(CancelledError):
                future.result()
        assert not wait([*endless, waiting], 10).not_done
        assert list(two.map("Prime", range(1, 9), chunksize=1)) == [2, 3, 5, 7, 11, 13, 17, 19]


def test_a_map_that_is_given_up_stops_its_kernels(two: KernelPool) -> None:
    values = two.map("If[# > 0, While[True], #] &", range(5), timeout=2, chunksize=1)
    assert next(values) == 0
    with pytest.raises(TimeoutError):
        next(values)
    assert two.submit("Plus", 1, 1).result(60) == 2


def test_asyncio_can_wait_and_cancel(two: KernelPool) -> None:
    async def main() -> None:
        assert await asyncio.wrap_future(two.submit("Plus", 1, 1)) == 2
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(two, "Plus", 1, 2) == 3  # type: ignore[arg-type]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(two.evaluate("While[True]")), 0.5)
        assert await asyncio.wrap_future(two.submit("Plus", 1, 3)) == 4

    asyncio.run(main())


# ---- kernels and their ends --------------------------------------------------------------------


def test_kernels_are_of_the_pool_that_is_named_and_end_with_ours(server: Part) -> None:
    with KernelPool(of(server, "Few"), 2) as pool:
        mine = pids(pool, 2)
        assert mine <= kernels(server)
        assert "WSTPServer`$PoolName=Few" in pool.submit("Defined").result()
    wait_until(lambda: not mine & kernels(server), "the kernels' end")


def test_kernels_for_parallel_work_where_no_pool_is_named(server: Part) -> None:
    with KernelPool(of(server), 2) as pool:
        assert "WSTPServer`$PoolName=Workers" in pool.submit("Defined").result()
        assert "-subkernel" in pool.submit("Arguments").result()


def test_fewer_kernels_than_asked_for_do_the_work(server: Part) -> None:
    with KernelPool(of(server, "Few"), 5) as pool:
        assert len(pids(pool, 2)) == 2
        assert [future.result() for future in [pool.submit("f", n) for n in range(20)]] == [Symbol("f")(n) for n in range(20)]


def test_what_dies_once_is_tried_elsewhere(server: Part, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    with KernelPool(of(server), 2) as pool:
        before = pids(pool, 2)
        future = pool.submit("Await", str(answer))
        wait_until(future.running, "it is at work")
        # One after the other, so that the kernel at work is surely among them; the task is tried
        # again on a replacement.
        busy = before - {pool.submit("Pid").result(10)}
        for pid in busy:
            psutil.Process(pid).kill()
        wait_until(lambda: future.running() and len(pids(pool, 1)) > 0, "another kernel")
        answer.write_text("42")
        assert future.result(30) == "42"
        assert not busy & pids(pool, 2)


def test_what_dies_twice_is_told(server: Part) -> None:
    with KernelPool(of(server), 2, on_print=lambda text: None) as pool:
        fatal, others = pool.submit("Exit", 3), [pool.submit("f", n) for n in range(20)]
        with pytest.raises(KernelDied, match="twice"):
            fatal.result(30)
        assert [future.result(30) for future in others] == [Symbol("f")(n) for n in range(20)]
        assert pool.submit("f").result(30) == Symbol("f")()


def test_a_kernel_that_obeys_no_abort_is_replaced(server: Part) -> None:
    with KernelPool(of(server), 1) as pool:
        deaf = pool.submit("Deaf")
        wait_until(deaf.running, "it is at work")
        assert deaf.cancel()
        assert pool.submit("f").result(60) == Symbol("f")()


def test_every_kernel_is_initialised_also_those_that_come_later(server: Part) -> None:
    setting = Symbol("CompoundExpression")(Symbol("Set")(Symbol("mine"), 7), Symbol("Null"))
    with KernelPool(of(server), 1, initializer=setting) as pool:
        for _ in range(2):
            assert "mine=7" in pool.submit("Defined").result(30)
            psutil.Process(pool.submit("Pid").result(30)).kill()


def test_no_kernel_is_told_at_once(server: Part) -> None:
    with pytest.raises(NoKernel, match=r"127\.0\.0\.1.*Connection refused"):
        KernelPool("wstp://127.0.0.1:9/x", 2)
    with pytest.raises(NoKernel, match=r"the server at wstp://127\.0\.0\.1:\d+/Nowhere gave no kernel: .*there are: Bad, Few"):
        KernelPool(of(server, "Nowhere"), 2)
    with pytest.raises(NoKernel, match="missing"):
        KernelPool(of(server, "Bad"), 2)
    with KernelPool(of(server, "Few"), 2) as held:
        pids(held, 2)
        with pytest.raises(NoKernel, match="none came in"):
            KernelPool(of(server, "Few"), 1, timeout=0.5)
    with pytest.raises(NoKernel, match=r"the initializer failed: the value is \$Failed"):
        KernelPool(of(server), 2, initializer=Symbol("$Failed"))
    with pytest.raises(AddressError):
        KernelPool("http://box")
    with pytest.raises(ValueError, match="at least one"):
        KernelPool(of(server), 0)


def test_what_cannot_be_asked_is_refused_at_once(server: Part) -> None:
    with KernelPool(of(server), 1) as pool:
        with pytest.raises(TypeError, match="function of Python"):
            pool.submit(len, [1])
        with pytest.raises(TypeError, match="not int"):
            pool.submit(3)
        with pytest.raises(TypeError):
            pool.submit("f", [object()])
        with pytest.raises(EvaluationFailed, match="a chunk of 2 calls did not give 2 values"):
            list(pool.map("f", [1, 2], chunksize=2))  # a stand-in knows no Map
        with pytest.raises(ValueError, match="chunksize is 0"):
            pool.map("f", [1], chunksize=0)
        assert pool.submit("f").result(10) == Symbol("f")()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit("f")


def test_shutdown_does_what_was_submitted_or_cancels_it(server: Part, tmp_path: Path) -> None:
    pool = KernelPool(of(server), 1)
    futures = [pool.submit("f", n) for n in range(50)]
    pool.shutdown()
    assert [future.result(0) for future in futures] == [Symbol("f")(n) for n in range(50)]
    pool = KernelPool(of(server), 1)
    running = pool.submit("Await", str(tmp_path / "file"))
    wait_until(running.running, "it is at work")
    waiting: list[Future[object]] = [pool.submit("f") for _ in range(5)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    assert len(list(as_completed(waiting, 10))) == 5
    (tmp_path / "file").write_text("done")
    assert running.result(10) == "done"


def test_leaving_by_an_exception_waits_for_nothing(server: Part) -> None:
    futures = []

    def interrupted() -> None:
        with KernelPool(of(server), 1) as pool:
            futures.extend([pool.submit("Wait"), pool.submit("Wait")])
            wait_until(futures[0].running, "it is at work")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    running, waiting = futures
    assert running.cancelled()
    assert waiting.cancelled()


def test_a_pool_that_is_forgotten_ends_its_kernels(server: Part) -> None:
    before = threading.active_count()
    pool = KernelPool(of(server, "Few"), 1)
    mine = {pool.submit("Pid").result(10)}
    del pool
    gc.collect()
    wait_until(lambda: not mine & kernels(server), "the kernel's end")
    wait_until(lambda: threading.active_count() <= before, "its thread's end")


@pytest.mark.parametrize("end", ["", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_program_that_ends_leaves_no_kernel_behind(server: Part, end: str) -> None:
    program = f"""
from kernelbus import KernelPool
p = KernelPool({of(server, 'Few')!r}, 2)
f = p.submit('Pid')
print(f.result(), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{end}"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    pid = int(done.stdout)
    wait_until(lambda: pid not in kernels(server), "the kernel's end")


# ---- how many kernels, what all of them know, and what is told -----------------------------------


def test_what_is_evaluated_on_all_is_known_to_later_kernels_too(mathics: Part) -> None:
    with KernelPool(f"wstp://127.0.0.1:{mathics.port}/M", 2) as pool:
        assert pool.wait() == 2
        pids = pool.evaluate_on_all("g[x_] := 3 x; $ProcessID")
        assert len(set(pids)) == 2
        assert list(pool.map("g", range(20), chunksize=1)) == [3 * n for n in range(20)]
        with pytest.raises(EvaluationFailed, match="Power::infy"):
            pool.evaluate_on_all("1/0; $Failed")
        with pytest.raises(TimeoutError):
            pool.evaluate_on_all("While[True]", timeout=0.5)
        with pytest.raises(TypeError, match="of type object"):
            pool.evaluate_on_all([object()])
        pool.resize(3)
        assert pool.wait(3) == 3
        assert set(pool.evaluate_on_all(Symbol("g")(2))) == {6}
        with pytest.raises(KernelDied):
            pool.evaluate("Quit[]").result()
        assert pool.wait() == 3
        assert pool.evaluate_on_all("g[1]") == [3, 3, 3]
        pool.resize(1)
        wait_until(lambda: pool.stats().ready == 1, "the end of two kernels")
        stats = pool.stats()
        assert (stats.kernels, stats.busy, stats.waiting) == (1, 0, 0)
        assert (stats.done, stats.failed, stats.died) == (20, 0, 2)
        assert pool.submit("g", 5).result() == 15
        with pytest.raises(ValueError, match="at least one"):
            pool.resize(0)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.resize(2)


def test_a_wait_for_what_never_comes_is_an_error(server: Part) -> None:
    with KernelPool(of(server, "Few"), 2) as pool:
        assert pool.wait(1) >= 1
        with pytest.raises(NoKernel, match="3 kernels were to be ready, and the pool has 2 at most"):
            pool.wait(3)
        pool.resize(3)  # of which the server gives two
        with pytest.raises(TimeoutError):
            pool.wait(3, timeout=0.3)
        pool.resize(2)
        assert pool.wait(2, timeout=30) == 2
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(pool)


def test_progress_is_told(two: KernelPool) -> None:
    told: list[tuple[int, int | None]] = []
    assert len(list(two.map("Prime", range(1, 11), chunksize=3, progress=lambda *said: told.append(said)))) == 10
    wait_until(lambda: len(told) == 4, "the last call")
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (10, 10)
    endless = two.map("Prime", itertools.count(1), chunksize=2, buffersize=1, progress=lambda *said: told.append(said))
    assert next(endless) == 2
    endless.close()  # type: ignore[attr-defined]
    assert told[4] == (2, None)


def test_pictures_of_a_pool_are_drawn_by_it(two: KernelPool) -> None:
    (plot,) = two.map("Plot[#, {x, 0, 1}] &", [Symbol("x")])
    assert plot.svg.startswith("<svg")


def test_a_pool_is_of_no_use_after_a_fork(two: KernelPool) -> None:
    def use() -> None:
        with two:
            two.submit("Prime", 1)

    assert f"belongs to process {os.getpid()}" in raised_after_fork(use, NoKernel)
    assert two.submit("Prime", 1).result() == 2

"""Programs of wolframclient on kernels of a server (kernelbus.wolframclient).

Tests kernelbus.shell.wolframclient.session, kernelbus.shell.wolframclient.pool and
kernelbus.shell.wolframclient.controller with real kernels.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from serving import ROOT, Part, runs, wait_until, write_config
from wolframclient.deserializers import WXFConsumer, binary_deserialize
from wolframclient.evaluation.base import WolframAsyncEvaluator, WolframEvaluator
from wolframclient.exception import WolframKernelException
from wolframclient.language import Global, wl, wlexpr
from wolframclient.language.expression import WLFunction
from wolframclient.serializers import wolfram_encoder

from kernelbus import AddressError
from kernelbus.wolframclient import (
    WolframEvaluatorPool,
    WolframKernelEvaluationResult,
    WolframLanguageAsyncSession,
    WolframLanguageSession,
    parallel_evaluate,
)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    pools = {"M": {"KernelPath": "embedded", "MinimumKernelNumber": 1, "MaximumKernelNumber": 4}}
    config = write_config(tmp_path_factory.mktemp("wolframclient") / "kernelbus.conf", Pools=pools)
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


@pytest.fixture(scope="module")
def session(server: Part) -> Iterator[WolframLanguageSession]:
    with WolframLanguageSession(server=server.port) as session:
        yield session


def test_code_and_expressions(session: WolframLanguageSession) -> None:
    assert isinstance(session, WolframEvaluator) and session.started and not session.stopped
    assert session.evaluate("1+1") == 2
    assert session.evaluate(wl.Plus(1, 2)) == 3
    assert session.evaluate(wl.StringReverse("abc")) == "cba"
    assert session.evaluate(wl.BinarySerialize(1, PerformanceGoal="Speed")) == b"8:C\x01"
    assert session.evaluate(wl.Map(wlexpr("#^2 &"), [1, 2, 3])) == (1, 4, 9)
    assert session.evaluate(wl.AssociationMap(wl.FromLetterNumber, [1, 3])) == {1: "a", 3: "c"}
    assert session.evaluate_many([f"{n}+{n}" for n in range(4)]) == [0, 2, 4, 6]
    assert session.evaluate("Range[5").name == "$Failed"
    assert session.evaluate(wl.Throw(2)) == wl.Hold(wl.Throw(2))
    assert [session.evaluate(value) for value in (None, wlexpr("None"), True, wl.StringQ("x"))] == [None, None, True, True]


def test_state_and_contexts(session: WolframLanguageSession) -> None:
    session.evaluate("longest[s : List[__String]] := Last[SortBy[s, StringLength]]")
    assert session.evaluate(Global.longest(["a", "abc", "ab"])) == "abc"
    assert session.evaluate(wl.longest(["a"])) == wl.longest(("a",))  # of System`, as in WXF
    assert session.evaluate("a1 + b1") == wl.Plus(Global.a1, Global.b1)
    assert session.evaluate("other`c1") == wl.other.c1
    assert session.evaluate("Context[info]") == "Global`"


def test_functions(session: WolframLanguageSession) -> None:
    assert [session.function("#+1&")(n) for n in (3, 10)] == [4, 11]
    assert session.function(wl.Composition(wl.Total, wl.Range))(5) == 15
    assert session.function("Null")(5) == WLFunction(None, 5)


def test_results_have_messages_and_output(session: WolframLanguageSession, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = session.evaluate_wrap('Print["said"]; 1/0')
    assert isinstance(result, WolframKernelEvaluationResult) and not result.success
    assert result.get() == wl.DirectedInfinity() and result.output == ["said"]
    assert list(result.iter_messages_name()) == [wl.MessageName(wl.Power, "infy")]
    assert caplog.messages == list(result.messages)
    assert caplog.records[0].name == "wolframclient.evaluation.kernel.kernelcontroller"
    assert session.evaluate_wrap("Quiet[1/0]").success
    assert binary_deserialize(session.evaluate_wxf("{1, q1}")) == (1, Global.q1)
    assert session.evaluate_wxf_future("2").result(60) == b"8:C\x02"


def test_values_of_its_encoders(session: WolframLanguageSession) -> None:
    array = np.arange(6, dtype="i2").reshape(2, 3)
    back = session.evaluate(array)
    assert back.dtype == array.dtype and np.array_equal(back, array)
    assert np.array_equal(session.evaluate("Table[1. i, {i, 300}]"), np.arange(1.0, 301))
    assert session.evaluate(wl.Total(np.arange(5.0))) == 10.0
    assert session.evaluate(wl.ImageDimensions(Image.new("RGBA", (3, 2)))) == (3, 2)
    assert session.evaluate(wl.ImageDimensions(Image.new("P", (4, 2)))) == (4, 2)
    frame = pandas.DataFrame({"x": [1, 2]})
    assert session.evaluate(frame) == wl.Dataset({0: {"x": 1}, 1: {"x": 2}})

    class Point:
        pass

    wolfram_encoder.register(lambda serializer, _: serializer.encode(wl.List(3, 4)), Point)
    try:
        assert session.evaluate(wl.Norm(Point())) == 5
    finally:
        wolfram_encoder.unregister(Point)
    with pytest.raises(NotImplementedError, match="Cannot serialize object of class"):
        session.evaluate(Point())


def test_a_consumer_and_its_failure(server: Part) -> None:
    class Own(WXFConsumer):  # type: ignore[misc]
        def consume_string(self, current_token: Any, tokens: Any, **kwargs: Any) -> Any:
            if current_token.data == "bad":
                raise ValueError("not this one")
            return current_token.data.upper()

    with WolframLanguageSession(server=server.port, consumer=Own()) as session:
        assert session.evaluate('"a"') == "A"
        for evaluate in (session.evaluate, lambda code: session.evaluate_future(code).result(60)):
            with pytest.raises(ValueError, match="not this one"):
                evaluate('"bad"')
        assert session.duplicate().consumer is session.consumer
        assert session.evaluate("Table[i, {i, 300}]") == list(range(1, 301))


def test_a_time_out_aborts_and_the_session_goes_on(session: WolframLanguageSession) -> None:
    session.evaluate("kept = 7")
    begin = time.monotonic()
    for evaluate in (session.evaluate, session.evaluate_wrap, session.evaluate_wxf):
        with pytest.raises(TimeoutError, match=r"took longer than 0\.2 s"):
            evaluate("While[True]", timeout=0.2)
    with pytest.raises(TimeoutError):
        session.evaluate_future("Pause[100]", timeout=0.2).result()
    with pytest.raises(ValueError, match="timeout is -1"):
        session.evaluate("1", timeout=-1)
    assert session.evaluate("kept", timeout=60) == 7
    assert time.monotonic() - begin < 60


def test_futures_are_cancelled_and_aborted(session: WolframLanguageSession) -> None:
    first, second = session.evaluate_future("Pause[200]"), session.evaluate_future("never = 1")
    assert second.cancel() and first.cancel()
    with pytest.raises(CancelledError):
        first.result(0)
    assert session.evaluate("ValueQ[never]") is False
    slow = session.evaluate_future("While[True]")
    wait_until(lambda: session.kernel_controller._running is not None, "the evaluation runs")
    session.abort()
    assert slow.result(60).name == "$Aborted"


def test_threads_share_a_session(session: WolframLanguageSession) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda n: session.evaluate(wl.Power(n, 2)), range(40))) == [n * n for n in range(40)]


def test_a_session_starts_stops_and_restarts(server: Part, tmp_path: Path) -> None:
    code = tmp_path / "init.m"
    code.write_text('(* a comment *)\nv = {"init",\n  1};\nBegin["Own`"]\nw = 2;\nEnd[]\n')
    session = WolframLanguageSession(f"127.0.0.1:{server.port}", initfile=str(code), STARTUP_TIMEOUT=50)
    assert (session.started, session.stopped, session.get_parameter("STARTUP_TIMEOUT")) == (False, True, 50)
    assert session.evaluate("{v, Own`w}") == (("init", 1), 2)  # it starts by itself
    assert (session.started, session.stopped) == (True, False)
    pid = session.evaluate("$ProcessID")
    assert pid == session.kernel_controller.pid
    session.restart()
    assert session.evaluate("$ProcessID") != pid
    with pytest.raises(WolframKernelException, match="Kernel is not running anymore"):
        session.evaluate("Quit[]")
    assert session.evaluate("v") == ("init", 1)  # a fresh kernel
    os.kill(session.kernel_controller.pid, signal.SIGKILL)
    wait_until(lambda: not session.started or _fails(session), "the death is noticed")
    session.ensure_started()
    slow, waiting = session.evaluate_future("Pause[100]"), session.evaluate_future("1")
    wait_until(lambda: session.kernel_controller._running is not None, "the evaluation runs")
    session.terminate()
    assert (session.started, session.stopped) == (False, True)
    with pytest.raises(WolframKernelException, match="terminated"):
        slow.result(60)
    assert waiting.cancelled()
    session.terminate()
    session.stop()
    with pytest.raises(KeyError):
        session.get_parameter("foo")


def _fails(session: WolframLanguageSession) -> bool:
    try:
        session.evaluate("1")
    except WolframKernelException:
        return True
    return False


def test_a_profile_goes_back_to_its_kernel(server: Part, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    profile = str(tmp_path / "work.json")
    code = tmp_path / "init.m"
    code.write_text("count = 0")
    first = WolframLanguageSession(server=server.port, profile=profile, initfile=code)
    assert first.evaluate("count++; count") == 1
    pid = first.kernel_controller.pid
    slow = first.evaluate_future('Pause[0.5]; Print["late"]; count++')
    wait_until(lambda: first.kernel_controller._running is not None, "the evaluation runs")
    first.kernel_controller._kernel.leave()  # as a program that is killed does
    with pytest.raises(WolframKernelException):
        slow.result(60)
    with caplog.at_level(logging.INFO), WolframLanguageSession(profile=profile, initfile=code) as again:
        assert (again.evaluate("count"), again.kernel_controller.pid) == (2, pid)
    assert "said meanwhile" in caplog.text and "late" in caplog.text
    first.terminate()
    with WolframLanguageSession("/opt/WolframKernel", profile=profile) as again:
        assert again.evaluate("count") == 2
        again.evaluate_future("Quit[]").exception(60)
    with pytest.raises(ValueError, match="one kernel"):
        WolframEvaluatorPool(profile=profile)


def test_kernels_log(server: Part, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    with (
        caplog.at_level(logging.DEBUG),
        printed.open("w") as file,
        WolframLanguageSession(server=server.port, kernel_loglevel=logging.INFO, stdout=file) as session,
    ):
        session.evaluate('ClientLibrary`info["so", {1}]; ClientLibrary`debug["not"]; ClientLibrary`warn["oh"]')
        session.evaluate('Print["text"]; ClientLibrary`SetErrorLogLevel[]; ClientLibrary`warn["not"]')
        session.evaluate('ClientLibrary`DisableKernelLogging[]; ClientLibrary`error["not"]')
    said = [(record.levelname, record.getMessage()) for record in caplog.records if record.name.startswith("WolframKernel-")]
    assert said == [("INFO", "so {1}"), ("WARNING", "oh"), ("INFO", "text")]
    assert printed.read_text() == "text\n"


def test_a_session_that_is_forgotten_ends_its_kernel(server: Part) -> None:
    session = WolframLanguageSession(server=server.port)
    pid = session.evaluate("$ProcessID")
    last = session.evaluate_future("Pause[0.2]; 5")
    forgotten = [session]
    del session
    with pytest.warns(ResourceWarning, match="Unclosed instance"):
        forgotten.clear()
    assert last.result(60) == 5
    wait_until(lambda: not runs(pid), "the kernel has ended")


def test_what_cannot_start_says_why(server: Part, caplog: pytest.LogCaptureFixture) -> None:
    session = WolframLanguageSession("/usr/local/Wolfram/WolframKernel", server=server.port, pool="Nowhere")
    assert "WolframKernel is not started: kernels are those of the server at" in caplog.text
    for _ in range(2):
        with pytest.raises(WolframKernelException, match="Nowhere"):
            session.start()
        assert session.stopped and not session.started
    with pytest.raises(AddressError, match="not under TLS"):
        WolframLanguageSession(server="wstp://localhost", ca_file="/some.pem")
    with pytest.raises(FileNotFoundError, match="nothing"):
        WolframLanguageSession(initfile="/nothing.m")
    with pytest.raises(WolframKernelException, match=r"1@127\.0\.0\.1"):
        WolframLanguageSession("127.0.0.1:1").evaluate("1")


# ---- asyncio -------------------------------------------------------------------------------------


def test_an_asynchronous_session(server: Part) -> None:
    async def run() -> None:
        async with WolframLanguageAsyncSession(server=server.port) as session:
            assert isinstance(session, WolframAsyncEvaluator)
            assert await session.evaluate("1+1") == 2
            assert await session.evaluate_many([wl.Plus(n, n) for n in range(5)]) == [0, 2, 4, 6, 8]
            assert binary_deserialize(await session.evaluate_wxf("{1}")) == (1,)
            assert (await session.evaluate_wrap("1/0")).messages
            assert await session.function("#^2 &")(3) == 9
            assert await (await session.evaluate_future("5")) == 5
            with pytest.raises(TimeoutError):
                await session.evaluate("While[True]", timeout=0.2)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.evaluate("While[True]"), 0.2)
            task = asyncio.create_task(session.evaluate("Pause[100]"))
            await asyncio.sleep(0.1)
            task.cancel()
            assert await session.evaluate("2+2") == 4  # the abort has freed the kernel
            with pytest.raises(WolframKernelException):
                await session.evaluate("Quit[]")
            assert await asyncio.gather(*(session.evaluate(str(n)) for n in range(3))) == [0, 1, 2]
            task = asyncio.create_task(session.evaluate("Pause[100]"))
            await asyncio.sleep(0.1)
            await session.terminate()
            with pytest.raises(WolframKernelException):
                await task
        assert session.stopped and not session.started
        with pytest.raises(NotImplementedError, match="async with"):
            session.__enter__()

    asyncio.run(run())


def test_a_pool_survives_what_happens_to_its_kernels(server: Part) -> None:
    async def run() -> None:
        async with WolframEvaluatorPool(poolsize=2, server=server.port) as pool:
            assert await pool.evaluate_all([wl.FromLetterNumber(n) for n in (1, 2, 3)]) == ["a", "b", "c"]
            tasks = [asyncio.create_task(pool.evaluate("While[True]")) for _ in range(4)]
            await asyncio.sleep(0.2)
            for task in tasks:
                task.cancel()
            assert await pool.evaluate("1+1") == 2
            with pytest.raises(WolframKernelException):
                await pool.evaluate("Quit[]")
            task = asyncio.create_task(pool.evaluate("Pause[100]"))
            busy: list[Any] = []
            while not busy:
                await asyncio.sleep(0.05)
                controllers = [each.kernel_controller for each in pool._evaluators]
                busy = [each for each in controllers if each._running is not None]
            os.kill(busy[0].pid, signal.SIGKILL)
            with pytest.raises(WolframKernelException):
                await task
            assert binary_deserialize(await pool.evaluate_wxf("3")) == 3
            assert (await pool.evaluate_wrap("4", timeout=60)).get() == 4
            assert await pool.function("#+1 &")(4) == 5
            assert 1 <= len(pool) <= 2 and "started evaluators, cumulating 13 evaluations" in repr(pool)
        assert pool.stopped and not pool.started
        assert await pool.evaluate("6") == 6  # it starts again
        task = asyncio.create_task(pool.evaluate("Pause[100]"))
        await asyncio.sleep(0.2)
        await pool.terminate()
        with pytest.raises((asyncio.CancelledError, WolframKernelException)):
            await task

    asyncio.run(run())


def test_pools_are_made_of_evaluators(server: Part) -> None:
    own = WolframLanguageAsyncSession(server=server.port)

    async def run() -> None:
        async with WolframEvaluatorPool([own, f"127.0.0.1:{server.port}"], poolsize=2) as pool:
            assert own in pool._evaluators and await pool.evaluate_many(["1", "2"]) == [1, 2]
        assert own.stopped
        with pytest.raises(ValueError, match="pool size"):
            WolframEvaluatorPool(poolsize=0)
        with pytest.raises(ValueError, match="neither a string"):
            WolframEvaluatorPool([object()])
        with pytest.raises(WolframKernelException, match=r"Failed to start any kernel\..*1@127\.0\.0\.1"):
            await WolframEvaluatorPool("127.0.0.1:1", poolsize=2).start()

    asyncio.run(run())


def test_parallel_evaluation(server: Part) -> None:
    expressions = [wl.FromLetterNumber(n) for n in range(1, 21)]
    expected = list("abcdefghijklmnopqrst")
    assert parallel_evaluate(expressions, server.port, 2) == expected

    async def under_a_loop() -> Any:
        return parallel_evaluate(expressions[:3], f"127.0.0.1:{server.port}", max_evaluators=1)

    assert asyncio.run(under_a_loop()) == expected[:3]


def test_a_program_is_interrupted_and_ends_without_stopping(server: Part) -> None:
    program = (
        "import os, signal, sys, threading, warnings; warnings.simplefilter('ignore')\n"
        "from kernelbus.wolframclient import WolframLanguageSession\n"
        "session = WolframLanguageSession(server=int(sys.argv[1]))\n"
        "session.evaluate('kept = 5')\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    session.evaluate('While[True]')\n"
        "except KeyboardInterrupt:\n"
        "    print(session.evaluate('kept'))\n"
        "print(session.evaluate('$ProcessID'), flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(server.port)], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    kept, pid = map(int, done.stdout.split())
    assert kept == 5
    wait_until(lambda: not runs(pid), "the kernel has ended")

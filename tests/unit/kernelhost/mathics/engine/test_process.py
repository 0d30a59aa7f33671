"""The engine's process: kernelbus.kernelhost.mathics.engine.program, started, asked and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelbus.kernelhost.mathics.engine import process
from kernelbus.kernelhost.mathics.engine.process import Engine, EngineError, EngineLate, is_installed
from kernelbus.kernelhost.mathics.engine.talk import Message, Printed

pytestmark = pytest.mark.skipif(not is_installed(), reason="Woxi is not installed")


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    """An engine for tests that leave it as it is."""
    made = Engine()
    yield made
    made.stop()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_answers(shared: Engine) -> None:
    assert shared.ask("ToString[PDF[NormalDistribution[0, 1], x], InputForm]").text == "1/(E^(x^2/2)*Sqrt[2*Pi])"
    assert shared.ask('ToString["a\\"b\\\\c", InputForm]').text == '"a\\"b\\\\c"'
    assert shared.ask("f[n_] := n^2\nToString[f[5], InputForm]").text == "25"


def test_prints_and_messages_keep_their_order(shared: Engine) -> None:
    found = shared.ask('Print["a"]; 1/0; Print["b"]; WriteString["stdout", "c"]; 7')
    said = (Printed("a\n"), Message("Power", "infy", "Infinite expression 1/0 encountered."), Printed("b\nc"))
    assert (found.text, found.events) == ("7", said)


def test_nothing_stays_from_one_question_to_the_next(shared: Engine) -> None:
    assert shared.ask("x = 5; f[1] = 2; x").text == "5"
    assert shared.ask("{x, f[1]}").text == "{x, f[1]}"
    for _ in range(2):
        assert not shared.ask("1/0; 1/0").messages[2:]


def test_random_numbers_follow_a_seed(shared: Engine) -> None:
    first, again, other, free = (
        shared.ask("RandomVariate[NormalDistribution[0, 1], 3]", seed=seed).text for seed in (3, 3, 4, None)
    )
    assert first == again
    assert len({first, other, free}) == 3


def test_a_picture_is_drawn(shared: Engine) -> None:
    assert shared.ask("Plot[Sin[x], {x, 0, 6}]", picture=True).svg.startswith("<svg")
    assert shared.ask("Plot[Sin[x], {x, 0, 6}]").svg == ""


def test_wrong_input_is_said_to_be_wrong(shared: Engine) -> None:
    before = shared.pid
    assert "Parse error" in shared.ask("f[").wrong
    assert shared.ask("1 + 1").text == "2"
    assert shared.pid == before


def test_large_text_goes_both_ways(shared: Engine) -> None:
    text = "x" * 300_000
    assert shared.ask(f'"{text}"').text == text


@pytest.mark.parametrize(
    "source",
    [
        'Import["{file}", "Text"]', 'ReadList["{file}"]', 'Get["{file}"]', 'DeleteFile["{file}"]', 'Put[1, "{file}"]',
        'Export["{file}", "new", "Text"]', 'RenameFile["{file}", "{file}2"]', 'Run["echo new > {file}"]',
        'RunProcess[{{"rm", "{file}"}}]', 'FileExistsQ["{file}"] // TrueQ', 'ReadString["!cat {file}"]',
        'URLRead["file://{file}"]', 'CreateDirectory["{file}3"]', 'OpenWrite["{file}"]', 'FileByteCount["{file}"]',
    ],
)  # fmt: skip
def test_it_can_use_no_files_and_no_programs(shared: Engine, tmp_path: Path, source: str) -> None:
    file = tmp_path / "file"
    file.write_text("secret")
    answer = shared.ask(source.format(file=file))
    assert "secret" not in answer.text
    assert answer.text not in ("True", "6")
    assert file.read_text() == "secret"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_its_environment_is_not_the_kernels(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    monkeypatch.setenv("A_SECRET", "secret")
    monkeypatch.setenv("KERNELBUS_MARK", "mark")
    assert engine.ask('{Environment["A_SECRET"], Environment["KERNELBUS_MARK"]}').text == "{$Failed, mark}"


def test_it_is_small(engine: Engine) -> None:
    engine.ask("ToString[Integrate[1/(1 + x^4), x], InputForm]")
    engine.ask("Plot[Sin[x], {x, 0, 6}]", picture=True)
    for line in Path(f"/proc/{engine.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            assert int(line.split()[1]) < 40_000


def test_it_is_killed_when_its_time_is_over(engine: Engine) -> None:
    engine.ask("1")
    pid = engine.pid
    with pytest.raises(EngineLate):
        engine.ask("While[True]", seconds=0.2)
    assert is_gone(pid)
    assert engine.pid == 0
    assert engine.ask("2 + 2").text == "4"


def test_it_is_killed_when_something_is_raised(engine: Engine) -> None:
    engine.ask("1")
    pid = engine.pid

    class Stop(BaseException):
        pass

    def handler(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Stop):
            engine.ask("While[True]")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert is_gone(pid)


@pytest.mark.parametrize("source", ["Exit[3]", "Quit[]"])
def test_another_is_started_when_it_has_ended(engine: Engine, source: str) -> None:
    with pytest.raises(EngineError, match="has ended"):
        engine.ask(source)
    assert engine.ask("2 + 2").text == "4"


def test_another_is_started_when_it_was_killed(engine: Engine) -> None:
    engine.ask("1")
    os.kill(engine.pid, signal.SIGKILL)
    while Path(f"/proc/{engine.pid}/stat").read_text().split()[2] != "Z":
        time.sleep(0.01)
    assert engine.ask("2 + 2").text == "4"


def test_it_may_not_take_more_memory_than_is_left(engine: Engine) -> None:
    engine.memory = lambda: 1
    with pytest.raises(EngineError, match="memory"):
        engine.ask("Total[Range[10^8]^2 + Range[10^8]]")
    engine.memory = lambda: 0


def test_an_engine_that_says_too_much_is_ended(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.kernelhost.mathics.engine.talk.MOST", 10_000)
    with pytest.raises(EngineError, match="said more"):
        engine.ask("While[True, Print[1]]")
    assert engine.pid == 0


def test_where_it_cannot_be_confined_only_a_free_pool_has_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Callable[[str], bytes | None] = lambda machine: None  # noqa: E731
    monkeypatch.setattr(process, "filter_for", nothing)
    assert engine.ask("1 + 1").text == "2"
    engine.stop()
    engine.confine()
    with pytest.raises(EngineError, match="forbids"):
        engine.ask("1 + 1")


def test_a_machine_that_refuses_the_filter_has_no_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "filter_for", lambda machine: bytes(8))
    with pytest.raises(EngineError, match="cannot be kept"):
        engine.ask("1 + 1")


def test_without_woxi_it_says_how_to_install_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not is_installed()
    with pytest.raises(EngineError, match=r"pip install 'kernelbus\[engine\]'"):
        engine.ask("1 + 1")


def test_it_ends_with_the_kernel() -> None:
    code = """
import os, sys
from kernelbus.kernelhost.mathics.engine.process import engine
engine.ask("1")
print(engine.pid, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdin is not None
        assert kernel.stdout is not None
        pid = int(kernel.stdout.readline())
        assert not is_gone(pid)
        kernel.stdin.write("\n")
        kernel.stdin.flush()
        kernel.wait(60)
    while not is_gone(pid):
        time.sleep(0.01)


def test_a_forked_process_leaves_its_parents_engine_alone(engine: Engine) -> None:
    engine.ask("1")
    pid = engine.pid
    child = os.fork()
    if child == 0:
        own = -1
        try:
            engine.ask("1")
            own = engine.pid
            engine.stop()
        finally:
            os._exit(0 if own not in (-1, 0, pid) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert engine.pid == pid
    assert engine.ask("2 + 2").text == "4"

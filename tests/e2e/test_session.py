"""`kernelbus.Session`: one kernel with its state, from Python.

Tests kernelbus.shell.pool.session, with kernelbus.shell.pool.attaching and
kernelbus.shell.pool.default.
"""

from __future__ import annotations

import datetime as dt
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from forking import raised_after_fork
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from notebooks import notebook
from PIL import Image
from serving import ROOT, Part, wait_until, write_config

from kernelbus import (
    AddressError,
    EvaluationAborted,
    EvaluationFailed,
    KernelDied,
    KernelMessage,
    KernelWarning,
    Missed,
    NoKernel,
    Picture,
    Session,
    connect,
    evaluate,
)
from kernelbus.shell.pool import default
from wstp import Symbol


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    pools = {"M": {"KernelPath": "embedded", "MinimumKernelNumber": 1}, "Other": {"KernelPath": "embedded", "MinimumKernelNumber": 0}}
    config = write_config(tmp_path_factory.mktemp("session") / "kernelbus.conf", Pools=pools)
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


@pytest.fixture(scope="module")
def session(server: Part) -> Iterator[Session]:
    with connect(server.port) as session:
        yield session


def test_state_stays_from_one_evaluation_to_the_next(session: Session) -> None:
    assert session.evaluate("x = 5") == 5
    assert session.evaluate("x + 1/2") == Fraction(11, 2)
    assert session.evaluate(Symbol("Range")(3)) == [1, 2, 3]


def test_what_goes_wrong_is_raised_and_the_session_goes_on(session: Session) -> None:
    with pytest.raises(EvaluationFailed):
        session.evaluate("1 +")
    with pytest.raises(EvaluationAborted):
        session.evaluate("Abort[]")
    with pytest.raises(TypeError):
        session.evaluate(object())  # type: ignore[arg-type]
    assert session.evaluate("2+2") == 4


def test_messages_are_warnings_and_kept(session: Session) -> None:
    with pytest.warns(KernelWarning, match="Power::infy"):
        session.evaluate("1/0")
    (message,) = session.messages
    assert (message.symbol.removeprefix("System`"), message.tag) == ("Power", "infy")
    session.evaluate("1")
    assert session.messages == ()


def test_what_is_said_goes_to_the_callables(server: Part) -> None:
    said: list[KernelMessage] = []
    printed: list[str] = []
    with connect(server.port, on_message=said.append, on_print=printed.append) as session:
        session.evaluate("Print[1]; 1/0; Print[2]")
    assert "".join(printed).split() == ["1", "2"]
    assert [message.tag for message in said] == ["infy"]


def test_a_callable_that_fails_leaves_the_session_in_step(server: Part) -> None:
    with connect(server.port, on_print=lambda text: 1 / 0, on_message=lambda message: 1 / 0) as session:
        assert session.evaluate("Print[1]; 1/0; 2") == 2
        assert session.evaluate("3") == 3


def test_a_time_out_aborts_and_the_session_goes_on(session: Session) -> None:
    session.evaluate("kept = 7")
    with pytest.raises(TimeoutError):
        session.evaluate("While[True]", timeout=0.5)
    assert session.evaluate("kept") == 7


def test_another_thread_aborts(server: Part) -> None:
    started = threading.Event()
    with connect(server.port, on_print=lambda text: started.set()) as session:

        def abort() -> None:
            started.wait(60)
            session.abort()

        thread = threading.Thread(target=abort)
        thread.start()
        with pytest.raises(EvaluationAborted):
            session.evaluate("Print[1]; While[True]")
        thread.join()
        session.abort()  # nothing runs: nothing happens
        assert session.evaluate("1") == 1


def test_a_kernel_that_is_kept_is_gone_back_to(server: Part) -> None:
    with connect(server.port, keep=True) as session:
        session.evaluate("y = 3")
        name = session.kernel_id
    with connect(server.port, kernel_id=name) as session:
        assert session.kernel_id == name
        assert session.evaluate("y") == 3
    last = connect(server.port, kernel_id=name, keep=False)
    last.close()
    last.close()
    with pytest.raises(NoKernel):
        last.evaluate("1")
    with pytest.raises(NoKernel, match="no kernel"):
        connect(server.port, kernel_id=name)


def test_disconnect_leaves_a_kernel_whose_pool_keeps_it(server: Part) -> None:
    session = connect(server.port, keep=True)
    session.evaluate("z = 4")
    session.disconnect()
    with connect(server.port, kernel_id=session.kernel_id, keep=False) as again:
        assert again.evaluate("z") == 4


def test_a_fresh_kernel_ends_with_its_session(server: Part) -> None:
    with connect(f"wstp://127.0.0.1:{server.port}/Other") as session:
        pid = session.evaluate("$ProcessID")
        assert pid in {child.pid for child in server.children()}
    wait_until(lambda: pid not in {child.pid for child in server.children()}, "the kernel's end")


def test_a_kernel_that_ends_is_told(server: Part) -> None:
    with connect(server.port) as session:
        for code in ("Exit[3]", "1 + 1"):
            with pytest.raises(KernelDied, match=r"^the kernel has quit with status 3, as Exit\[3\] has it$"):
                session.evaluate(code)


def test_no_server_no_pool_no_address(server: Part) -> None:
    with pytest.raises(NoKernel, match="cannot reach a server"):
        connect(1, timeout=5)
    with pytest.raises(NoKernel, match="Nowhere"):
        connect(f"wstp://127.0.0.1:{server.port}/Nowhere", timeout=30)
    with pytest.raises(AddressError):
        connect("http://x")


def test_ctrl_c_aborts_and_the_session_goes_on(server: Part, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import kernelbus, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
with kernelbus.connect({server.port}, on_print=lambda text: print("begun", flush=True)) as session:
    session.evaluate("kept = 1")
    try:
        session.evaluate("Print[1]; While[True]")
    except KeyboardInterrupt:
        print(session.evaluate("kept + 1"), flush=True)
"""
    )
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "2\n"
        assert process.wait(60) == 0


def test_a_session_is_made_directly_and_calls_functions(server: Part) -> None:
    with Session(server.port) as session:
        assert session.fresh and session.missed == () and not session.busy
        assert session.function("#1 + 2 #2 &")(1, 2) == 5
        assert session.function("N")(Symbol("Pi"), 30) == Decimal("3.1415926535897932384626433832793")
        assert session.function("f")(1, Method="x") == Symbol("f")(1, Symbol("Rule")(Symbol("Method"), "x"))
        assert session.ask(Symbol("$Failed")) == (Symbol("$Failed"), ())
        with pytest.raises(TypeError, match="function"):
            session.function(print)
    assert "closed" in repr(session)
    with pytest.raises(TypeError, match="leave kernel_id or profile out"):
        Session(server.port, kernel_id="x", profile="y")


def abandoned(server: Part, folder: Path, code: str) -> str:
    """Have a program begin an evaluation that prints, and die at once; return the kernel's id."""
    program = folder / "program.py"
    program.write_text(
        f"""
import os
from kernelbus import Session
session = Session({server.port}, keep=True, on_print=lambda text: (print(session.kernel_id, flush=True), os._exit(0)))
session.evaluate({code!r})
"""
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    return done.stdout.strip()


def test_what_the_kernel_said_meanwhile_is_missed_output(server: Part, tmp_path: Path) -> None:
    name = abandoned(server, tmp_path, "Print[1]; Pause[0.3]; Print[2]; 1/0; Print[3]; 42")
    with Session(server.port, kernel_id=name, keep=False) as session:
        assert not session.fresh
        assert session.evaluate("1 + 1") == 2  # which waits for what is not done yet
        said = [(missed.kind, str(missed).strip()) for missed in session.missed]
        assert said[-4:] == [
            ("print", "2"),
            ("message", "Power::infy: Infinite expression 1 / 0 encountered."),
            ("print", "3"),
            ("result", "42"),
        ]
        assert not session.busy


def test_what_an_earlier_program_asked_for_goes_on_or_is_aborted(server: Part, tmp_path: Path) -> None:
    name = abandoned(server, tmp_path, "Print[1]; While[True]")
    with Session(server.port, kernel_id=name) as second:
        assert second.busy and "result" not in {missed.kind for missed in second.missed}
    third = Session(server.port, kernel_id=name, keep=False)
    assert third.busy
    third.abort()
    assert third.evaluate("5") == 5
    assert third.missed[-1] == Missed("result", Symbol("$Aborted"))
    third.close()


def test_a_profile_leads_back_to_its_kernel(server: Part, tmp_path: Path) -> None:
    profile = str(tmp_path / "work.json")
    with Session(server.port, profile=profile) as session:
        assert session.fresh
        session.evaluate("x = 7; Print[1]")
        name = session.kernel_id
    with Session(profile=profile) as session:  # the server is the profile's
        assert (session.kernel_id, session.fresh, session.missed) == (name, False, ())
        assert session.evaluate("x") == 7
        with pytest.raises(TypeError, match=re.escape(f"Session(profile={profile!r})")):
            pickle.dumps(session)
    with Session(profile=profile, keep=False) as session:
        assert session.evaluate("x") == 7
    with pytest.warns(KernelWarning, match="its kernel is gone"), Session(profile=profile, keep=False) as session:
        assert session.fresh and session.kernel_id != name
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(NoKernel, match=r"bad\.json is not JSON .*: mend it, or remove the file to get another kernel"):
        Session(profile=str(tmp_path / "bad.json"))
    with pytest.raises(NoKernel, match=r"not of 1@127\.0\.0\.1: leave the argument server out, or give another profile"):
        Session("1@127.0.0.1", profile=profile)


def test_pictures_are_shown(session: Session) -> None:
    plot = session.evaluate("Plot[Sin[x], {x, 0, 6}]")
    assert isinstance(plot, Picture)
    assert plot.svg.startswith("<svg") and plot.png.startswith(b"\x89PNG")
    assert list(pickle.loads(pickle.dumps(plot))._repr_mimebundle_()) == ["text/plain", "image/svg+xml", "image/png"]
    image = Image.new("RGB", (3, 2), (10, 20, 30))
    back = session.function("Identity")(image)
    assert isinstance(back, Picture)
    assert back.image().convert("RGB").tobytes() == image.tobytes()
    assert session.function("ImageDimensions")(back) == [3, 2]


def test_threads_take_turns(session: Session) -> None:
    with ThreadPoolExecutor(4) as threads:
        values = list(threads.map(session.function("#^2 &"), range(40)))
    assert values == [n * n for n in range(40)]
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(session.evaluate, "While[True]")
        wait_until(lambda: session._running is not None, "the first evaluation")
        with pytest.raises(TimeoutError):
            session.evaluate("1", timeout=0.2)  # which has not begun
        session.abort()
        with pytest.raises(EvaluationAborted):
            first.result()
    assert session.evaluate("3") == 3


def test_a_fork_and_a_pickle_say_what_to_do(session: Session) -> None:
    with pytest.raises(TypeError, match=rf"{session.kernel_id[:8]}.*keep=True"):
        pickle.dumps(session)
    def use() -> None:
        with session:
            session.evaluate("1")

    assert f"belongs to process {os.getpid()}" in raised_after_fork(use, NoKernel)
    assert session.evaluate("2") == 2


def test_a_line_is_evaluated_on_a_kernel_of_the_programs_own(server: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default, "Session", lambda: Session(server.port))
    assert evaluate("x0 = 2; 2 + 2") == 4
    assert default.default_session() is default.default_session()
    with pytest.raises(KernelDied):
        evaluate("Quit[]")
    assert evaluate("x0") == Symbol("Global`x0") or evaluate("x0") == Symbol("x0")
    default.default_session().close()


_NUMBERS = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(),
    st.integers(-(10**60), 10**60),
    st.floats(allow_nan=False),
    st.fractions(),
    st.decimals(allow_nan=False, allow_infinity=False, places=5),
    st.complex_numbers(allow_nan=False, allow_infinity=False).filter(lambda z: z.imag != 0),
)
_LEAVES = st.one_of(
    _NUMBERS,
    st.text(max_size=20),
    st.binary(max_size=20),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC, ZoneInfo("Europe/Berlin")])),
    st.dates(),
    st.times(),
    st.timedeltas(),
)
def test_the_kernel_of_lines_ends_with_the_program(server: Part) -> None:
    program = (
        "from kernelbus import Session, evaluate\nfrom kernelbus.shell.pool import default\n"
        f"default.Session = lambda: Session('wstp://127.0.0.1:{server.port}/Other')\nprint(evaluate('$ProcessID'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    assert "Error" not in done.stderr
    wait_until(lambda: int(done.stdout) not in {child.pid for child in server.children()}, "the kernel's end")


_KEYS = st.text(max_size=5) | st.integers()
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_VALUES)
def test_values_come_back(session: Session, value: object) -> None:
    back = session.function("Identity")(value)
    assert plain(back) == plain(value)


def plain(value: object) -> object:
    """Make arrays lists, so that values can be compared."""
    if isinstance(value, np.ndarray | list):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {key: plain(element) for key, element in value.items()}
    return value.item() if isinstance(value, np.generic) else value


_TYPES = hnp.integer_dtypes() | hnp.floating_dtypes(sizes=(32, 64)) | hnp.boolean_dtypes() | hnp.complex_number_dtypes(sizes=(64, 128))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=hnp.arrays(_TYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40)))
def test_arrays_come_back(session: Session, array: np.ndarray[Any, Any]) -> None:
    if array.dtype.kind == "c" and not np.isfinite(array).all():
        return
    back = session.function("Identity")(array)
    assert np.array_equal(np.array(back, dtype=array.dtype).reshape(array.shape), array, equal_nan=array.dtype.kind in "fc")


# ---- IPython (kernelbus.shell.ipython.magics) ----------------------------------------------------


@pytest.fixture
def ipython(server: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell(history_load_length=0, colors="nocolor")
    shell.history_manager.enabled = False
    shell.run_line_magic("load_ext", "kernelbus")
    shell.run_line_magic("wl", f"--server {server.port}@127.0.0.1")
    shell.display_formatter.active_types = ["text/plain", "text/latex", "text/html", "image/svg+xml", "image/png"]
    yield shell
    shell.run_line_magic("unload_ext", "kernelbus")
    assert "wl" not in shell.magics_manager.magics["line"]


def test_the_line_magic_returns_values_and_exchanges_variables(ipython: Any, capfd: pytest.CaptureFixture[str]) -> None:
    run = ipython.run_cell
    assert run("y = %wl Prime[5]").success and ipython.user_ns["y"] == 11
    ipython.user_ns["pi"] = 3
    assert run("%wl ToString[{{1, 2}, {pi, $pi}}]").result == "{{1, 2}, {pi, $pi}}"
    run("import numpy; my_x = numpy.arange(4.0)")
    assert run("%wl -q -i a=my_x -o b,my_c=c b = Total[a]; c = a^2").success
    assert ipython.user_ns["b"] == 6.0 and list(ipython.user_ns["my_c"]) == [0.0, 1.0, 4.0, 9.0]
    capfd.readouterr()
    both = "--profile a --kernel-id b"
    for wrong, why in (("-i nothing 1", "no variable 'nothing'"), ("--timeout x", "seconds"), (both, "names its kernel")):
        assert not run(f"%wl {wrong}").success
        assert why in "".join(capfd.readouterr())
    assert not run("%wl 1/0; $Failed").success
    out, err = capfd.readouterr()
    assert "Power::infy" in err  # as it happens
    assert "EvaluationFailed: the value is $Failed: Power::infy" in out + err and "Traceback" not in out + err
    assert not run("%wl --timeout 0.3 While[True]").success
    assert "TimeoutError" in "".join(capfd.readouterr())
    assert run("%wl --help").success and "%%wl [options]" in capfd.readouterr().out


def test_in_a_notebook_of_python(server: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    with notebook("python3") as book:
        book.run(f"%load_ext kernelbus\n%wl --server {server.port}@127.0.0.1")
        ran = book.run('%%wl\nPrint["a"]; Print[Graphics[Disk[]]]; Print["b"]\ny^2\nGraphics[Disk[]]')
        assert [kind for kind, _ in ran.outputs[1:]] == ["stream", "display_data", "stream", "display_data", "execute_result"]
        (printed, formula), (picture,) = ran.bundles("display_data"), ran.bundles()
        assert printed.keys() == picture.keys() == {"text/plain", "image/svg+xml", "image/png"} and "text/latex" in formula
        ran = book.run('%wl {Input["n? "], InputString["s? "], Dialog[], 5}', ["1 + 2", "é", "2^3", "Return[%]"])
        assert ran.bundles()[0]["text/plain"] == "[3, 'é', 8, 5]" and ran.asked[:2] == ["n? ", "s? "]
        ran = book.run('%wl Input["n? "]')
        assert ran.text("stderr") == "the code asks for input (n?), and nobody can answer here\n"
        assert "EndOfFile" in ran.bundles()[0]["text/plain"]
        for code in ('%wl kept = 4; Print["begun"]; While[True]', '%wl Input["waits "]'):
            request = book.start(code, stdin=True)
            for kind, content in book.heard(request):
                if kind in ("stream", "input_request"):
                    book.manager.interrupt_kernel()
                elif kind == "error":
                    assert content["traceback"] == ["KeyboardInterrupt: the evaluation was aborted; the kernel stays as it is"]
        assert book.run("%wl kept").bundles()[0]["text/plain"] == "4"
        failures = {"f[": "EvaluationFailed: the value is $Failed: ", "Exit[2]": "KernelDied: the kernel has quit with status 2"}
        for code, error in failures.items():
            assert book.run(f"%wl {code}").outputs[-1][1]["traceback"][0].startswith(error)
        assert "kept" in book.run("%wl kept").bundles()[0]["text/plain"]


def test_the_cell_magic_shows_each_value(ipython: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from IPython.core import formatters
    from IPython.utils.capture import capture_output

    assert isinstance(ipython.display_formatter.mimebundle_formatter, formatters.MimeBundleFormatter)
    with capture_output() as said:
        result = ipython.run_cell("%%wl\nPrint[3]\nx^2 +\n 1\nq = 5;\nPlot[Sin[x], {x, 0, 1}]")
    assert result.success and isinstance(result.result, Picture)
    assert said.stdout.startswith("3\n")
    data, _ = ipython.display_formatter.format(result.result)
    assert data["text/plain"] == "-Graphics-" and data["image/svg+xml"].startswith("<svg")
    value = ipython.run_cell("%wl x^2 / 2 + Sqrt[z]").result
    data, _ = ipython.display_formatter.format(value)
    assert "2" in data["text/plain"] and "Symbol" not in data["text/plain"]
    assert "\\sqrt{z}" in data["text/latex"]


def test_an_interrupt_aborts_the_cell(ipython: Any, server: Part) -> None:
    ipython.run_cell("%wl kept = 3")
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(1.0, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        error = ipython.run_cell("%wl While[True]").error_in_exec
        assert error._render_traceback_() == ["KeyboardInterrupt: the evaluation was aborted; the kernel stays as it is"]
    finally:
        signal.signal(signal.SIGINT, before)
    assert ipython.run_cell("%wl kept").result == 3
    error = ipython.run_cell("%wl Quit[]").error_in_exec
    assert error._render_traceback_() == ["KernelDied: the kernel has quit, as Quit[] has it; the next %wl gets another kernel"]
    # It is of the same server, and not of the one where kernelbus.evaluate gets its kernel.
    assert ipython.run_cell("%wl kept").result in (Symbol("Global`kept"), Symbol("kept"))

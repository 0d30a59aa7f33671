"""`kernelbus.connect`: one kernel with its state, from Python (kernelbus.shell.pool.session)."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from serving import ROOT, Part, wait_until, write_config

from kernelbus import (
    AddressError,
    EvaluationAborted,
    EvaluationFailed,
    KernelDied,
    KernelMessage,
    KernelWarning,
    NoKernel,
    Session,
    connect,
)
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
    with connect(server.port) as session, pytest.raises(KernelDied):
        session.evaluate("Quit[]")


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

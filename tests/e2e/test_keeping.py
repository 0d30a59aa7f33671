"""Which sessions are kept, and which make room. Real processes, with stand-in kernels."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import EVALUATE, answers, command, connect, order, value, waiting
from people import client_environment, run
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Function, Symbol


@contextlib.contextmanager
def serve(tmp_path: Path, maximum: int = 2, patience: float = 30.0, **keys: object) -> Iterator[Part]:
    pool = stand_in_pool(tmp_path, MinimumKernelNumber=0, MaximumKernelNumber=maximum, **keys)
    config = write_config(tmp_path / "c.conf", Pools={"P": pool}, Limits={"ConnectionTimeout": patience})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def left(server: Part, kernel: str) -> None:
    wait_until(lambda: server.logged(rf"kernel {kernel[:8]} of pool P is detached"), "its client's going")


def named(server: Part) -> str:
    """Have a session that evaluated something, and whose client was told its id."""
    with connect(server) as link:
        assert value(link, 7) == 7
        kernel = str(order(link, command("KernelID")))
    left(server, kernel)
    return kernel


def attach(server: Part, kernel: str) -> wstp.Link:
    link = wstp.connect(server.server, mode="uuid", timeout=10)
    assert order(link, command("ConnectKernel", kernel)) == kernel
    return link


def given_up(server: Part) -> list[str]:
    return server.logged(r"\[WARNING\].* is given up: ")


def test_a_client_that_names_its_kernel_costs_no_other_session(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        first, second = named(server), named(server)
        for kernel in (second, first):
            with attach(server, kernel) as link:
                assert link.get(timeout=30) == Symbol("InputNamePacket")("In[1]:= ")
                assert value(link, 8) == 8
        assert given_up(server) == []


def test_a_client_that_only_listens_gets_a_kernel_where_no_session_has_to_end_for_it(tmp_path: Path) -> None:
    with serve(tmp_path, patience=2.0) as server:
        kept = named(server)
        with connect(server) as listens:
            value(listens, 1)
        wait_until(lambda: len(server.logged("is detached")) == 2, "both clients' going")
        with connect(server) as listens:
            # Nobody was told the id of the second one, so it makes room for a client that waits.
            (line,) = given_up(server)
            assert "nobody was told its id; its session is" in line
            assert "has no profile" in line
            with wstp.connect(server.server, mode="uuid", timeout=10) as link:
                assert link.get(timeout=30) == Symbol("MessagePacket")(Symbol("WSTPServer`ConnectKernel"), "nohost")
                assert "pool P is at its maximum of 2" in str(link.get(timeout=30))
        assert len(given_up(server)) == 1
        attach(server, kept).close()


def test_kernels_left_in_the_middle_of_their_work_hold_a_pool_only_for_a_time(tmp_path: Path) -> None:
    """Clients that ask for something without end, and close or die, fill no pool for good."""
    with serve(tmp_path, maximum=3, LeftoverTimeout=0.5) as server:
        kept = named(server)
        for work in (Symbol("Wait")(), Symbol("Question")("who?")):
            link = connect(server)
            link.put(EVALUATE(work), end_packet=True)
            link.flush()
            link.close()
        wait_until(lambda: len(server.logged("is detached")) == 3, "the clients' going")
        links = []
        for number in range(2):
            link = wstp.connect(server.server, mode="uuid", timeout=10)
            link.put(EVALUATE(number), end_packet=True)
            link.flush()
            assert answers(link)[-1] == Symbol("ReturnPacket")(number)
            links.append(link)
        assert len(given_up(server)) == 2
        for link in links:
            link.close()
        attach(server, kept).close()


@pytest.mark.parametrize("dies", [False, True])
def test_a_kernel_asked_for_as_not_kept_ends_whenever_its_client_goes(tmp_path: Path, dies: bool) -> None:
    """The command that asks for it says so: there is no time in which it would be left behind."""
    with serve(tmp_path, maximum=8) as server:
        unkept = Function(Symbol("Rule"), "KeepAlive", Symbol("False"))
        for _ in range(5):
            link = wstp.connect(server.server, mode="uuid", timeout=10)
            link.put(command("ConnectKernel", unkept), end_packet=True)
            link.flush()
            link.abort() if dies else link.close()
        link = wstp.connect(server.server, mode="uuid", timeout=10)
        kernel = order(link, command("ConnectKernel", unkept))
        assert value(link, 1) == 1
        link.abort() if dies else link.close()
        wait_until(lambda: server.logged(rf"kernel {str(kernel)[:8]} of pool P is ended: its client has gone"), "its end")
        with wstp.connect(server.server, mode="uuid", timeout=10) as link:
            pools = wait_until(lambda: no_sessions(link), "the end of the others")
            assert pools


def no_sessions(link: wstp.Link) -> bool:
    """Whether no kernel is detached, and only this link's own may be attached."""
    (rule,) = order(link, command("Pools")).args  # type: ignore[union-attr]
    shown = {each.args[0]: each.args[1] for each in rule.args[1].args}
    return shown["Detached"] == 0 and shown["Attached"] <= 1


def test_clients_say_what_they_wait_for_and_for_how_long_they_do(tmp_path: Path) -> None:
    environment = client_environment(tmp_path)
    with serve(tmp_path, maximum=1) as server, connect(server):
        wants = "waiting for a kernel: pool P is at its maximum of 1; 0 of its kernels are kept without a client; place 1 of 1 in the queue"
        status, out, error = run(environment, "eval", "--server", server.server, "--timeout", "3", "1", waits=True)
        assert (status, out) == (2, "")
        told = error.splitlines()
        assert told[0] == f"kernelbus eval: {wants}"
        assert "gave no kernel: none came in 3 s: pool P is at its maximum of 1" in told[1]
        program = f"import kernelbus; kernelbus.connect({server.server!r}, timeout=3)"
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
        assert "waiting for a kernel: pool P is at its maximum of 1; " in done.stderr


WAITER = """
import sys, time
import wstp
from wstp import Symbol
link = wstp.connect(sys.argv[1], mode="uuid", timeout=10)
link.put(Symbol("WSTPServer`ConnectKernel")(), end_packet=True)
link.flush()
if sys.argv[2] == "with work":
    link.put(Symbol("EvaluatePacket")(1), end_packet=True)
    link.flush()
print("waits", flush=True)
time.sleep(600)
"""


def test_a_client_that_goes_while_it_waits_loses_its_place(tmp_path: Path) -> None:
    """Who comes behind it moves up, and no kernel is given to who has gone."""
    with serve(tmp_path, maximum=1, patience=600.0) as server, connect(server) as holder:
        for way in ("close", "abort", "kill", "kill with work"):
            if way.startswith("kill"):
                words = [sys.executable, "-c", WAITER, server.server, way.removeprefix("kill").strip()]
                with subprocess.Popen(words, stdout=subprocess.PIPE, env=client_environment(tmp_path)) as process:
                    assert process.stdout is not None and process.stdout.readline()
                    wait_until(lambda: waiting(holder) == 1, f"{way}: it waits")
                    process.kill()
            else:
                link = wstp.connect(server.server, mode="uuid", timeout=10)
                link.put(command("ConnectKernel"), end_packet=True)
                link.flush()
                wait_until(lambda: waiting(holder) == 1, f"{way}: it waits")
                getattr(link, way)()
            wait_until(lambda: waiting(holder) == 0, f"{way}: its place is free", 15)
        with wstp.connect(server.server, mode="uuid", timeout=10) as behind:
            behind.put(command("ConnectKernel"), end_packet=True)
            behind.flush()
            wait_until(lambda: waiting(holder) == 1, "it waits")
            order(holder, command("CloseKernel"))
            assert answers(behind)[-1].head == Symbol("ReturnPacket")
        # The log may lag behind.
        wait_until(lambda: len(server.logged("is attached to kernel")) == 2, "nobody else has had a kernel")
        assert len(server.logged("has gone while it waited for a kernel")) == 4


def test_the_server_says_when_its_kernels_are_ready(tmp_path: Path) -> None:
    pools = {"P": stand_in_pool(tmp_path), "None": stand_in_pool(tmp_path, MinimumKernelNumber=0)}
    with Part("serve", "-p", "0", "-c", write_config(tmp_path / "c.conf", Pools=pools)) as server:
        wait_until(lambda: "Kernels are ready: 1 of pool P" in [line.strip() for line in server.output], "they are ready")

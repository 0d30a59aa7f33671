"""Parts of different versions meet: an upgrade costs no session, and another major is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from asking import EVALUATE, answers, command, connect, order, value
from builds import ROOT, breaks, last_release, patched, released, schemas
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.bus.client import AdminClient, BrokerUnreachable
from kernelbus.bus.protocol.orders import HostOrder
from kernelbus.bus.protocol.version import PROTOCOL
from wstp import Expr, MessageCode, Symbol

PRESENT = ROOT / "src"
LATER = (PROTOCOL.major, PROTOCOL.minor + 1)
ADDED = [
    ("Registered", "colours: list[str] = dataclasses.field(default_factory=lambda: ['red'])"),
    ("Register", "flavour: str = 'sweet'"),
    ("Acquire", "patience: float = 1.0"),
    ("KernelReport", "weight: int = 7"),
    ("Open", "mood: str = 'good'"),
]


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build as the next version may be: its messages have more fields."""
    return patched(tmp_path_factory.mktemp("later") / "src", LATER, *ADDED)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release, its wheel built from history."""
    release = last_release()
    if release is None:
        pytest.skip("this clone has neither a tag v* nor a commit of tests/faults/releases.toml in its history")
    return released(release[1], tmp_path_factory.mktemp("previous"))


class Mixed:
    """A broker, frontends and hosts of two builds, with one configuration."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack = stack
        bus = {"HeartbeatInterval": 0.2, "HeartbeatTimeout": 2.0, "Journal": "journal.sqlite"}
        self.config = write_config(folder / "kernelbus.conf", Pools={"P": stand_in_pool(folder)}, Bus=bus)
        self.endpoint = "tcp://127.0.0.1:0"

    def start(self, source: Path, *words: str, ready: str = "Listening for new connections") -> Part:
        words = (*words, "--bus", self.endpoint, "-l", "debug", "-c", str(self.config))
        part = self.stack.enter_context(Part(*words, ready=ready, source=source))
        if words[0] == "broker":
            self.endpoint = part.endpoint
        return part

    def broker(self, source: Path) -> Part:
        return self.start(source, "broker", ready="Broker listening")

    def host(self, source: Path, name: str) -> Part:
        return self.start(source, "host", "--name", name, ready="has joined")


def come_back(frontend: Part, kernel: Expr) -> tuple[wstp.Link, list[str]]:
    """Go back to a kernel by its id; return the link, and the texts that came before the answer."""
    link = wstp.connect(frontend.server, mode="uuid", timeout=10)
    link.put(command("Reconnect", kernel, Symbol("Rule")("Resume", Symbol("False"))), end_packet=True)
    link.flush()
    return link, [str(packet.args[0]) for packet in answers(link) if packet.head == Symbol("TextPacket")]


def upgrade(old: Path, new: Path, folder: Path) -> None:
    """Replace the parts of one build by those of another, as docs/service.md says it."""
    with ExitStack() as stack:
        site = Mixed(folder, stack)
        broker, first = site.broker(old), site.host(old, "first")
        frontend = site.start(old, "frontend", "-p", "0")
        with connect(frontend) as link:
            over = order(link, command("CloseKernel"))
        link = stack.enter_context(connect(frontend))
        pid, kernel = value(link, Symbol("Pid")()), order(link, command("KernelID"))
        broker.terminate()
        broker = site.broker(new)
        assert value(link, Symbol("Pid")()) == pid, "the broker was replaced, and the session has not noticed"
        frontend.terminate()
        frontend = site.start(new, "frontend", "-p", "0")
        late, said = come_back(frontend, over)
        late.abort()
        assert f"kernel {over} has ended" in said[0], "the new broker has read the old one's journal"
        link, said = come_back(frontend, kernel)
        assert said == []
        assert value(link, Symbol("Pid")()) == pid
        second = site.host(new, "second")
        with AdminClient(site.endpoint, lambda size: bytes(size), sender="tester@here") as console:
            assert console.order(HostOrder(0, "", "first", "drain")).ok
        with connect(frontend) as other:
            assert value(other, Symbol("Pid")()) in [child.pid for child in second.children()]
        link.put(EVALUATE(Symbol("Wait")()), end_packet=True)
        link.put_message(MessageCode.ABORT)
        assert answers(link)[-1].args == (Symbol("$Aborted"),)
        assert value(link, Symbol("Pid")()) == pid, "the session on the host that is drained goes on"
        assert order(link, command("CloseKernel")) == kernel
        link.close()
        wait_until(lambda: first.process.poll() is not None, "the drained host ends with its last session")
        for part in (broker, first, second, frontend):
            assert not part.logged("Unknown field|is refused: it speaks")


def test_an_upgrade_to_a_later_minor_costs_no_session(later: Path, tmp_path: Path) -> None:
    upgrade(PRESENT, later, tmp_path)


def test_a_part_of_an_earlier_minor_joins_a_later_broker(later: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = Mixed(tmp_path, stack)
        site.broker(PRESENT)
        site.host(later, "host")
        with connect(site.start(PRESENT, "frontend", "-p", "0")) as link:
            assert value(link, 7) == 7


def test_an_upgrade_from_the_last_release_costs_no_session(previous: Path, tmp_path: Path) -> None:
    assert breaks(schemas(previous), schemas(PRESENT)) == []
    upgrade(previous, PRESENT, tmp_path)


def test_the_way_back_to_the_last_release_costs_no_session(previous: Path, tmp_path: Path) -> None:
    upgrade(PRESENT, previous, tmp_path)


PROGRAM = """
import sys
from kernelbus import KernelPool, connect
from kernelbus.shell.main import main

with connect(sys.argv[1]) as session:
    print(session.evaluate(5))
with KernelPool(sys.argv[1], 1) as pool:
    print(pool.evaluate(6).result())
main(["eval", "--server", sys.argv[1], "--timeout", "30", "7"])
"""


@pytest.mark.parametrize("server", ["earlier", "present"])
def test_programs_of_one_release_use_servers_of_another(server: str, previous: Path, tmp_path: Path) -> None:
    ours, theirs = (previous, PRESENT) if server == "earlier" else (PRESENT, previous)
    config = write_config(tmp_path / "kernelbus.conf", Pools={"P": stand_in_pool(tmp_path)})
    with Part("serve", "-p", "0", "-i", "127.0.0.1", "-c", config, source=ours) as part:
        environment = {**os.environ, "PYTHONPATH": str(theirs), "XDG_STATE_HOME": str(tmp_path)}
        words = [sys.executable, "-P", "-c", PROGRAM, part.server]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
        # The stand-in gives back what it is asked.
        assert (done.stdout.splitlines(), done.stderr) == (["5", "6", 'ToString[ToExpression["7"], InputForm]'], "")


@pytest.mark.parametrize("major", [PROTOCOL.major + 1, PROTOCOL.major - 1])
def test_another_major_is_refused_in_one_line_that_names_both(major: int, tmp_path: Path) -> None:
    other = patched(tmp_path / "src", (major, 3))
    with ExitStack() as stack:
        site = Mixed(tmp_path, stack)
        broker = site.broker(PRESENT)
        # It is never ready.
        host = Part("host", "--bus", site.endpoint, "--name", "far", "-c", site.config, source=other)
        stack.callback(host.kill)
        names = f"version {PROTOCOL} of the bus protocol, and this program speaks {major}.3"
        assert len(host.told(f"the broker at {site.endpoint} speaks {names}")) == 1
        far = f"far is refused: it speaks version {major}.3 of the bus protocol, and this program speaks {PROTOCOL}"
        assert len(broker.told(far)) == 1
        # It tries on, for the broker may be upgraded; that is not said again.
        with AdminClient(site.endpoint, lambda size: bytes(size), sender="tester@here") as console:
            assert console.status().hosts == []
        assert len(broker.logged("far")) == len(host.logged("speaks")) == 1
    with ExitStack() as stack:
        site = Mixed(tmp_path, stack)
        broker = site.broker(other)
        with AdminClient(broker.endpoint, lambda size: bytes(size), sender="me@here") as console, pytest.raises(BrokerUnreachable) as error:
            console.status()
        assert f"speaks version {major}.3 of the bus protocol, and this program speaks {PROTOCOL}" in str(error.value)


def test_what_a_change_of_messages_asks_of_the_version() -> None:
    before = ((1, 0), {"Open": {"channel": True, "client": False}})
    more = {"Open": {"channel": True, "client": False, "mood": False}}
    assert breaks(before, before) == []
    assert breaks(before, ((1, 0), more)) == ["Open have more keys, or are new: raise the minor"]
    assert breaks(before, ((1, 1), more)) == []
    assert breaks(before, ((1, 1), {"Open": {"channel": True}})) == ["Open.client is gone: raise the major"]
    assert breaks(before, ((1, 1), {"Open": {"channel": True, "client": True}})) == ["Open.client is needed now: raise the major"]
    assert breaks(before, ((2, 0), {})) == []
    assert schemas(PRESENT)[0] == PROTOCOL

"""One kernel's life, with processes of the stand-in program."""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from host_parts import Events, make_kernel, stand_in, until

from kernelbus.bus.rounds import Rounds
from kernelbus.bus.settings.config import PoolConfig
from kernelbus.kernelhost.kernel import Kernel, Phase
from kernelbus.kernelhost.process import peers
from kernelbus.kernelhost.process.cgroups import Group, Groups
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink

Life = Callable[[Kernel, Events], Awaitable[None]]


def live(life: Life, pool: PoolConfig, groups: Groups | None = None, **limits: float) -> Events:
    """Start a kernel, have `life` act on it, and return what it told; in the end it is killed."""
    events = Events()

    async def main() -> None:
        kernel = make_kernel(pool, events, groups=groups, **limits)
        await kernel.start()
        try:
            await life(kernel, events)
        finally:
            kernel.kill()
            await until(lambda: kernel.phase is Phase.ENDED)

    asyncio.run(main())
    return events


async def end(kernel: Kernel, events: Events) -> None:
    await until(lambda: "ended" in events.names)


@pytest.mark.parametrize("options", ["", "-uuid"])
def test_a_kernel_becomes_ready_serves_and_is_ended(options: str) -> None:
    async def life(kernel: Kernel, events: Events) -> None:
        assert kernel.phase is Phase.STARTING and not kernel.serving and kernel.pid
        await until(lambda: kernel.serving)
        assert kernel.link is not None and kernel.program
        assert kernel.bytes_in > 0 and kernel.bytes_out > 0
        assert not kernel.busy and kernel.session.conversation.prompt == "In[1]:= "
        kernel.end("it was told to")
        await end(kernel, events)
        assert kernel.pid == 0 and kernel.link is None
        assert kernel.bytes_in > 0, "they are kept when the link is gone"

    # The initialisation counts as work, and no client has asked for it.
    assert [event for event in live(life, stand_in(options=options)).told if event[0] not in ("busy", "idle")] == [
        ("ready", ""),
        ("ended", "it was told to"),
    ]


def test_a_kernel_that_never_prompts_becomes_ready() -> None:
    async def life(kernel: Kernel, events: Events) -> None:
        await until(lambda: kernel.serving)
        assert not kernel.session.conversation.prompts

    live(life, stand_in(options="-noprompt"))


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("fail", "could not be initialised: InitializationCode gave $Failed"),
        ("abort", "could not be initialised: InitializationCode was aborted"),
        ("exit 3", "could not be initialised: InitializationCode ended the kernel, which exited with status 3"),
    ],
)
def test_an_initialisation_that_fails_ends_the_kernel(code: str, how: str) -> None:
    events = live(end, stand_in(initialization_code=code))
    assert "ready" not in events.names
    assert events.told[-1] == ("ended", how)


def test_an_initialisation_that_does_not_end_is_ended() -> None:
    events = live(end, stand_in(initialization_code="hang"), kernel_start_timeout=2.0)
    assert events.told[-1] == ("ended", "could not be initialised: InitializationCode did not end in 2 s")


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ("-exitatonce 4", "exited with status 4; it said last: no licence for this machine"),
        ("-silent", "did not get ready in 2 s; it said last: thinking"),
    ],
)
def test_a_kernel_that_does_not_start_says_why(options: str, how: str) -> None:
    events = live(end, stand_in(options=options), kernel_start_timeout=2.0)
    assert events.names == ["ended"]
    assert events.told[0][1] == how


def test_a_kernel_that_is_ended_before_it_is_started_is_not_started() -> None:
    events = Events()

    async def main() -> None:
        kernel = make_kernel(stand_in(), events)
        kernel.end("nobody wants it")
        await kernel.start()
        assert (kernel.phase, kernel.pid) == (Phase.ENDED, 0)

    asyncio.run(main())
    assert events.told == [("ended", "nobody wants it")]


def test_a_kernel_that_is_ended_while_it_starts_ends() -> None:
    events = Events()

    async def main() -> None:
        kernel = make_kernel(stand_in(), events)
        starting = asyncio.create_task(kernel.start())
        await asyncio.sleep(0)
        kernel.end("nobody wants it")
        await starting
        await until(lambda: kernel.phase is Phase.ENDED)

    asyncio.run(main())
    assert events.told == [("ended", "nobody wants it")]


def test_a_kernel_that_cannot_be_started_for_want_of_descriptors_says_so() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    events = Events()

    async def main() -> None:
        kernel = make_kernel(stand_in(), events)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 10, limits[1]))
        try:
            await kernel.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert kernel.short

    asyncio.run(main())
    ((name, how),) = events.told
    assert name == "ended"
    assert how.startswith("could not be started: this process is short of file descriptors: it may have ")


def test_a_program_that_is_not_there() -> None:
    events = live(end, PoolConfig("P", kernel_path="/nowhere/kernel"))
    assert events.told == [("ended", "could not be started: /nowhere/kernel: No such file or directory")]


def connection(port: int, user: int | None) -> subprocess.Popen[bytes]:
    """Start a process that connects to a port, says what a kernel says, and prints the answer."""
    code = f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf need_msg_portY >&3 && cat <&3; echo over"
    return subprocess.Popen(["bash", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, user=user, cwd="/")


@pytest.mark.skipif(not peers.KNOWN, reason="only Linux says who holds a connection")
@pytest.mark.parametrize("user", [pytest.param(65534, marks=pytest.mark.skipif(os.getuid() != 0, reason="only root can be another")), None])
def test_only_the_kernels_own_processes_are_let_in(user: int | None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    go = tmp_path / "go"

    async def life(kernel: Kernel, events: Events) -> None:
        assert kernel.port
        said, _ = await asyncio.to_thread(connection(kernel.port, user).communicate)
        assert said == b"over\n", "it is told nothing"
        assert not kernel.serving
        go.touch()
        await until(lambda: kernel.serving)

    live(life, stand_in(options=f"-await {shlex.quote(str(go))}"))
    whose = f"is of user {user}, not of the kernel's user 0" if user else "is of another process than kernel"
    assert whose in caplog.text


class _Groups(Groups):
    """Groups that only say how often the system has killed in them."""

    def __init__(self, folder: Path, kills: int) -> None:
        self._folder = folder
        self._kills = kills

    def make(self, name: str, limit: int) -> Group:
        assert (name, limit) == ("P-identity", 64 * 2**20)
        return _Group(self._folder, self._kills)


class _Group(Group):
    def __init__(self, folder: Path, kills: int) -> None:
        super().__init__(folder, limited=True)
        self._kills = kills

    def out_of_memory(self) -> int:
        return self._kills

    def kill(self) -> int:
        return 0

    def remove(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kills", "how"),
    [
        (1, "took more than 64 MiB of memory (Limits/KernelMemory), and was killed by the system"),
        (0, "was ended by SIGKILL, not by this host"),
    ],
)
def test_a_kernel_that_the_system_kills_at_its_limit_is_told_from_others(kills: int, how: str, tmp_path: Path) -> None:
    async def life(kernel: Kernel, events: Events) -> None:
        await until(lambda: kernel.serving)
        assert kernel.group is not None
        os.kill(kernel.pid, signal.SIGKILL)
        await end(kernel, events)

    events = live(life, stand_in(), groups=_Groups(tmp_path, kills), kernel_memory=64 * 2**20)
    assert events.told[-1][1].startswith(how)
    assert (tmp_path / "cgroup.procs").read_text() == "0", "it has entered its group"


class _Link:
    """A kernel's link that is only told whether to read."""

    bytes_in = bytes_out = 0
    reading = True

    def pause(self, soon: bool = False) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True


@pytest.mark.parametrize("ends", [False, True])
def test_what_a_kernel_says_is_taken_in_turns(ends: bool) -> None:
    async def main() -> None:
        kernel = make_kernel(rounds=Rounds(steps=2, round=1e-9))
        link, conversation = cast("RelayLink", fake := _Link()), kernel.session.conversation
        kernel._take_link(link)
        flood = encode_packet(packet("TextPacket", "x")) * 2000 + encode_packet(packet("InputNamePacket", "In[7]:= "))
        kernel.link_data(link, flood)
        assert conversation.prompt == "" and not fake.reading, "it has said more than is taken in one turn"
        if ends:
            kernel.link_ended(link, False)
        await until(lambda: conversation.prompt)
        assert conversation.prompt == "In[7]:= "
        assert ends or fake.reading
        kernel.hold(True)
        assert ends or not fake.reading

    asyncio.run(main())

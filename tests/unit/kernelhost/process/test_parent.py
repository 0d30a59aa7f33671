"""A preloaded parent: what it forks, what it reports, and its end."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from host_parts import until

from kernelbus.kernelhost.process.confinement import Confinement
from kernelbus.kernelhost.process.initialisation import Initialisation
from kernelbus.kernelhost.process.parent import InitialisationFailed, NurseryFailed, Parent

LOADING = 120.0


def test_kernels_and_parents_are_forked_and_their_ends_are_told() -> None:
    async def main() -> None:
        deaths: list[str] = []
        ends: list[str] = []
        said: list[tuple[str, bool]] = []
        base = await Parent.spawn("base", lambda parent, how: deaths.append(f"{parent.name}: {how}"))
        await asyncio.wait_for(base.ready, LOADING)
        assert base.served and not base.gone

        (data, its_data), (message, its_message) = socket.socketpair(), socket.socketpair()
        with data, its_data, message, its_message:
            kernel = await base.fork(["-run"], "kernel", ends.append, (its_data.fileno(), its_message.fileno()), Confinement())
        assert kernel.pid not in (0, os.getpid())
        await until(lambda: ends)
        assert ends[0].startswith("exited with status 2; it said last: kernelhost.mathics: nothing after -run")

        child = await base.fork_parent(
            "child",
            Initialisation(code='Print["hello"]; 1/0'),
            lambda parent, how: deaths.append(f"{parent.name}: {how}"),
            lambda text, is_message: said.append((text.strip(), is_message)),
        )
        await asyncio.wait_for(child.ready, LOADING)
        assert child.unshared == ""
        assert said[0] == ("hello", False)
        assert any(is_message and "Power::infy" in text for text, is_message in said)

        child.kill()
        await until(lambda: deaths)
        assert deaths == ["child: was ended by SIGKILL"]
        assert child.gone and not base.gone
        with pytest.raises(NurseryFailed):
            await child.fork([], "kernel", ends.append, (0, 0), Confinement())

        failing = await base.fork_parent(
            "failing", Initialisation(code="$Failed"), lambda parent, how: deaths.append(parent.name), lambda text, is_message: None
        )
        with pytest.raises(InitialisationFailed, match="gave \\$Failed"):
            await asyncio.wait_for(failing.ready, LOADING)
        await until(lambda: failing.gone)

        await base.close()
        assert base.gone and not any(death.startswith("base") for death in deaths), "it was closed, and has not died"

    asyncio.run(main())


def test_a_parent_that_dies_while_it_loads_never_becomes_ready() -> None:
    async def main() -> None:
        deaths: list[str] = []
        parent = await Parent.spawn("base", lambda parent, how: deaths.append(how))
        parent.kill()
        with pytest.raises(NurseryFailed, match="base was ended by SIGKILL"):
            await asyncio.wait_for(parent.ready, LOADING)
        assert deaths == ["was ended by SIGKILL"] and not parent.served

    asyncio.run(main())


def test_a_kernel_that_is_killed_as_soon_as_it_is_forked_ends() -> None:
    async def main() -> None:
        base = await Parent.spawn("base", lambda parent, how: None)
        await asyncio.wait_for(base.ready, LOADING)
        (data, its_data), (message, its_message) = socket.socketpair(), socket.socketpair()
        with data, its_data, message, its_message:
            for _ in range(10):
                ends: list[str] = []
                kernel = await base.fork([], "kernel", ends.append, (its_data.fileno(), its_message.fileno()), Confinement())
                kernel.kill()
                await until(lambda: ends)  # noqa: B023
                assert ends == ["was ended by SIGKILL"]
        await base.close()

    asyncio.run(main())

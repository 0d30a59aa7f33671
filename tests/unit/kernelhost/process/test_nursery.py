"""The nursery: which parents there are, with parents that are played."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from host_parts import until

from kernelbus.kernelhost.process import nursery as module
from kernelbus.kernelhost.process.confinement import Confinement
from kernelbus.kernelhost.process.initialisation import Initialisation
from kernelbus.kernelhost.process.nursery import Nursery
from kernelbus.kernelhost.process.parent import InitialisationFailed, NurseryFailed

TOOLS = Initialisation(code="tools")
UNSHARED = Initialisation(code="unshared")
FAILING = Initialisation(code="failing")
HANGING = Initialisation(code="hanging")


class _Forked:
    """A kernel that was forked: from which parent, and whether it is initialised."""

    def __init__(self, parent: _Parent) -> None:
        self.parent = parent
        self.initialised = False


class _Parent:
    """Plays :class:`kernelbus.kernelhost.process.parent.Parent`, as the initialisation says."""

    made: list[_Parent]

    def __init__(self, name: str, code: str, on_death: Callable[[_Parent, str], None]) -> None:
        self.name = name
        self.gone = False
        self.served = code != "failing"
        self.unshared = "it has a thread" if code == "unshared" else ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self._on_death = on_death
        self.made.append(self)
        if code == "failing":
            self.ready.set_exception(InitialisationFailed("gave $Failed"))
        elif code != "hanging":
            self.ready.set_result(None)

    @classmethod
    async def spawn(cls, name: str, on_death: Callable[[_Parent, str], None]) -> _Parent:
        await asyncio.sleep(0)
        return cls(name, "", on_death)

    async def fork_parent(
        self,
        name: str,
        initialisation: Initialisation,
        on_death: Callable[[_Parent, str], None],
        on_said: Callable[[str, bool], None],
    ) -> _Parent:
        on_said("tools are there", False)
        return _Parent(name, initialisation.code or "", on_death)

    async def fork(
        self, arguments: list[str], name: str, on_exit: Callable[[str], None], link: tuple[int, int], confinement: Confinement
    ) -> _Forked:
        return _Forked(self)

    def die(self) -> None:
        self.gone = True
        self._on_death(self, "was ended by SIGKILL")

    def kill(self) -> None:
        self.gone = True

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> list[_Parent]:
    _Parent.made = []
    monkeypatch.setattr(module, "Parent", _Parent)
    return _Parent.made


def play(story: Callable[[Nursery], Awaitable[None]], timeout: float = 60.0) -> None:
    async def main() -> None:
        nursery = Nursery(timeout)
        await story(nursery)
        await nursery.close()

    asyncio.run(main())


async def fork(nursery: Nursery, initialisation: Initialisation = TOOLS) -> _Forked:
    return await nursery.fork([], "a kernel", lambda how: None, (0, 0), initialisation, "P", Confinement())  # type: ignore[return-value]


def test_kernels_that_are_started_together_share_one_parent_of_each_kind(played: list[_Parent]) -> None:
    async def story(nursery: Nursery) -> None:
        kernels = await asyncio.gather(*(fork(nursery) for _ in range(3)), fork(nursery, Initialisation()))
        assert [parent.name for parent in played] == ["the nursery of embedded kernels", "the parent of pool P (InitializationCode)"]
        assert [kernel.parent for kernel in kernels] == [played[1]] * 3 + [played[0]]
        assert all(kernel.initialised for kernel in kernels)
        await nursery.close()
        assert all(parent.closed for parent in played)

    play(story)


def test_what_cannot_be_shared_is_left_to_the_kernels(played: list[_Parent]) -> None:
    async def story(nursery: Nursery) -> None:
        kernel = await fork(nursery, UNSHARED)
        assert kernel.parent is played[0] and not kernel.initialised

    play(story)


def test_an_initialisation_that_fails_or_does_not_end(played: list[_Parent]) -> None:
    async def story(nursery: Nursery) -> None:
        with pytest.raises(InitialisationFailed, match="gave \\$Failed"):
            await fork(nursery, FAILING)
        with pytest.raises(InitialisationFailed, match=r"InitializationCode did not end in 0\.2 s"):
            await fork(nursery, HANGING)
        assert played[-1].gone
        assert (await fork(nursery)).initialised, "others are not concerned"

    play(story, 0.2)


def test_a_parent_that_died_is_started_again_unasked_and_says_the_same_only_once(
    played: list[_Parent], caplog: pytest.LogCaptureFixture
) -> None:
    async def story(nursery: Nursery) -> None:
        await fork(nursery)
        played[1].die()
        await until(lambda: len(played) == 3)
        assert (await fork(nursery)).parent is played[2]

    with caplog.at_level(logging.DEBUG, "kernelbus"):
        play(story)
    said = [record.levelname for record in caplog.records if record.getMessage().endswith("said: tools are there")]
    assert said == ["INFO", "DEBUG"]


def test_a_nursery_that_is_given_up_starts_nothing_more() -> None:
    async def story(nursery: Nursery) -> None:
        waiting = asyncio.create_task(fork(nursery, HANGING))
        await until(lambda: len(_Parent.made) == 2)
        nursery.give_up()
        with pytest.raises(NurseryFailed, match="shutting down"):
            await waiting
        with pytest.raises(NurseryFailed, match="shutting down"):
            await fork(nursery)

    play(story)


def test_what_nobody_wants_any_more_is_not_forked_and_not_waited_for(played: list[_Parent]) -> None:
    async def story(nursery: Nursery) -> None:
        unwanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(nursery.fork([], "a kernel", lambda how: None, (0, 0), HANGING, "P", Confinement(), unwanted))
        await until(lambda: len(_Parent.made) == 2)
        unwanted.set_result(None)
        with pytest.raises(NurseryFailed, match="ended before it was started"):
            await waiting
        with pytest.raises(NurseryFailed, match="ended before it was started"):
            await nursery.fork([], "a kernel", lambda how: None, (0, 0), TOOLS, "P", Confinement(), unwanted)

    play(story)


def test_the_environment_can_forbid_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(nursery: Nursery) -> None:
        assert not nursery.available

    monkeypatch.setenv("KERNELBUS_NO_FORK", "1")
    play(story)

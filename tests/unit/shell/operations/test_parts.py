"""One process of the server: the order in which its tasks end, and its exit status."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbus.bus.errors import BusError
from kernelbus.bus.settings.config import Config, load
from kernelbus.shell.operations import parts as module
from kernelbus.shell.operations.parts import Parts, part_name, parts, run_part


def test_the_last_task_started_is_the_first_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[str] = []

    async def task(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(f"task {name}")

    def on_stop(name: str) -> Callable[[], object]:
        async def stop() -> None:
            ended.append(f"stop {name}")

        return stop

    async def main() -> None:
        async with parts(Config()) as process:
            process.on_exit(lambda: ended.append("first closer"))
            process.on_exit(lambda: ended.append("last closer"))
            for name in ("a", "b"):
                process.start(task(name), on_stop=on_stop(name))  # type: ignore[arg-type]
            process.ready("Ready for work")
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            await process.wait_for_stop()

    assert run_part(main()) == 0
    assert ended == ["stop b", "task b", "stop a", "task a", "last closer", "first closer"]
    assert capsys.readouterr().out == "Ready for work\n"


@pytest.mark.parametrize("error", [BusError("no port"), RuntimeError("a fault")])
def test_a_task_that_fails_ends_the_process(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise error

    async def main() -> None:
        async with parts(Config()) as process:
            process.start(fail())
            await process.wait_for_stop()

    if isinstance(error, BusError):
        assert run_part(main()) == 2
        assert "no port" in caplog.messages
    else:
        with pytest.raises(RuntimeError, match="a fault"):
            run_part(main())


def test_what_is_waited_for_is_given_up_on_a_stop() -> None:
    async def main(process: Parts) -> list[bool]:
        done = [await process.unless_stopped(asyncio.sleep(0))]
        forever = asyncio.Event()
        process.stop("it is enough")
        done.append(await process.unless_stopped(_wait(forever)))
        return done

    async def run() -> None:
        async with parts(Config()) as process:
            assert await main(process) == [True, False]

    assert run_part(run()) == 0


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def test_the_configuration_is_read_again_and_the_name_stays(tmp_path: Path) -> None:
    file = tmp_path / "k.conf"
    file.write_text('{"Bus": {"HeartbeatTimeout": 7}}')
    config = load(file).named("typed")
    file.write_text('{"Bus": {"HeartbeatTimeout": 9, "Name": "written"}}')

    async def run() -> None:
        async with parts(config) as process:
            again = process.reread()
            assert (again.bus.heartbeat_timeout, again.bus.name) == (9, "typed")

    assert run_part(run()) == 0


def test_a_part_is_called_as_configured_or_as_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.socket, "gethostname", lambda: "box")
    config = Config()
    assert part_name(config) == "box"
    assert part_name(replace(config, bus=replace(config.bus, name="lab"))) == "lab"

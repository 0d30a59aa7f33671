"""What is in configs/: that files load, that units and compose file are sound, and that every
command in them is one.
"""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelbus.bus.settings.config import Config, load
from kernelbus.shell.main import _parser

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
CONFIGS = ROOT / "configs"
UNITS = sorted((CONFIGS / "systemd").glob("*.service"))
#: The most that `systemd-analyze security` may find, of 10.
EXPOSURE = 20  # in tenths
PROGRAM = "/opt/kernelbus/bin/kernelbus"


def installed(name: str) -> Path:
    """Give the file of configs/ that is to be installed in /etc/kernelbus."""
    found = [path for path in CONFIGS.rglob(name) if path.suffix == ".conf"]
    assert len(found) == 1, (name, found)
    return found[0]


def understood(words: list[str]) -> Any:
    """What our own command line makes of a command; it exits where it makes nothing of it."""
    options, unknown = _parser().parse_known_args(words)
    assert not unknown, words
    return options


@pytest.mark.parametrize("file", sorted(CONFIGS.rglob("*.conf")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_configuration_loads(file: Path) -> None:
    if file.name == "kernelbus.sysusers.conf":
        assert re.search(r"^u kernelbus - ", file.read_text(), re.MULTILINE)
        return
    assert load(file).warnings == ()


class Unit:
    """A unit file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parser = configparser.ConfigParser(strict=False, interpolation=None)
        self._parser.optionxform = str  # type: ignore[assignment, method-assign]
        self._parser.read_string(path.read_text())

    def __getitem__(self, key: str) -> str:
        return self._parser["Service"][key]


@pytest.fixture(params=UNITS, ids=lambda path: path.stem)
def unit(request: pytest.FixtureRequest) -> Unit:
    return Unit(request.param)


def test_there_is_a_unit_for_each_part() -> None:
    assert [path.stem for path in UNITS] == [f"kernelbus-{part}" for part in ("broker", "frontend", "host", "serve")]


def test_what_a_unit_starts_is_understood_and_finds_its_file(unit: Unit) -> None:
    program, *words = shlex.split(unit["ExecStart"])
    assert program == PROGRAM
    assert unit.path.stem == f"kernelbus-{words[0]}"
    options = understood(words)
    folder, name = options.configuration_file.rsplit("/", 1)
    assert folder == "/etc/kernelbus"
    config = load(installed(name))
    # All that they write lies in the one folder that is theirs.
    state = f"/var/lib/{unit['StateDirectory']}/"
    for path in filter(None, (config.bus.journal, config.bus.keys)):
        assert path.startswith(state)
    assert unit["Environment"].split() == ["HOME=%S/kernelbus", "XDG_STATE_HOME=%S"]


def test_a_unit_waits_for_readiness_and_ends_kernels_in_order(unit: Unit) -> None:
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert int(unit["TimeoutStopSec"]) > 2 * Config().limits.shutdown_timeout
    if unit.path.stem in ("kernelbus-serve", "kernelbus-host"):
        assert (unit["KillMode"], unit["OOMPolicy"]) == ("mixed", "continue")


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def startable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the units, with a program that this machine has."""
    folder = tmp_path_factory.mktemp("units")
    for path in UNITS:
        (folder / path.name).write_text(path.read_text().replace(PROGRAM, "/bin/true"))
    return folder


def test_systemd_understands_every_line(startable: Path) -> None:
    done = analyze("verify", "--man=no", *sorted(startable.iterdir()))
    ours = [line for line in done.stderr.splitlines() if "kernelbus" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_systemd_finds_little_to_attack(unit: Unit, startable: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", startable / unit.path.name)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    assert re.search(r"Overall exposure level for kernelbus-\w+\.service: [\d.]+ OK", done.stdout), done.stdout[-200:]


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CONFIGS / "compose.yaml").read_text())
    return loaded


class TestCompose:
    def test_its_parts(self, compose: dict[str, Any]) -> None:
        assert set(compose["services"]) == {"broker", "frontend", "host"}
        for name, service in compose["services"].items():
            assert service["command"][0] == name
            assert set(service.get("depends_on", ())) <= set(compose["services"])
            assert service["init"] is service["read_only"] is True

    def test_every_command_is_understood(self, compose: dict[str, Any]) -> None:
        assert "healthcheck" in compose["services"]["broker"]
        for service in compose["services"].values():
            options = understood(service["command"])
            mounted = dict(volume.split(":")[1::-1] for volume in service["volumes"])
            file = (CONFIGS / mounted[options.configuration_file]).resolve()
            endpoint = load(file).bus.endpoint
            assert endpoint is not None
            # Where they meet is a volume that all have.
            assert str(Path(endpoint.removeprefix("ipc://")).parent) in mounted
            if health := service.get("healthcheck"):
                kind, program, *words = health["test"]
                assert (kind, program) == ("CMD", "kernelbus")
                understood(words)

    def test_what_it_mounts_is_there(self, compose: dict[str, Any]) -> None:
        for service in compose["services"].values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                assert source in compose["volumes"] or (CONFIGS / source).is_file()
            build = service["build"]
            assert (CONFIGS / build["context"] / build["dockerfile"]).resolve() == CONFIGS / "Dockerfile"
            assert "ARG EXTRAS=all" in TestDockerfile.LINES
            assert {*filter(None, build["args"]["EXTRAS"].split(","))} <= EXTRAS
        assert compose["services"]["broker"]["build"]["args"]["EXTRAS"] == "", "a broker needs none"
        ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
        assert ports == ["127.0.0.1:31415:31415"], "only this machine's programs are let in"

    def test_docker_understands_it(self) -> None:
        if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
            pytest.skip("there is no docker compose on this machine")
        subprocess.run(["docker", "compose", "-f", CONFIGS / "compose.yaml", "config", "-q"], check=True, timeout=60)


class TestDockerfile:
    LINES = (CONFIGS / "Dockerfile").read_text().replace("\\\n", " ").splitlines()

    def test_what_it_copies_is_there_and_let_through(self) -> None:
        let_through = {line[1:] for line in (CONFIGS / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
        from_here = [line for line in self.LINES if line.startswith("COPY") and "--from=" not in line]
        copied = [source for line in from_here for source in line.split()[1:-1]]
        assert set(copied) == let_through
        assert all((ROOT / source).exists() for source in copied)

    def test_it_has_what_the_package_is_built_from(self) -> None:
        copied = " ".join(line for line in self.LINES if line.startswith("COPY")).split()
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        built = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
        assert built
        assert set(built) <= set(copied)

    def test_its_command_is_understood(self) -> None:
        found = {line.split()[0]: line.split(maxsplit=1)[1] for line in self.LINES if line.startswith(("ENTRYPOINT", "CMD", "USER"))}
        assert yaml.safe_load(found["ENTRYPOINT"]) == ["kernelbus"]
        understood(yaml.safe_load(found["CMD"]))
        assert found["USER"] == "kernelbus"

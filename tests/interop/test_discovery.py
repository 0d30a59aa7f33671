"""The C library browses and resolves our advertisement, in network namespaces of their own.

On Linux the library asks Avahi. The test needs an avahi-daemon, which runs on a bus of its own
beside the library; AVAHI_DAEMON names another daemon than the one in PATH.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from namespaces import Machine, Network
from serving import stand_in_pool, wait_until, write_config

BROWSE = Path(__file__).parents[1] / "support" / "cbrowse.py"

BUS = """<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>
"""
AVAHI = """[server]
use-ipv6=no
allow-interfaces=eth0
enable-dbus=yes
"""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    daemon = os.environ.get("AVAHI_DAEMON") or shutil.which("avahi-daemon")
    if daemon is None or shutil.which("dbus-daemon") is None or all(user.pw_name != "avahi" for user in pwd.getpwall()):
        pytest.skip("there is no avahi-daemon, or no dbus-daemon, or no user avahi")
    (tmp_path / "machines").mkdir()
    with Network(tmp_path / "machines") as made:
        if not made.apart:
            pytest.skip("machines are network namespaces, which are not allowed here")
        yield made


@contextmanager
def program(machine: Machine, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    given = {**os.environ, **environment}
    with subprocess.Popen([*machine.around, *words], env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_library_browses_and_resolves_a_server(network: Network, library: str, tmp_path: Path) -> None:
    server, client = network.machine("server"), network.machine("client")
    config = write_config(tmp_path / "k.conf", Pools={"Main": stand_in_pool(tmp_path)}, Access={"Anonymous": ["private"]})
    part = server.start("serve", "-p", "0", "-i", "0.0.0.0", "-a", "lab", "-c", config)
    bus = tmp_path / "bus"
    (tmp_path / "bus.conf").write_text(BUS.format(path=bus))
    (tmp_path / "avahi.conf").write_text(AVAHI)
    daemon = os.environ.get("AVAHI_DAEMON") or "avahi-daemon"
    own = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
    with ExitStack() as stack:
        stack.enter_context(program(client, "dbus-daemon", f"--config-file={tmp_path / 'bus.conf'}", "--nofork", "--nopidfile"))
        wait_until(bus.exists, "the bus is there")
        # The daemon keeps its process id under /run, where another one of this machine has its own.
        line = f'mount -t tmpfs none /run && exec "$0" -f "{tmp_path / "avahi.conf"}" --no-drop-root --no-chroot --no-rlimits'
        avahi = stack.enter_context(program(client, "unshare", "--mount", "sh", "-c", line, daemon, **own))
        assert avahi.stdout is not None
        assert any("Server startup complete" in said for said in avahi.stdout)
        browsing = stack.enter_context(program(client, sys.executable, str(BROWSE), library, "wstpserver", **own))
        assert browsing.stdout is not None
        told = [json.loads(browsing.stdout.readline()) for _ in range(3)]
    assert told == [
        ["browses", 0],
        ["browsed", 1, "WSTPServer-Instance-lab"],
        ["resolved", "WSTPServer-Instance-lab", f"{part.port}@{server.address}", "TCPIP", 260],
    ]

"""What holds where nothing is said: where a user's servers are found."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from kernelbus.bus.client import BrokerUnreachable
from kernelbus.shell.defaults import listening
from kernelbus.shell.operations.adminclient import admin_client
from kernelbus.shell.state import socket_folder


def test_the_servers_of_a_user_are_found_by_their_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert listening() == []
    folder = socket_folder()
    folder.mkdir(parents=True, mode=0o700)
    with contextlib.ExitStack() as stack:
        for name in ("bus-42425", "bus-9000", "bus-old", "other-7"):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(folder / name))
            server.listen()
        # One whose server has ended is still a file.
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(folder / "bus-5"))
        assert listening() == [9000, 42425]
        with pytest.raises(BrokerUnreachable) as raised, admin_client(timeout=1.0) as client:
            client.status()
    assert str(raised.value).endswith("/bus-31415: your servers here have --bus 9000, --bus 42425")

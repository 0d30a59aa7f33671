"""The file of an ipc endpoint: one broker at a time, and no obstacle from one that was killed."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from kernelbus.bus.errors import EndpointError
from kernelbus.bus.transport.socketfile import LONGEST, SocketFile, advice, barred, check_path, path_of
from kernelbus.bus.transport.zeromq import RouterTransport, dealer_factory


def test_the_path_of_an_endpoint() -> None:
    assert path_of("ipc:///run/bus") == Path("/run/bus")
    assert [path_of(endpoint) for endpoint in ("ipc://*", "ipc://@x", "tcp://127.0.0.1:1", "inproc://a")] == [None] * 4


def test_a_path_that_is_too_long() -> None:
    fits = "/" + "a" * (LONGEST - 1)
    check_path(f"ipc://{fits}")
    for use in (check_path, lambda endpoint: dealer_factory(zmq.Context.instance(), endpoint, os.urandom)):
        with pytest.raises(EndpointError, match=f"its path has {LONGEST + 1} bytes, and a socket's at most {LONGEST}: name another path"):
            use(f"ipc://{fits}a")


def test_the_bus_of_another_user_is_named_as_such(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "bus"))
        (folder / "bus").chmod(0o600)
    assert barred(f"ipc://{own}/bus") == barred(f"ipc://{own}/none") == barred("tcp://127.0.0.1:1") == ""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    other.chmod(0o700)
    own.chmod(0o755)
    os.seteuid(50001)
    try:
        said = [barred(f"ipc://{folder}/bus") for folder in (own, other)]
    finally:
        os.seteuid(0)
    assert said == [f"the bus at ipc://{folder}/bus is another user's: this one may not use it" for folder in (own, other)]


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    first = SocketFile(f"ipc://{path}", path)
    with pytest.raises(EndpointError, match="is another broker's, which is running"):
        SocketFile(f"ipc://{path}", path)
    first.close()
    first.close()
    assert os.listdir(tmp_path) == []
    SocketFile(f"ipc://{path}", path).close()


def test_what_a_killed_one_has_left(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    program = (
        "import sys, time, socket, pathlib; from kernelbus.bus.transport.socketfile import SocketFile\n"
        "path = pathlib.Path(sys.argv[1]); kept = SocketFile(f'ipc://{path}', path)\n"
        "one = socket.socket(socket.AF_UNIX); one.bind(str(path)); print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"there\n"
        with pytest.raises(EndpointError, match="is another broker's"):
            SocketFile(f"ipc://{path}", path)
        process.send_signal(signal.SIGKILL)
    assert sorted(os.listdir(tmp_path)) == ["bus", "bus.lock"]
    SocketFile(f"ipc://{path}", path).close()


def test_what_is_no_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    path.write_text("mine")
    with pytest.raises(EndpointError, match="there is a file that is no socket"):
        SocketFile(f"ipc://{path}", path)
    assert os.listdir(tmp_path) == ["bus"] and path.read_text() == "mine"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="No such file or directory"):
        SocketFile(f"ipc://{tmp_path}/none/bus", tmp_path / "none" / "bus")


def test_what_to_do_without_sockets() -> None:
    assert advice(errno.EPERM).startswith(": its file system has no sockets, or is read-only; name another path")
    assert advice(errno.EACCES) == ""


@pytest.mark.asyncio
async def test_a_broker_leaves_the_socket_of_another_alone(tmp_path: Path) -> None:
    """ZeroMQ by itself would remove it, and bind its own."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    first, second = (RouterTransport(context, lambda route, frame: None) for _ in range(2))
    try:
        assert first.bind(f"ipc://{tmp_path}/bus") == f"ipc://{tmp_path}/bus"
        there = os.stat(tmp_path / "bus")
        assert there.st_mode & 0o777 == 0o600
        with pytest.raises(EndpointError, match="is another broker's"):
            second.bind(f"ipc://{tmp_path}/bus")
        assert os.stat(tmp_path / "bus").st_ino == there.st_ino
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(tmp_path / "bus"))
    finally:
        first.close()
        assert os.listdir(tmp_path) == []
        second.bind(f"ipc://{tmp_path}/bus")
        second.close()
        context.destroy(0)

"""The private folders of kernels."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kernelbus.kernelhost.process.scratch import Scratch

ROOT = Path(__file__).parents[4] / "src"
HOST = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from kernelbus.kernelhost.process.scratch import Scratch
print(Scratch(sys.argv[1]).make(None), flush=True)
sys.stdin.read()
"""


def test_each_kernel_has_a_folder_that_is_private_and_removed(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path))
    one, other = Path(scratch.make(None)), Path(scratch.make(None))
    assert one != other
    assert stat.S_IMODE(one.stat().st_mode) == 0o700
    (one / "deep").mkdir()
    (one / "deep" / "file").write_text("x")
    scratch.remove(str(one))
    scratch.remove(str(one))
    assert not one.exists() and other.exists()
    scratch.close()
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_a_cleaner_has_removed_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scratch = Scratch(str(tmp_path))
    (folder,) = tmp_path.iterdir()
    shutil.rmtree(folder)
    assert Path(scratch.make(None)).is_dir()
    assert "was removed by another program" in caplog.text
    shutil.rmtree(tmp_path)
    with pytest.raises(OSError, match=f"its folder cannot be made in {tmp_path}: No such file or directory; TMPDIR can name another"):
        scratch.make(None)
    scratch.close()


def test_cleaners_that_respect_locks_leave_the_folder_alone(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path))
    (folder,) = tmp_path.iterdir()
    descriptor = os.open(folder, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    scratch.close()
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give folders away")
def test_a_folder_belongs_to_the_user_of_its_kernel(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path))
    status = os.stat(scratch.make((65534, 65534)))
    assert (status.st_uid, status.st_gid) == (65534, 65534)
    scratch.close()


def test_what_a_killed_host_has_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    hosts = [subprocess.Popen([sys.executable, "-c", HOST, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        folders = []
        for host in hosts:
            assert host.stdout is not None
            folders.append(Path(host.stdout.readline().decode().strip()))
        hosts[0].send_signal(signal.SIGKILL)
        hosts[0].wait()
        stranger = tmp_path / "kernelbus-kernels-is-no-folder"
        stranger.symlink_to(tmp_path)
        scratch = Scratch(str(tmp_path))
        assert not folders[0].exists() and folders[1].exists() and stranger.is_symlink()
        scratch.close()
    finally:
        for host in hosts:
            host.kill()
            host.communicate()

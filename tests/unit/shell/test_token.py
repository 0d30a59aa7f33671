"""The file of a token, and which token a client gives."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from kernelbus.shell.token import TokenError, TokenFile, check_token, find_token, server_token

TOKEN = "0123456789abcdef"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "kernelbus"


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_it_is_made_once_for_its_owner_alone(state: Path) -> None:
    file = TokenFile()
    with pytest.raises(FileNotFoundError):
        file.read()
    token = file.make()
    assert re.fullmatch(r"[\w-]{32}", token)
    assert file.path == state / "access-token"
    assert (file.path.stat().st_mode & 0o777, state.stat().st_mode & 0o777) == (0o600, 0o700)
    assert file.make() == file.read() == token
    assert file.replace() not in (token, "")
    assert file.read() != token
    assert os.listdir(state) == ["access-token"]


def test_two_servers_make_one(state: Path) -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(TokenFile().make())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8 and len(set(made)) == 1


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o604])
def test_what_others_can_read_or_write_is_not_used(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "t", TOKEN, mode)
    with pytest.raises(TokenError, match=f"others can read or write it \\(mode {mode:04o}\\), so its token is not used: run chmod 600"):
        TokenFile(path).make()


@pytest.mark.parametrize(
    ("text", "told"), [("", "it has 0 characters"), ("a" * 15, "15 characters"), ("a b" * 20, "spaces"), ("é" * 20, "plain")]
)
def test_what_is_no_token(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(TokenError, match=f"this is not a token \\(.*{told}"):
        TokenFile(written(tmp_path / "t", text)).read()


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="not a file with a token"):
        TokenFile(tmp_path).read()
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(TokenError, match="not a file with a token"):
        TokenFile(tmp_path / "pipe").read()  # and does not wait
    with pytest.raises(TokenError, match="cannot be made"):
        TokenFile("/proc/none/token").make()


def test_which_one_is_given(state: Path, tmp_path: Path) -> None:
    own = TokenFile().make()
    assert find_token("127.0.0.1", environment={}) == own
    assert find_token("localhost", environment={}) == own
    assert find_token("192.0.2.7", environment={}) == ""
    assert find_token("192.0.2.7", environment={}, known=TOKEN) == TOKEN
    assert find_token("127.0.0.1", environment={}, known=TOKEN) == TOKEN
    assert find_token("192.0.2.7", environment={"KERNELBUS_TOKEN": f" {own} "}, known=TOKEN) == own
    file = written(tmp_path / "t", TOKEN + "\n")
    assert find_token("192.0.2.7", str(file), {"KERNELBUS_TOKEN": own}) == TOKEN


def test_a_pipe_can_give_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text(TOKEN))
    writer.start()
    assert find_token("192.0.2.7", str(tmp_path / "pipe"), {}) == TOKEN
    writer.join()


def test_what_is_named_must_be_usable(state: Path, tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="no such file"):
        find_token("192.0.2.7", str(tmp_path / "none"), {})
    with pytest.raises(TokenError, match="KERNELBUS_TOKEN is not a token: it has 3 characters"):
        find_token("192.0.2.7", None, {"KERNELBUS_TOKEN": "abc"})
    # The own server's file was not named: an unusable one is as none.
    state.mkdir()
    written(state / "access-token", "short")
    assert find_token("127.0.0.1", environment={}) == ""


def test_a_checked_token() -> None:
    assert check_token(TOKEN) == TOKEN


def test_a_server_makes_it_and_reads_it_at_each_attempt(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = server_token(None)
    assert token() == TokenFile().read() == token()
    assert token() != TokenFile().replace() == token()
    TokenFile().path.unlink()
    assert token() == ""
    assert "the token is gone: make another with kernelbus access new" in caplog.text
    written(state / "access-token", TOKEN, 0o644)
    assert server_token(None)() == ""
    assert "others can read or write it" in caplog.text

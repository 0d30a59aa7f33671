"""How a kernel ended, as its server tells it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernel_player import KERNEL, KernelPlayer

from kernelbus.shell.address import Address
from kernelbus.shell.clients.ending import ending, exit_status, how_it_ended


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("kernel x has ended 0 s ago: exited with status 3", 3),
        ("the kernel has ended (exited with status 0); another takes its place.", 0),
        ("exited with status 1; it said last: Traceback", None),
        ("was ended by SIGKILL", None),
        ("", None),
    ],
)
def test_an_exit_status_is_read_from_the_servers_words(how: str, status: int | None) -> None:
    assert exit_status(how) == status


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("kernel x has ended 0 s ago: exited with status 0", "the kernel has quit, as Quit[] has it"),
        ("kernel x has ended 12 min ago: exited with status 3", "the kernel has quit with status 3, as Exit[3] has it"),
        ("kernel x has ended 0 s ago: exited with status 1; it said last: Error", "the kernel exited with status 1; it said last: Error"),
        ("kernel x has ended 0 s ago: was ended by SIGKILL", "the kernel was ended by SIGKILL"),
        ("kernel x was lost 2 d ago: its host did not come", "the kernel has ended: its host did not come"),
        ("", ""),
    ],
)
def test_an_ending_is_a_clause(how: str, words: str) -> None:
    assert ending(how) == words


def test_a_server_is_asked(play: Callable[..., KernelPlayer]) -> None:
    kernel = play(how="exited with status 3")
    assert how_it_ended(Address.parse(kernel.server), KERNEL) == "the kernel exited with status 3"


def test_a_server_that_gives_another_kernel_gets_it_back(play: Callable[..., KernelPlayer]) -> None:
    kernel = play()
    assert how_it_ended(Address.parse(kernel.server), "gone") == ""
    assert kernel.closed == 1


def test_no_server() -> None:
    assert how_it_ended(Address.parse("1@127.0.0.1"), KERNEL) == ""

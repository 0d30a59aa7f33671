"""Scripted kernels for the clients under test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from kernel_player import KernelPlayer, Play

__all__ = ["play"]


@pytest.fixture
def play() -> Iterator[Callable[..., KernelPlayer]]:
    """Start scripted kernels; they are ended, and their threads joined, after the test."""
    players: list[KernelPlayer] = []

    def start(plays: dict[str, Play] | None = None, **options: object) -> KernelPlayer:
        players.append(KernelPlayer(plays or {}, **options))
        return players[-1]

    yield start
    for player in players:
        player.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("player")] == []

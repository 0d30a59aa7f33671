"""Which version is installed."""

from __future__ import annotations

import importlib.metadata

import pytest

from kernelbus.shell.operations import version


def test_it_is_that_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version.version() == importlib.metadata.version("kernelbus")

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version, "_version", missing)
    assert version.version() == "unknown"

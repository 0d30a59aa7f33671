"""Fixtures of the tests against a WSTP C library: its path, its processes, and links to `wstp`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clinks import KINDS, Drivers, Pair, make_pair

HOW_TO_RUN = "WSTP_LIBRARY=/path/to/libWSTP64i4.so .venv/bin/pytest tests/interop"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a library, skip the first test that needs it and leave the others out.

    So the report has one line about it.
    """
    ours = [item for item in items if HERE in item.path.parents]
    if os.environ.get("WSTP_LIBRARY") or not ours:
        return
    ours[0].add_marker(pytest.mark.skip(f"{len(ours)} tests need a WSTP C library; run {HOW_TO_RUN}"))
    config.hook.pytest_deselected(items=ours[1:])
    left_out = set(ours[1:])
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def library() -> str:
    """Return the path of the C library."""
    path = os.environ["WSTP_LIBRARY"]
    if not Path(path).is_file():
        pytest.fail(f"WSTP_LIBRARY={path}: there is no such file")
    return path


@pytest.fixture(scope="module")
def drivers(library: str) -> Iterator[Drivers]:
    made = Drivers(library)
    try:
        yield made
    finally:
        made.end()


def ended(pair: Pair) -> Iterator[Pair]:
    """Yield a pair, then close its link without a wait for the C end, which stays open."""
    try:
        yield pair
    finally:
        pair.link.close(linger=0.0)


@pytest.fixture(params=list(KINDS))
def any_pair(request: pytest.FixtureRequest, drivers: Drivers) -> Iterator[Pair]:
    """Yield a connected pair, once for each way to connect."""
    yield from ended(make_pair(drivers.get(), request.param))


@pytest.fixture(params=["C connects, UUID mode", "C listens, default mode"])
def pair(request: pytest.FixtureRequest, drivers: Drivers) -> Iterator[Pair]:
    """Yield a connected pair, once in each role and each mode."""
    yield from ended(make_pair(drivers.get(), request.param))


@pytest.fixture
def mortal(drivers: Drivers) -> Iterator[Pair]:
    """Yield a pair whose C process the test may kill."""
    driver = drivers.new()
    yield from ended(make_pair(driver, "C connects, UUID mode"))

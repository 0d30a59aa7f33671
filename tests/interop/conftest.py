"""Fixtures of the tests against WSTP C libraries: their paths, processes, and links to `wstp`.

`WSTP_LIBRARY` names a library, and `WSTP_LIBRARY_OLD` another, say an older one. Each test runs
with each library that is named, as `current` and as `old`. The names of a library's functions begin
with WS or with ML; either will do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clinks import KINDS, Drivers, Pair, make_pair

HOW_TO_RUN = "make interop WSTP_LIBRARY=/path/to/libWSTP64i4.so"
HERE = Path(__file__).parent
VARIABLES = {"current": "WSTP_LIBRARY", "old": "WSTP_LIBRARY_OLD"}
NAMED = {name: variable for name, variable in VARIABLES.items() if os.environ.get(variable)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a library, skip the first test that needs one and leave the others out.

    So the report has one line about it.
    """
    ours = [item for item in items if HERE in item.path.parents]
    if NAMED or not ours:
        return
    ours[0].add_marker(pytest.mark.skip(f"{len(ours)} tests need a WSTP C library; run {HOW_TO_RUN}"))
    config.hook.pytest_deselected(items=ours[1:])
    left_out = set(ours[1:])
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", params=list(NAMED) or ["current"])
def library(request: pytest.FixtureRequest) -> str:
    """Return the path of a C library: of each that is named, in turn."""
    variable = VARIABLES[request.param]
    path = Path(os.environ[variable])
    if not path.is_file():
        pytest.fail(f"{variable}={path}: there is no such file")
    return str(path.resolve())


@pytest.fixture(scope="module")
def drivers(library: str) -> Iterator[Drivers]:
    made = Drivers(library)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(params=list(KINDS))
def any_pair(request: pytest.FixtureRequest, drivers: Drivers) -> Iterator[Pair]:
    """Yield a connected pair, once for each way to connect."""
    with make_pair(drivers.get(), request.param) as pair:
        yield pair


@pytest.fixture(params=["C connects, UUID mode", "C listens, default mode"])
def pair(request: pytest.FixtureRequest, drivers: Drivers) -> Iterator[Pair]:
    """Yield a connected pair, once in each role and each mode."""
    with make_pair(drivers.get(), request.param) as pair:
        yield pair


@pytest.fixture
def mortal(drivers: Drivers) -> Iterator[Pair]:
    """Yield a pair whose C process the test may kill."""
    driver = drivers.new()
    with make_pair(driver, "C connects, UUID mode") as pair:
        yield pair

"""What holds for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator

import pytest

__all__ = ["pytest_runtest_makereport"]

# Hundreds of processes are started here, each of which would otherwise compile the same modules
# once more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what was captured a text that can be sent to another process: some tests log halves of
    surrogate pairs.
    """
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report

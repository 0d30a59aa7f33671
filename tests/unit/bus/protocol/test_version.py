"""Versions of the protocol: their text, and their order."""

from __future__ import annotations

import pytest

from kernelbus.bus.protocol.version import PROTOCOL, Version


def test_a_version_comes_back_from_its_text() -> None:
    assert Version.of(str(PROTOCOL)) == PROTOCOL
    assert Version(1, 9) < Version(1, 10) < Version(2, 0)


@pytest.mark.parametrize("text", ["", "1", "1.", "1.2.3", "-1.0", " 1.0", "1.0\n", "12345.0", None, 1.0])
def test_other_texts_name_none(text: object) -> None:
    assert Version.of(text) is None

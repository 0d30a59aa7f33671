"""The tree of errors: what a caller can catch, and what an error carries."""

from __future__ import annotations

import pytest

from wstp import errors
from wstp.errors import (
    LinkSpecError,
    LinkTimeout,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    WSTPError,
)


@pytest.mark.parametrize("name", errors.__all__)
def test_one_base_catches_all(name: str) -> None:
    assert issubclass(getattr(errors, name), WSTPError)


def test_pythons_own_errors_catch_too() -> None:
    assert issubclass(LinkTimeout, TimeoutError)
    assert issubclass(LinkSpecError, ValueError)


def test_an_error_of_the_peer_names_the_byte() -> None:
    error = RemoteProtocolError("not a count", 12)
    assert (str(error), error.offset) == ("not a count (byte 12)", 12)
    assert str(RemoteProtocolError("not a count")) == "not a count"


def test_whose_fault_it_is_must_be_said() -> None:
    with pytest.raises(TypeError):
        ProtocolError("somebody's")
    assert isinstance(LocalProtocolError("ours"), ProtocolError)

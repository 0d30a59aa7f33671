"""The tree of the bus's errors."""

from __future__ import annotations

import pytest

from kernelbus.bus import errors
from kernelbus.bus.errors import BusError, ChannelError, ChannelUsageError, ChannelViolation, MessageError


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_can_be_caught_as_an_error_of_the_bus(name: str) -> None:
    assert issubclass(getattr(errors, name), BusError)


def test_the_two_sides_of_a_channel_fail_differently() -> None:
    assert issubclass(ChannelViolation, ChannelError) and issubclass(ChannelUsageError, ChannelError)
    assert not issubclass(ChannelViolation, ChannelUsageError) and not issubclass(ChannelUsageError, ChannelViolation)


def test_a_refused_message_knows_what_could_be_read_of_it() -> None:
    assert (MessageError("text").request, MessageError("text").sender) == (None, "")
    error = MessageError("text", 7, "me@here")
    assert (str(error), error.request, error.sender) == ("text", 7, "me@here")

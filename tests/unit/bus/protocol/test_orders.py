"""Orders and their answers."""

from __future__ import annotations

import dataclasses

import pytest

from kernelbus.bus.errors import MessageError
from kernelbus.bus.protocol import orders
from kernelbus.bus.protocol.codec import decode, encode
from kernelbus.bus.protocol.orders import (
    HostOrder,
    KernelOrder,
    Order,
    PoolOrder,
    SessionOrder,
    TraceEvent,
    TraceOrder,
)
from kernelbus.bus.protocol.schema import Message, registered

ORDERS = [cls for name in orders.__all__ if issubclass(cls := getattr(orders, name), Order) and cls is not Order]


@pytest.mark.parametrize("cls", ORDERS)
def test_an_order_begins_with_its_number_and_its_sender(cls: type[Order]) -> None:
    assert [field.name for field in dataclasses.fields(cls)][:2] == ["request", "sender"]
    assert registered(cls.__name__) is cls


def test_what_stands_only_in_others_cannot_be_sent() -> None:
    assert registered(TraceEvent.__name__) is None
    assert registered(Order.__name__) is None


@pytest.mark.parametrize(
    "order",
    [
        KernelOrder(1, "me@here", "k", "evict"),  # type: ignore[arg-type]
        SessionOrder(1, "me@here", "k", "abort"),  # type: ignore[arg-type]
        PoolOrder(1, "me@here", "P", "restart"),  # type: ignore[arg-type]
        HostOrder(1, "me@here", "h", "pause"),  # type: ignore[arg-type]
    ],
    ids=lambda order: type(order).__name__,
)
def test_an_action_of_another_thing_is_refused(order: Message) -> None:
    with pytest.raises(MessageError, match="action: Must be one of") as error:
        decode(encode(order))
    assert (error.value.request, error.value.sender) == (1, "me@here"), "so that the sender can be answered"


def test_a_size_that_is_not_given_stays_as_it_is() -> None:
    assert decode(encode(PoolOrder(1, "me@here", "P", "resize", None, 4))) == PoolOrder(1, "me@here", "P", "resize", None, 4)


def test_a_trace_is_on_unless_it_is_ended() -> None:
    assert TraceOrder(1, "me@here", "k").on

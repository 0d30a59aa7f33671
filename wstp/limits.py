"""Bounds on what a peer can cost. Values only: this module imports nothing of wstp."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one peer can cost; a bound that is passed raises `LimitExceeded`.

    Where only one value is too large, and what follows it can be read, this is a `Misread`:
    `array_nodes` and `integer_digits`.

    No memory is allocated because a peer claims a size. Memory grows only with bytes that have
    arrived, and these are the bytes that the bounds count.

    >>> import wstp
    >>> reader = wstp.ExpressionReader(Limits(token_size=1000))
    >>> reader.feed(b'"2000 D')
    >>> reader.next()
    Traceback (most recent call last):
        ...
    wstp.errors.LimitExceeded: a text of 2000 bytes at byte 0 is over 1000 (token_size)

    Attributes:
        token_size: bytes of one text or packed run (default 2 GiB).
        total_size: bytes of one top-level expression (default 4 GiB).
        nesting_depth: functions inside functions (default 250 000).
        count_digits: digits of a decimal count (default 18, so that every count fits 64 bits).
        symbol_size: bytes of one symbol's text (default 64 KiB).
        array_header: bytes of one array header: its dimensions and heads (default 64 KiB).
        array_nodes: functions that one array with other heads than List may become (default
            4 194 304).
        integer_digits: digits of an integer that came as text (default 1 000 000; to convert more
            takes seconds).
        greeting_size: bytes of the whole greeting (default 64 KiB).
    """

    token_size: int = 1 << 31
    total_size: int = 1 << 32
    nesting_depth: int = 250_000
    count_digits: int = 18
    symbol_size: int = 1 << 16
    array_header: int = 1 << 16
    array_nodes: int = 1 << 22
    integer_digits: int = 1_000_000
    greeting_size: int = 1 << 16


DEFAULT_LIMITS = Limits()

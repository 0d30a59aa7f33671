"""Enquiries: many clients that ask for the broker's status share one answer. No I/O and no clock.

The broker is asked at most ten times a second, however many clients ask how often. An answer may
be so old, but no older than the last change of the asker's own link: who has just been given a
kernel sees it. What a client is sent is kept with the answer, ready for the next who asks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from kernelbus.bus.protocol.reports import Status

__all__ = ["AGE", "Enquiries"]

K = TypeVar("K", bound=Hashable)

#: The age in seconds up to which an answer is given again.
AGE = 0.1
#: So many forms of one answer are kept.
_FORMS = 64


class Enquiries(Generic[K]):
    """Who waits for the status, and the last answer.

    Args:
        age: seconds for which an answer is used again.
    """

    def __init__(self, age: float = AGE) -> None:
        self._age = age
        self._answer: Status | None = None
        self._asked = self._asking = float("-inf")
        self._under_way = False
        self._waiting: list[K] = []
        self._late: list[K] = []
        self._forms: dict[Hashable, bytes] = {}

    def ask(self, key: K, since: float, now: float) -> tuple[Status | None, bool]:
        """Have `key` ask; an answer must be from after `since`.

        Returns:
            The answer, if there is one that is new enough, and whether the broker must be asked.
            If there is none, :meth:`told` names `key` when there is.
        """
        if self._answer is not None and self._asked >= since and now - self._asked <= self._age:
            return self._answer, False
        if self._under_way:
            (self._waiting if self._asking >= since else self._late).append(key)
            return None, False
        self._waiting.append(key)
        self._begin(now)
        return None, True

    def told(self, answer: Status | None, now: float) -> tuple[list[K], bool]:
        """Take the broker's answer; None: it gave none in time.

        Returns:
            Who gets it, and whether the broker must be asked again, for those whose links have
            changed meanwhile.
        """
        self._under_way = False
        self._answer, self._asked = answer, self._asking
        self._forms = {}
        told, self._waiting, self._late = self._waiting, self._late, []
        if self._waiting:
            self._begin(now)
        return told, bool(self._waiting)

    def form(self, answer: Status, kind: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return what `make` makes of `answer`; make it once for each `kind`."""
        if answer is not self._answer:
            return make()
        form = self._forms.get(kind)
        if form is None:
            form = make()
            if len(self._forms) < _FORMS:
                self._forms[kind] = form
        return form

    def _begin(self, now: float) -> None:
        self._under_way, self._asking = True, now

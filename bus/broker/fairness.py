"""Whose request for a kernel comes next: each address has its turn. No I/O and no clock.

Requests of one address are met in the order of :data:`kernelbus.bus.protocol.messages.Demand`, and
of one demand in the order in which they came. Among addresses, the one that has fewest kernels of
the pool comes first, and of two that have as many the one whose turn it is. So a hundred requests
of one address cost another address one place, and not a hundred. Requests that nobody has asked for
(automatic ones) come after all others.

Turns are *shares* (start-time fair queueing): an address that begins to wait stands where the queue
stands, and each kernel that it is given takes it one share further.

A queue is no help where one address has all kernels and lets none go. So of an address that has
more kernels than one that waits, those may be taken back that their clients have not used
(:func:`taken_back`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from kernelbus.bus.broker.sessions import Session
from kernelbus.bus.broker.tables import ChannelEntry
from kernelbus.bus.protocol.messages import rank
from kernelbus.bus.settings.networks import address_of

__all__ = ["Fairness", "order_of_coming", "taken_back"]


class Fairness:
    """The order of the requests that wait for kernels of one pool."""

    def __init__(self) -> None:
        self._reached = 0  # the highest share that was given
        # How many shares each address that waits has had.
        self._had: dict[str, int] = {}

    def waits(self, address: str) -> None:
        """Note that a request of `address` begins to wait."""
        self._had.setdefault(address, self._reached)

    def order(self, requests: Iterable[ChannelEntry], held: Mapping[str, int]) -> list[ChannelEntry]:
        """Return the requests that wait in the order in which they are to be met.

        Args:
            requests: the requests.
            held: how many kernels of the pool each address has, or hosts have been asked for it.
        """
        placed: list[tuple[bool, int, int, tuple[int, int], ChannelEntry]] = []
        before: Counter[str] = Counter()
        for entry in sorted(requests, key=order_of_coming):
            address = entry.address
            before[address] += 1
            kernels = held.get(address, 0) + before[address]
            share = self._had.get(address, self._reached) + before[address]
            key = order_of_coming(entry)
            placed.append((key[0] == _UNASKED, kernels, share, key, entry))
        placed.sort(key=lambda each: each[:4])
        return [each[-1] for each in placed]

    def give(self, entry: ChannelEntry) -> None:
        """Note that a host is asked for what `entry` wants; once for each request."""
        if not entry.charged:
            entry.charged = True
            share = self._had[entry.address] = self._had.get(entry.address, self._reached) + 1
            self._reached = max(self._reached, share)

    def only(self, waiting: Iterable[str]) -> None:
        """Note that no other addresses than these wait any more."""
        self._had = {address: had for address in waiting if (had := self._had.get(address)) is not None}


def taken_back(sessions: Iterable[Session], waiting: Iterable[str], before: float) -> list[Session]:
    """Return whose kernels may be taken back for addresses that wait, one for each at most.

    They are those of the address with the most kernels, if it has at least two more than the one
    that waits: so the two do not take them from each other in turn. Of its kernels the one goes
    that has not been used for longest.

    Args:
        sessions: the kernels of one pool that have a client.
        waiting: the addresses that wait, in their order; each counts once.
        before: when a client must have got its kernel at the latest; by the sessions' clock.
    """
    attached = [(address_of(session.report.client), session) for session in sessions]
    held = Counter(address for address, _ in attached)
    unused: dict[str, list[Session]] = {}
    for address, session in sorted(attached, key=lambda each: each[1].since, reverse=True):
        report = session.report
        if session.since <= before and not report.evaluations and not report.busy and not report.profile:
            unused.setdefault(address, []).append(session)
    taken = []
    for address in dict.fromkeys(waiting):
        greediest = max((name for name in unused if name != address), key=lambda name: held[name], default=None)
        if greediest is not None and held[greediest] >= held[address] + 2:
            taken.append(unused[greediest].pop())
            held[greediest] -= 1
            if not unused[greediest]:
                del unused[greediest]
    return taken


_UNASKED = rank("automatic")


def order_of_coming(entry: ChannelEntry) -> tuple[int, int]:
    """Return the place of a request among those of its address: the strongest demand is first."""
    return 0 if entry.request is None else rank(entry.request.demand), entry.turn

"""The broker's decisions on keys: which machines it admits, while it runs.

This module has no socket and no clock; it only reads the files of keys.

At a handshake the file of allowed machines counts as it is at that moment. For connections that
exist the file is read once a second (:meth:`Admission.look`): a machine whose key is missing at two
looks in a row is revoked. Two, because editors take a file away and put it back. A file that cannot
be used, because of a mistake in it or because of its mode, changes nothing; the fault is logged.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from kernelbus.bus.security.curve import own_name
from kernelbus.bus.security.keys import KeyPair, KeysError, KeyStore
from kernelbus.bus.settings.logs import fields

__all__ = ["LOOK", "Admission", "Refusal"]

_log = logging.getLogger("kernelbus.broker")

#: How many refused keys are remembered, the latest.
_REMEMBERED: Final = 32
#: Seconds between two lines of the log on the same matter, and the most lines in that time.
_QUIET: Final = 60.0
_LINES: Final = 20
#: Seconds between two looks at the file.
LOOK: Final = 1.0


@dataclass(slots=True)
class Refusal:
    """A key that was refused: how often, and the address it came from last."""

    count: int
    address: str


class Admission:
    """The broker's decisions.

    Args:
        store: this machine's keys.
        pair: its own key pair; parts of this machine show the same key, and are admitted.

    Attributes:
        refused: number of handshakes refused since the start: unknown keys, peers without keys, and
            peers that expect another key of this machine.
        ignored: number of messages from machines after they were revoked.
        refusals: the keys refused lately, the latest last.

    Raises:
        KeysError: the file of allowed machines cannot be used.
    """

    def __init__(self, store: KeyStore, pair: KeyPair) -> None:
        self.pair = pair
        self.refused = 0
        self.ignored = 0
        self.refusals: OrderedDict[str, Refusal] = OrderedDict()
        self._store = store
        self._fault = ""
        self._names: dict[str, str] = {pair.public: own_name(), **store.allowed()}
        self._missing: set[str] = set()
        self._said: dict[str, float] = {}
        self._seen: dict[tuple[str, str], float] = {}

    def decide(self, key: str, address: str, now: float) -> bool:
        """Whether the holder of `key`, at `address`, may connect; count and log a refusal."""
        names = self._read()
        name = (self._names if names is None else names).get(key)
        if name is not None:
            self._names[key] = name
            self._missing.discard(key)
            seen, self._seen[key, address] = self._seen.get((key, address), -_QUIET), now
            if now - seen >= _QUIET:
                about = fields(machine=name, key=key, address=address)
                _log.info("machine %s connects from %s with its key", name, address, extra=about)
            return True
        self.refused += 1
        refusal = self.refusals.setdefault(key, Refusal(0, address))
        refusal.count, refusal.address = refusal.count + 1, address
        self.refusals.move_to_end(key)
        if len(self.refusals) > _REMEMBERED:
            self.refusals.popitem(last=False)
        if self._may_say(f"refused {key} {address}", now):
            _log.error(
                "a machine at %s is refused: its key %s is not allowed here; if it is to be: %s",
                address, key, self._store.command(f"allow '{key}' NAME"), extra=fields(key=key, address=address),
            )  # fmt: skip
        return False

    def failed(self, keyless: bool, now: float) -> None:
        """Count and log a handshake in which the peer did not show its key.

        Args:
            keyless: whether the peer has no key; otherwise it expects another key of this machine.
        """
        self.refused += 1
        kind = "that comes without keys" if keyless else f"that expects another key than this machine's, {self.pair.public},"
        if self._may_say(f"failed {keyless}", now):
            _log.error("a connection %s is refused (%d refused so far)", kind, self.refused)

    def name(self, key: str) -> str | None:
        """Return the name of the admitted machine with this key; None if it is not admitted."""
        return self._names.get(key)

    def look(self, now: float) -> bool:
        """Read who is still allowed; call this every :data:`LOOK` seconds.

        Returns:
            Whether a machine is revoked.
        """
        self._seen = {who: at for who, at in self._seen.items() if now - at < _QUIET}
        self._said = {what: at for what, at in self._said.items() if now - at < _QUIET}
        names = self._read()
        if names is None:
            return False
        missing = self._names.keys() - names.keys()
        revoked = missing & self._missing
        for key in revoked:
            name = self._names[key]
            _log.error("machine %s is no longer allowed: it is cut off", name, extra=fields(machine=name, key=key))
        self._missing = missing - revoked
        self._names = names | {key: self._names[key] for key in self._missing}
        return bool(revoked)

    def ignore(self, key: str, now: float) -> None:
        """Count and log a message from a machine that is no longer admitted."""
        self.ignored += 1
        if self._may_say(f"ignored {key}", now):
            text = "what comes from the machine with the key %s is ignored, since it is no longer allowed"
            _log.warning(text, key, extra=fields(key=key))

    def _read(self) -> dict[str, str] | None:
        try:
            names = self._store.allowed()
        except KeysError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                _log.error("%s; until then, the machines that were allowed before stay allowed", error)
            return None
        self._fault = ""
        return {self.pair.public: own_name(), **names}

    def _may_say(self, what: str, now: float) -> bool:
        if now - self._said.get(what, -_QUIET) < _QUIET:
            return False
        if what not in self._said and len(self._said) >= _LINES:
            return False  # so that a peer that tries many keys cannot fill the disk
        self._said[what] = now
        return True

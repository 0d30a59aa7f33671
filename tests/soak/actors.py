"""What all actors of a soak have: a name, chance of their own, and an end that is noticed."""

from __future__ import annotations

import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from record import BROKEN, STUCK, Record
from sites import Site

__all__ = ["Actor", "perform"]

#: How long an actor may take to come to its end, in seconds.
_PATIENCE = 240.0


class Actor:
    """Who does one thing after another until a time is over.

    Chance is the actor's own, made of the seed and its name: what it does does not depend on what
    others draw.
    """

    def __init__(self, name: str, site: Site, record: Record) -> None:
        self.name = name
        self.site = site
        self.record = record
        self.random = random.Random(f"{record.seed} {name}")
        self.until = 0.0

    @property
    def now(self) -> float:
        """Seconds since the soak began."""
        return self.site.now

    @property
    def over(self) -> bool:
        """Whether it is time to come to an end."""
        return self.now > self.until

    def pause(self, least: float, most: float) -> None:
        """Do nothing for a while, but not beyond the end."""
        time.sleep(max(0.0, min(self.random.uniform(least, most), self.until - self.now)))

    def act(self) -> None:
        """Do the next thing."""
        raise NotImplementedError

    def finish(self) -> None:
        """Leave in order, when the time is over."""

    def fault(self, kind: str, text: str) -> None:
        """Note something that must not happen."""
        self.record.fault(self.now, kind, self.name, text)

    def run(self, until: float) -> None:
        """Act until then, in seconds since the soak began."""
        self.until = until
        while not self.over:
            self.attempt(self.act)
        self.attempt(self.finish)

    def attempt(self, what: Callable[[], None]) -> None:
        """Do something; what is raised is a fault, and others go on."""
        try:
            what()
        except Exception:
            self.fault(BROKEN, traceback.format_exc(limit=-8))
            self.pause(1, 1)


def perform(actors: Sequence[Actor], until: float) -> None:
    """Have all of them act side by side until then; note who does not come to an end."""
    threads = {threading.Thread(target=actor.run, args=(until,), name=actor.name, daemon=True): actor for actor in actors}
    for thread in threads:
        thread.start()
    for thread, actor in threads.items():
        thread.join(max(0.1, until + _PATIENCE - actor.now))
        if thread.is_alive():
            frame = sys._current_frames().get(thread.ident or 0)
            actor.fault(STUCK, "it does not come to its end:\n" + "".join(traceback.format_stack(frame, limit=12)))

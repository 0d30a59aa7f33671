"""What `%kernel` says, and the lines that it prints. Sans-IO.

:data:`ORDERS` is the list of what can be said; :func:`read_order` reads one, and
:func:`described` makes the lines that say which session a notebook has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kernelbus.shell.jupyter.magics import MagicError

__all__ = ["HELP", "ORDERS", "Facts", "Order", "described", "read_order"]

#: What can be said after `%kernel`: the word, what it wants ("" nothing), and what it does.
ORDERS: Final[dict[str, tuple[str, str]]] = {
    "": ("", "which session this notebook has"),
    "fresh": ("", "end the session, and get a fresh kernel of the same pool"),
    "close": ("", "end the session; the next cell gets a fresh kernel"),
    "attach": ("[ID]", "leave the session, and go to the one of this id; without ID, to the notebook's own"),
    "pool": ("NAME", "a fresh kernel of this pool; the session ends, unless its kernel is of the pool already"),
    "name": ("NAME", "leave the session, and go to the one of this name; it is made if there is none"),
    "help": ("", "this list"),
}

#: The list, for people.
HELP: Final = "\n".join(f"{' '.join(('%kernel', word, wants)).strip():20} {does}" for word, (wants, does) in ORDERS.items())


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done.

    Attributes:
        word: one of :data:`ORDERS`.
        argument: what follows it; "": nothing.
    """

    word: str
    argument: str = ""


def read_order(words: str) -> Order:
    """Read what follows `%kernel`.

    Raises:
        MagicError: it is none of :data:`ORDERS`.
    """
    word, _, argument = words.strip().partition(" ")
    argument = argument.strip()
    if word not in ORDERS:
        known = ", ".join(filter(None, ORDERS))
        raise MagicError(f"%kernel does not know {word!r}: there are {known}, and nothing, for which session this is")
    wants = ORDERS[word][0]
    if argument and not wants:
        raise MagicError(f"%kernel {word} takes nothing more, and not {argument!r}")
    if wants and not argument and not wants.startswith("["):
        raise MagicError(f"%kernel {word} needs {wants}: {ORDERS[word][1]}")
    return Order(word, argument)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a session.

    Attributes:
        kernel: its id.
        server, pool: where it is.
        name: what the server calls it; "": it has no name.
        notebook: the path of the notebook that has it; "": none.
        since: when it was begun, for people; "": not known.
        age, idle: seconds since it was begun, and since its last evaluation; None: not known.
        evaluations: how many it has had; None: not known.
        kept: for how long it is kept without a client; "": it ends with its client.
    """

    kernel: str
    server: str
    pool: str
    name: str = ""
    notebook: str = ""
    since: str = ""
    idle: float | None = None
    evaluations: int | None = None
    kept: str = ""


def described(facts: Facts, duration: str) -> list[str]:
    """Return the lines that say which session a notebook has.

    `duration`: how long it has been idle, for people.
    """
    lines = [
        ("kernel", facts.kernel),
        ("server", facts.server),
        ("pool", facts.pool),
        ("since", facts.since),
        ("evaluations", "" if facts.evaluations is None else str(facts.evaluations)),
        ("idle", duration),
        ("name", facts.name or "none"),
        ("notebook", facts.notebook),
        ("kept", facts.kept or "no: it ends when this kernel does, or with %kernel close"),
    ]
    return [f"{name:11} {value}" for name, value in lines if value]

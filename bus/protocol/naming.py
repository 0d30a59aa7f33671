"""Find the kernel, host or pool that a typed name or the beginning of an id means.

Rules of this module: no I/O.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from kernelbus.bus.errors import BusError
from kernelbus.bus.settings.schema import offer

__all__ = ["NotFound", "find_id", "find_named", "find_pool"]

#: Characters of an id that must be typed at least.
SHORTEST = 3


class NotFound(BusError):
    """Nothing, or more than one thing, has this name; the text offers the nearest one.

    Attributes:
        code: `unknown` or `ambiguous`, with the kind of thing: unknown-kernel.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def find_id(text: str, known: Iterable[str], what: str) -> str:
    """Return the one of the `known` ids that is `text` or begins with it.

    Args:
        what: what the ids are of (kernel, session), for the error's text and code.

    Raises:
        NotFound: none does, or several do.
    """
    known = list(known)
    if text in known:
        return text
    found = [identity for identity in known if identity.startswith(text)] if len(text) >= SHORTEST else []
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"ambiguous-{what}", f"{len(found)} {what}s begin with {text}: {_some(found)}; write more of it")
    if 0 < len(text) < SHORTEST:
        raise NotFound(f"unknown-{what}", f"{text} is too short for the id of a {what}: write at least {SHORTEST} characters of it")
    near = difflib.get_close_matches(text, [identity[: max(8, len(text))] for identity in known], 1)
    offered = f"did you mean {near[0]}?" if near else f"there are {len(known)} {what}s" if known else f"there are no {what}s"
    raise NotFound(f"unknown-{what}", f"there is no {what} {text or '(nothing was named)'}: {offered}")


def find_named(text: str, known: Mapping[str, str], what: str) -> str:
    """Return the id of the one of `known` that is named `text`, or whose id is or begins with it.

    Args:
        known: names by id.
        what: what they are (host), for the error's text and code.

    Raises:
        NotFound: none is, or several are.
    """
    found = [identity for identity, name in known.items() if name == text]
    found = found or [identity for identity in known if len(text) >= SHORTEST and identity.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"ambiguous-{what}", f"{len(found)} {what}s are called {text}: name one by its id: {_some(found)}")
    names = dict.fromkeys(known.values())
    offered = offer(text, names, f"{what}s") if names else f"there are no {what}s"
    raise NotFound(f"unknown-{what}", f"there is no {what} {text or '(nothing was named)'}: {offered}")


def find_pool(text: str, known: Iterable[str]) -> str:
    """Return `text` if it is one of the `known` pools.

    Raises:
        NotFound: it is not.
    """
    known = list(known)
    if text in known:
        return text
    offered = offer(text, known, "pools") if known else "there are no pools, since there is no host"
    raise NotFound("unknown-pool", f"there is no pool {text or '(nothing was named)'}: {offered}")


def _some(found: list[str]) -> str:
    shown = ", ".join(identity[:8] for identity in found[:5])
    return shown + (", ..." if len(found) > 5 else "")

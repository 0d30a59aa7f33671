"""Read the embedded kernel's command line: a Wolfram kernel's options, as far as they apply here.

``-linkmode``, ``-linkprotocol``, ``-linkname``, ``-linkoptions``, ``-linkhost``
    The link, as in PROTOCOL.md section 1; ``-linkoptions 4`` asks for UUID mode.
``-linkdescriptors DATA,MESSAGE``
    The link, as two connected sockets that this process has inherited. Wolfram kernels have no such
    option.
``-wstp``, ``-mathlink``
    Talk WSTP. This kernel does nothing else.
``-run CODE``
    Evaluate CODE before the first prompt. May be repeated.
``-initfile FILE``
    Evaluate FILE with Get before that. May be repeated.
``-noinit``
    Do not evaluate the ``-initfile`` files.
``-noprompt``
    Send neither InputNamePacket nor OutputNamePacket.
``-memory BYTES``
    The resident size at which the host ends the process; 0 for no limit. Wolfram kernels have no
    such option.
``-parallel PORT@HOST``
    Where the server of this kernel listens, for kernels for parallel work. Wolfram kernels have no
    such option.
``-title TEXT``
    What the process calls itself in ``ps``. Wolfram kernels have no such option.
``-pwfile``, ``-password``, ``-lang``, ``-format``, ``-encoding``, each with a value
    Accepted and ignored: there is no licence here.
``-subkernel``
    Accepted: a kernel for parallel computations is like any other here.

Unknown options are skipped and returned, so that the log can name them. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Options", "OptionsError", "parse_options"]

_LINK = frozenset({"linkmode", "linkprotocol", "linkname", "linkoptions", "linkhost"})
_FLAGS = frozenset({"wstp", "mathlink", "noinit", "noprompt", "subkernel"})
_VALUES = frozenset({"run", "initfile", "parallel", "title"})
#: Ignored options that take a value. The value must not be read as an option.
_IGNORED = frozenset({"pwfile", "password", "lang", "format", "encoding"})


class OptionsError(ValueError):
    """Say that an option lacks its value, or that the value is not valid."""


@dataclass(frozen=True, slots=True)
class Options:
    """Hold a command line.

    Attributes:
        link: the words that describe the link.
        descriptors: the descriptors of the link's data and message connection; None: it has to be
            opened.
        run: the code of each ``-run``, in order.
        initfiles: the ``-initfile`` files, in order; empty with ``-noinit``.
        prompts: whether prompts are sent.
        subkernel: whether ``-subkernel`` was given.
        memory: the host's memory limit, bytes; 0 for none.
        parallel: where the server of this kernel listens; "" if it has none.
        title: what the process calls itself; "" for its command line.
        unknown: the words that were skipped.
    """

    link: tuple[str, ...] = ()
    descriptors: tuple[int, int] | None = None
    run: tuple[str, ...] = ()
    initfiles: tuple[str, ...] = ()
    prompts: bool = True
    subkernel: bool = False
    memory: int = 0
    parallel: str = ""
    title: str = ""
    unknown: tuple[str, ...] = ()


def parse_options(argv: Sequence[str]) -> Options:
    """Read the arguments after the program's name.

    Raises:
        OptionsError: an option that needs a value is the last word, or its value is not valid.
    """
    link: list[str] = []
    values: dict[str, list[str]] = {name: [] for name in _VALUES}
    flags: set[str] = set()
    unknown: list[str] = []
    memory = 0
    descriptors: tuple[int, int] | None = None
    words = iter(argv)
    for word in words:
        name = word.lower().lstrip("-") if word.startswith("-") else ""
        if name in _FLAGS:
            flags.add(name)
        elif name in _LINK or name in _VALUES or name in _IGNORED or name in ("memory", "linkdescriptors"):
            value = next(words, None)
            if value is None:
                raise OptionsError(f"nothing after {word}")
            if name in _LINK:
                link += [word, value]
            elif name == "memory":
                if not value.isdecimal():
                    raise OptionsError(f"{word} {value} is not a number of bytes")
                memory = int(value)
            elif name == "linkdescriptors":
                found = re.fullmatch(r"(\d{1,9}),(\d{1,9})", value, re.ASCII)
                if found is None:
                    raise OptionsError(f"{word} {value} is not two descriptors")
                descriptors = int(found[1]), int(found[2])
            elif name in _VALUES:
                values[name].append(value)
        else:
            unknown.append(word)
    return Options(
        link=tuple(link),
        descriptors=descriptors,
        run=tuple(values["run"]),
        initfiles=() if "noinit" in flags else tuple(values["initfile"]),
        prompts="noprompt" not in flags,
        subkernel="subkernel" in flags,
        memory=memory,
        parallel=values["parallel"][-1] if values["parallel"] else "",
        title=values["title"][-1] if values["title"] else "",
        unknown=tuple(unknown),
    )

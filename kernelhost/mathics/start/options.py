"""Read the embedded kernel's command line: a Wolfram kernel's options, as far as they mean
something here.

=================== ================================================================================
option              meaning
=================== ================================================================================
-linkmode ... etc.  the link, as PROTOCOL.md section 1 says; ``-linkoptions 4`` asks for UUID mode
-wstp, -mathlink    talk WSTP; this kernel does nothing else
-run CODE           evaluate CODE before the first prompt; may be given several times
-initfile FILE      evaluate FILE with Get before that
-noinit             do not evaluate the ``-initfile`` files
-noprompt           send neither InputNamePacket nor OutputNamePacket
-memory BYTES       our own: what the process may have resident before its host ends it; 0 for no limit
-pwfile FILE etc.   accepted: there is no licence here; so are -password, -lang, -format, -encoding
-subkernel          accepted: a kernel for parallel computations is like any other here
=================== ================================================================================

An option that is not known is passed over, and named in the log. No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Options", "OptionsError", "parse_options"]

_LINK = frozenset({"linkmode", "linkprotocol", "linkname", "linkoptions", "linkhost"})
_FLAGS = frozenset({"wstp", "mathlink", "noinit", "noprompt", "subkernel"})
_VALUES = frozenset({"run", "initfile"})
#: Options of other kernels that take a value, which must not be taken for an option of its own.
_IGNORED = frozenset({"pwfile", "password", "lang", "format", "encoding"})


class OptionsError(ValueError):
    """Say that an option lacks its value."""


@dataclass(frozen=True, slots=True)
class Options:
    """Hold a command line: ``link`` is the part that describes the link, ``unknown`` what was
    passed over.
    """

    link: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    initfiles: tuple[str, ...] = ()
    prompts: bool = True
    subkernel: bool = False
    memory: int = 0
    unknown: tuple[str, ...] = ()


def parse_options(argv: Sequence[str]) -> Options:
    """Read the arguments after the program's name.

    Raises:
        OptionsError: an option that needs a value is the last word, or its value is not one.
    """
    link: list[str] = []
    values: dict[str, list[str]] = {name: [] for name in _VALUES}
    flags: set[str] = set()
    unknown: list[str] = []
    memory = 0
    words = iter(argv)
    for word in words:
        name = word.lower().lstrip("-") if word.startswith("-") else ""
        if name in _FLAGS:
            flags.add(name)
        elif name in _LINK or name in _VALUES or name in _IGNORED or name == "memory":
            value = next(words, None)
            if value is None:
                raise OptionsError(f"nothing after {word}")
            if name in _LINK:
                link += [word, value]
            elif name == "memory":
                if not value.isdecimal():
                    raise OptionsError(f"{word} {value} is not a number of bytes")
                memory = int(value)
            elif name in _VALUES:
                values[name].append(value)
        else:
            unknown.append(word)
    return Options(
        link=tuple(link),
        run=tuple(values["run"]),
        initfiles=() if "noinit" in flags else tuple(values["initfile"]),
        prompts="noprompt" not in flags,
        subkernel="subkernel" in flags,
        memory=memory,
        unknown=tuple(unknown),
    )

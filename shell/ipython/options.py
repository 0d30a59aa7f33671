"""The options of %wl and %%wl, which stand before the code. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["USAGE", "OptionError", "Options", "read"]

USAGE = """\
Evaluate code on a kernel of a server, in Python's IPython and notebooks.

  %wl [options] code        returns the value, as for  y = %wl Prime[5]
  %%wl [options]            evaluates the cell, one expression after the other, and shows each value

  -i x,y    give the kernel the variables x and y of Python first; -i a=x gives it x as a
  -o x,y    afterwards get x and y of the kernel as variables of Python; -o a=x gets x as a
  -q        do not show the values
  --timeout SECONDS    abort each evaluation that takes longer
  --server ADDRESS     from now on, use a kernel of this server; also --profile NAME, --kernel-id ID
  --close              end the session; the next evaluation begins another

Without --server the kernel is the one of kernelbus.evaluate. Ctrl-C, or the notebook's interrupt,
aborts the evaluation."""

_OPTION = re.compile(r"\s*(-i|-o|-q|--timeout|--server|--profile|--kernel-id|--close|--help)(?:=|\s+|\Z)")
_WORD = re.compile(r"\S+")
_PAIR = re.compile(r"(?:(?P<left>[^\W\d][\w$`]*)=)?(?P<right>[^\W\d][\w$`]*)")
_ALONE = ("-q", "--close", "--help")


class OptionError(ValueError):
    """An option is wrong; the text says which and why, in one line."""


@dataclass(slots=True)
class Options:
    """What was asked for.

    Attributes:
        given: the names that the kernel gets, each with the Python variable.
        got: the Python variables that are made, each with the kernel's name.
        quiet: whether values are not shown.
        timeout: seconds; None: no limit.
        server, profile, kernel_id: the kernel to use from now on; None each: as before.
        close: whether to end the session.
        help: whether to show the usage.
        code: what follows the options.
    """

    given: list[tuple[str, str]] = field(default_factory=list)
    got: list[tuple[str, str]] = field(default_factory=list)
    quiet: bool = False
    timeout: float | None = None
    server: str | None = None
    profile: str | None = None
    kernel_id: str | None = None
    close: bool = False
    help: bool = False
    code: str = ""

    @property
    def attaches(self) -> bool:
        """Whether another kernel is asked for."""
        return (self.server, self.profile, self.kernel_id) != (None, None, None)


def read(line: str) -> Options:
    """Read the options at the beginning of a line; what is no option is code, as -x is.

    Raises:
        OptionError: an option lacks its value, or has a wrong one.
    """
    options, position = Options(), 0
    while (found := _OPTION.match(line, position)) is not None:
        name, position = found[1], found.end()
        if name in _ALONE:
            setattr(options, {"-q": "quiet"}.get(name, name.strip("-")), True)
            continue
        word = _WORD.match(line, position)
        if word is None:
            raise OptionError(f"{name} lacks its value")
        position = word.end()
        value = word[0].strip("'\"")
        if name in ("-i", "-o"):
            (options.given if name == "-i" else options.got).extend(_pairs(name, value))
        elif name == "--timeout":
            options.timeout = _seconds(value)
        else:
            setattr(options, name.strip("-").replace("-", "_"), value)
    options.code = line[position:].strip()
    return options


def _pairs(name: str, value: str) -> list[tuple[str, str]]:
    pairs = []
    for word in value.split(","):
        found = _PAIR.fullmatch(word)
        if found is None:
            raise OptionError(f"{name} {value}: {word!r} is no name")
        pair = found["left"] or found["right"], found["right"]
        wolfram, python = pair if name == "-i" else pair[::-1]
        if "_" in wolfram:
            other = f"-i {wolfram.replace('_', '')}={python}" if name == "-i" else f"-o {python}={wolfram.replace('_', '')}"
            raise OptionError(f"{name} {value}: {wolfram!r} has an _, which no name of the Wolfram Language has: write {other}")
        if not python.isidentifier():
            raise OptionError(f"{name} {value}: {python!r} is no name of Python")
        pairs.append(pair)
    return pairs


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise OptionError(f"--timeout {value}: a number of seconds above 0 is wanted")
    return seconds

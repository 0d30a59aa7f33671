"""What a kernel and its engine send each other, and what the engine's output means. No I/O.

A question is one line and the text (:func:`question`)::

    NONCE KIND SEED LENGTH\\n
    LENGTH bytes of UTF-8

KIND is ``value`` or ``picture``. SEED is a number for the engine's random numbers, or ``-``.
NONCE is made of letters and digits, and is another one for each question.

The engine writes what it prints, and its messages, as they come. Then follows the answer::

    \\x04NONCE STATUS LENGTH LENGTH\\n
    bytes of UTF-8: the value, then the picture

STATUS is ``done``; ``wrong`` if the engine cannot evaluate the text, and says why instead of a
value; or ``broken`` if it has failed and ends. Nobody can print the nonce of a question: the engine
does not tell it to the code that it evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["MOST", "Answer", "AnswerReader", "Message", "Printed", "TalkError", "events", "question"]

#: The most bytes of one answer, with what is printed before it.
MOST: Final = 16 << 20
_MARK: Final = b"\x04"
#: A line of a message: where it begins, its name, its text.
_NAMED: Final = re.compile(r"([A-Za-z$][\w$`]*)::([A-Za-z]\w*): (.*)")
#: How many lines of two-dimensional text may stand before the line that names the message.
_ABOVE: Final = 3


class TalkError(Exception):
    """Say that the engine does not keep to the protocol, or says too much."""


@dataclass(frozen=True, slots=True)
class Printed:
    """Hold printed text, with its line ends."""

    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """Hold a message: the symbol and the tag of its name, and its text without the name."""

    symbol: str
    tag: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold the answer to one question.

    Attributes:
        text: the value as the engine writes it; for a question of kind ``value`` that is whatever
            text the expression gives, without quotes.
        events: what was printed, and the messages, in order.
        svg: the picture, "" if there is none or none was asked for.
        wrong: why the engine could not evaluate the text, "" if it could.
        broken: whether the engine has failed, and ends.
    """

    text: str
    events: tuple[Message | Printed, ...] = ()
    svg: str = ""
    wrong: str = ""
    broken: bool = False

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages, in order."""
        return tuple(event for event in self.events if isinstance(event, Message))

    @property
    def prints(self) -> tuple[str, ...]:
        """The printed texts, in order."""
        return tuple(event.text for event in self.events if isinstance(event, Printed))


def question(text: str, nonce: str, *, picture: bool = False, seed: int | None = None) -> bytes:
    """Return the bytes of a question.

    Args:
        text: one or more expressions of the language, a line for each; the last gives the value.
        nonce: letters and digits, not used before.
        picture: whether the picture of the value is wanted.
        seed: what random numbers follow; None: they follow nothing.
    """
    data = text.encode(errors="replace")
    return f"{nonce} {'picture' if picture else 'value'} {'-' if seed is None else seed} {len(data)}\n".encode() + data


class AnswerReader:
    """Collect the bytes of one answer."""

    def __init__(self, nonce: str) -> None:
        self._mark = _MARK + nonce.encode() + b" "
        self._data = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Answer | None:
        """Take the next bytes; return the answer once it is whole.

        Raises:
            TalkError: this is no answer, or it is longer than :data:`MOST`.
        """
        self._data += data
        at = self._data.find(self._mark, self._searched)
        if at >= 0:
            self._searched = at
            return self._finish(at)
        if len(self._data) > MOST:
            raise TalkError(f"it said more than {MOST >> 20} MiB")
        self._searched = max(len(self._data) - len(self._mark) + 1, 0)
        return None

    def _finish(self, at: int) -> Answer | None:
        end = self._data.find(b"\n", at)
        if end < 0:
            return None
        try:
            status, *lengths = bytes(self._data[at + len(self._mark) : end]).decode().split(" ")
            first, second = map(int, lengths)
        except ValueError:
            raise TalkError("it does not keep to the protocol") from None
        begin = end + 1
        if begin + first + second > MOST:
            raise TalkError(f"its answer is longer than {MOST >> 20} MiB")
        if len(self._data) < begin + first + second:
            return None
        text = self._data[begin : begin + first].decode(errors="replace")
        svg = self._data[begin + first : begin + first + second].decode(errors="replace")
        # The engine ends the last line, whether it was ended already or not.
        said = tuple(events(self._data[:at].removesuffix(b"\n").decode(errors="replace")))
        if status == "done":
            return Answer(text, said, svg)
        return Answer("", said, "", text, status == "broken")


def events(output: str) -> Iterator[Message | Printed]:
    """Read messages and prints out of what the engine wrote.

    A message is an empty line, then its text after its name. Fractions and powers in it take lines
    above and below; they are written on one line here.
    """
    lines = output.split("\n")
    rest = lines.pop()
    printed: list[str] = []
    at = 0
    while at < len(lines):
        found = _message(lines, at)
        if found is None:
            printed.append(f"{lines[at]}\n")
            at += 1
            continue
        if printed:
            yield Printed("".join(printed))
            printed = []
        message, at = found
        yield message
    if rest:
        printed.append(rest)
    if printed:
        yield Printed("".join(printed))


def _message(lines: list[str], at: int) -> tuple[Message, int] | None:
    """Return the message that begins at a line, and the number of the line after it."""
    if lines[at]:
        return None
    for base in range(at + 1, min(at + 2 + _ABOVE, len(lines))):
        named = _NAMED.fullmatch(lines[base])
        if named is not None:
            break
        if not lines[base].startswith(" "):
            return None
    else:
        return None
    end = base + 1
    indent = named.start(3)
    while end < len(lines) and end - base <= _ABOVE and lines[end].startswith(" " * indent) and lines[end].strip():
        end += 1
    above, below = ([line[indent:] for line in lines[a:b]] for a, b in ((at + 1, base), (base + 1, end)))
    return Message(named[1], named[2], _on_one_line(above, named[3], below)), end


def _on_one_line(above: list[str], base: str, below: list[str]) -> str:
    """Return text with fractions and powers, which takes several lines, on one line."""
    if not above and not below:
        return base
    if len(above) > 1 or len(below) > 1:
        return "\n".join([*above, base, *below])
    over, under = (above or [""])[0], (below or [""])[0]
    pieces: list[str] = []
    at = 0
    # A fraction is a run of hyphens with something above and below it.
    for run in re.finditer(r"(?<!\S)-+(?!\S)", base):
        top, bottom = over[run.start() : run.end()].strip(), under[run.start() : run.end()].strip()
        if top and bottom:
            pieces += [_raised(base, over, at, run.start()), f"{_grouped(top)}/{_grouped(bottom)}"]
            at = run.end()
    pieces.append(_raised(base, over, at, max(len(base), len(over))))
    return "".join(pieces)


def _raised(base: str, over: str, start: int, end: int) -> str:
    """Return a part of a line with the powers that stand above it."""
    text = base[start:end].ljust(end - start)
    for power in reversed(list(re.finditer(r"\S+", over[start:end]))):
        left, right = text[: power.start()].rstrip(), text[power.end() :]
        text = f"{left}^{_grouped(power[0])}{right}"
    return text.rstrip() if end >= len(base) else text


def _grouped(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+", text) else f"({text})"

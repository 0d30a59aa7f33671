"""Read the blocks of a page, and compare what they print with what the page shows. No I/O.

A page is Markdown. These fenced blocks are run, in the page's order:

* ``console``: a line ``$ command`` is typed at a shell; ``> `` lines after it continue the command.
  The lines up to the next command are what it prints, and what is typed into it: a line that begins
  with the prompt of the running program is typed from there on. ``^C`` and ``^D`` alone on a line
  are keys. ``...`` alone on a line stands for any lines.
* ``python``: the blocks of a page run in one process, one after the other.
* ``pycon``: doctests, in the same process.

A comment on a line of its own before a block says more about it:

* ``<!-- not run: REASON -->``: the block is only shown.
* ``<!-- terminal: NAME -->``: the block runs in another terminal. Its last command may go on
  running.
* ``<!-- file: NAME -->``: the block is the text of a file in the working directory. It is written,
  not run.
* ``<!-- prints -->``: the block is what the ``python`` block before it prints.

A line of a page is compared as a pattern: numbers, times, sizes, ids, tokens and keys stand for
others of their kind, runs of spaces for any, and blank lines do not count. Numbers that a kernel
has computed are compared as they are: those in the output of ``kernelbus eval``, and in
``Out[1]=`` lines.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = [
    "KEYS",
    "Block",
    "Command",
    "Fault",
    "Ids",
    "Line",
    "align",
    "commands",
    "difference",
    "parse",
    "typed_after",
]

#: Lines that are keys to press, and the character that each of them sends.
KEYS = {"^C": "\x03", "^D": "\x04"}

_ANY = "..."

_FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
_COMMENT = re.compile(r"\s*<!--\s*(?P<text>.*?)\s*-->\s*$")
_DIRECTIVES = ("not run", "terminal", "file", "prints")
_RUN = ("console", "python", "pycon")
_COMMAND = "$ "


class Fault(Exception):
    """A mistake in a page, or a difference between what it shows and what happens.

    Attributes:
        line: the line of the page.
        text: what is wrong, with a difference on the lines after the first.
    """

    def __init__(self, line: int, text: str) -> None:
        super().__init__(line, text)
        self.line = line
        self.text = text


class Line(NamedTuple):
    """A line that a page shows.

    Attributes:
        number: its line of the page.
        text: what it shows.
        exact: whether its numbers are compared as they are.
    """

    number: int
    text: str
    exact: bool = False


class Command(NamedTuple):
    """A command of a console block, and the lines that the page shows after it.

    Attributes:
        number: the line of the page where the command begins.
        lines: what is typed at the shell, line by line.
        shown: what the page shows after it.
    """

    number: int
    lines: tuple[str, ...]
    shown: tuple[Line, ...]

    @property
    def text(self) -> str:
        """The whole command."""
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Block:
    """A fenced block that something is done with.

    Attributes:
        line: the line of the page on which its text begins.
        language: ``console``, ``python``, ``pycon``; ``file``: written to `name`; ``prints``: what
            a python block printed.
        text: its lines, without the indentation of the fence.
        name: the terminal ("" for the page's own) or the file.
    """

    line: int
    language: str
    text: tuple[str, ...]
    name: str = ""


# ---- pages ---------------------------------------------------------------------------------------


def parse(page: str) -> list[Block]:
    """Give the blocks of a page that something is done with, in order.

    Raises:
        ExceptionGroup: of a :class:`Fault` for each mistake in the page.
    """
    reader = _Reader()
    for number, line in enumerate(page.splitlines(), 1):
        reader.read(number, line)
    reader.end()
    if reader.faults:
        raise ExceptionGroup("mistakes in the page", reader.faults)
    return reader.blocks


class _Reader:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.faults: list[Fault] = []
        self._comments: list[tuple[int, str]] = []
        self._fence: re.Match[str] | None = None
        self._line = 0
        self._text: list[str] = []
        self._comment_open = False
        self._terminals: set[str] = set()

    def read(self, number: int, line: str) -> None:
        if self._fence is not None:
            self._read_inside(line)
        elif self._comment_open:
            self._comment_open = "-->" not in line
        elif fence := _FENCE.match(line):
            self._fence, self._line, self._text = fence, number + 1, []
        elif comment := _COMMENT.match(line):
            self._comments.append((number, comment["text"]))
        elif line.strip():
            self._forget()
            self._comment_open = "<!--" in line and "-->" not in line.rpartition("<!--")[2]

    def end(self) -> None:
        if self._fence is not None:
            self._fault(self._line - 1, "this block is not closed")
        self._forget()

    def _fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(line, text))

    def _forget(self) -> None:
        """Leave comments that no block follows; they are mistakes where they look like ours."""
        for number, text in self._comments:
            if text.partition(":")[0] in _DIRECTIVES:
                self._fault(number, f"no block follows <!-- {text} -->")
        self._comments.clear()

    def _read_inside(self, line: str) -> None:
        assert self._fence is not None
        fence = self._fence["fence"]
        bare = line.strip()
        if bare.startswith(fence) and set(bare) == {fence[0]}:
            self._close()
            self._fence = None
            self._comments.clear()
        else:
            indent = self._fence["indent"]
            self._text.append(line[len(indent) :] if line.startswith(indent) else line.lstrip())

    def _close(self) -> None:
        assert self._fence is not None
        said = self._directives()
        language = (self._fence["info"].split() or [""])[0]
        text = tuple(self._text)
        if said is None or "not run" in said:
            return
        if "file" in said:
            self.blocks.append(Block(self._line, "file", text, said["file"]))
        elif "prints" in said:
            if not self.blocks or self.blocks[-1].language != "python":
                self._fault(self._line - 1, "no python block that is run stands before this <!-- prints -->")
            self.blocks.append(Block(self._line, "prints", text))
        elif language in _RUN:
            terminal = said.get("terminal", "")
            if language != "console" and terminal:
                self._fault(self._line - 1, f"a {language} block has no terminal")
            if language == "console":
                self._check_console(text, terminal)
            self.blocks.append(Block(self._line, language, text, terminal))
        elif text and text[0].startswith(_COMMAND):
            self._fault(
                self._line - 1, "a block that begins with a command is a console block: write ```console"
            )
        elif said:
            self._fault(self._line - 1, f"<!-- {next(iter(said))}: --> stands before a block that is not run")

    def _check_console(self, text: tuple[str, ...], terminal: str) -> None:
        if not text or (terminal not in self._terminals and not text[0].startswith(_COMMAND)):
            self._fault(
                self._line,
                "this console block begins with no command: write `$ command`, or <!-- not run: REASON --> before the block",
            )
        if any(line.startswith(_COMMAND) for line in text):
            self._terminals.add(terminal)

    def _directives(self) -> dict[str, str] | None:
        """Read the comments before the block; None: there is a mistake in them."""
        said: dict[str, str] = {}
        good = True
        for number, text in self._comments:
            word, colon, rest = (part.strip() for part in text.partition(":"))
            if word not in _DIRECTIVES:
                known = ", ".join(_DIRECTIVES)
                self._fault(
                    number, f"<!-- {text} --> says nothing that is known before a block: write one of {known}"
                )
                good = False
            elif word == "prints" and colon:
                self._fault(number, "<!-- prints --> has no text")
                good = False
            elif word != "prints" and not rest:
                self._fault(number, f"<!-- {word}: --> needs a text: say why, or which")
                good = False
            said[word] = rest
        return said if good else None


def commands(block: Block) -> tuple[tuple[Line, ...], tuple[Command, ...]]:
    """Split a console block into commands, and the lines before them.

    The lines before the first command are for a program that runs already.
    """
    before: list[Line] = []
    found: list[tuple[int, list[str], list[Line]]] = []
    for number, line in enumerate(block.text, block.line):
        if line.startswith(_COMMAND):
            found.append((number, [line[len(_COMMAND) :]], []))
        elif found and line.startswith("> ") and not found[-1][2]:
            found[-1][1].append(line[2:])
        elif found:
            exact = _is_evaluation(found[-1][1][0]) or _is_result(line)
            found[-1][2].append(Line(number, line, exact))
        else:
            before.append(Line(number, line, _is_result(line)))
    return tuple(before), tuple(Command(number, tuple(lines), tuple(shown)) for number, lines, shown in found)


def _is_evaluation(command: str) -> bool:
    return re.match(r"(\w+=\S* )*kernelbus eval\b", command) is not None


def _is_result(line: str) -> bool:
    return re.match(r"(In|Out)\[\d+\]:?=", line) is not None


def typed_after(prompt: str, line: str) -> str | None:
    """Give what `line` shows typed at `prompt`; None: it does not begin with that prompt.

    A prompt of spaces alone is one where input goes on; what is typed there is indented by as much.
    """
    shown = prompt.rstrip()
    if not shown:
        return line[len(prompt) :] if line[: len(prompt)].isspace() and line.strip() else None
    return line[len(shown) :].removeprefix(" ") if line.startswith(shown) else None


# ---- comparing -----------------------------------------------------------------------------------

_TIME = "(?:us|µs|ms|s|min|h|d)"
_SIZE = "(?:B|[KMGT]iB|[kMGT]B)"
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"

# What stands for others of its kind: how it is recognised in a page, and what it may be in what is
# printed.
_KINDS = {
    # A key of the bus is 40 characters of Z85.
    "key": (
        r"(?<![^\s'\"(])(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}(?![^\s'\",;)])",
        r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}",
    ),
    # The token of a server.
    "token": (r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{32}(?![\w-])", r"[A-Za-z0-9_-]{32}"),
    "id": (r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{22}(?![\w-])", r"[A-Za-z0-9_-]{22}"),
    # The first characters of an id, where they look like no word: a digit between letters, or
    # capitals inside.
    "short": (
        r"(?<![\w-])(?=[\w-]*[A-Za-z])(?:(?=[\w-]*\d)|(?=[\w-]*[a-z][A-Z])|(?=[\w-]*[A-Z]{2}[\w-]*[a-z]))[A-Za-z0-9_-]{8}(?![\w-])",
        r"[A-Za-z0-9_-]{8}",
    ),
    "hex": (r"(?<!\w)(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{9,}(?!\w)", r"[0-9a-f]+"),
    "time": (rf"{_NUMBER} ?{_TIME}(?!\w)", rf"{_NUMBER} ?{_TIME}"),
    "size": (rf"{_NUMBER} ?{_SIZE}(?!\w)", rf"{_NUMBER} ?{_SIZE}"),
    "number": (_NUMBER, _NUMBER),
    "space": (r"\s+", r"\s+"),
}
_BINDING = ("key", "token", "id", "short")
_EXACT = ("key", "token", "id", "space")


def _tokens(kinds: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{kind}>{_KINDS[kind][0]})" for kind in kinds))


_LOOSE_TOKENS = _tokens(_KINDS)
_EXACT_TOKENS = _tokens(_EXACT)


@functools.lru_cache(maxsize=4096)
def _pattern(text: str, exact: bool) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Give the pattern for what may be printed for a line, and the line's text of each group."""
    text = text.strip()
    parts: list[str] = []
    bound: list[str] = []
    end = 0
    for found in (_EXACT_TOKENS if exact else _LOOSE_TOKENS).finditer(text):
        parts.append(re.escape(text[end : found.start()]))
        kind = found.lastgroup
        assert kind is not None
        if kind in _BINDING:
            bound.append(found.group())
            parts.append(f"({_KINDS[kind][1]})")
        else:
            parts.append(_KINDS[kind][1])
        end = found.end()
    parts.append(re.escape(text[end:]))
    return re.compile("".join(parts)), tuple(bound)


def _match(line: Line, printed: str) -> re.Match[str] | None:
    return _pattern(line.text, line.exact)[0].fullmatch(_bare(printed))


def _bare(printed: str) -> str:
    """Take away what the terminal writes for a key."""
    return re.sub(r"^(\^[CD])+", "", printed.strip()).strip()


@dataclass
class Ids:
    """Which id, or key, of a run stands for each one that the page shows.

    What is typed is changed accordingly, also where only the beginning of an id is typed.
    """

    known: dict[str, str] = field(default_factory=dict)

    def learn(self, pairs: Iterable[tuple[Line, str]]) -> None:
        """Take ids from lines of a page and what was printed for them."""
        for line, printed in pairs:
            found = _match(line, printed)
            if found is not None:
                self.known.update(zip(_pattern(line.text, line.exact)[1], found.groups(), strict=True))

    def typed(self, text: str) -> str:
        """Give what is to be typed for what the page shows."""
        for shown, real in self.known.items():
            if len(shown) == 40:
                text = text.replace(shown, real)
        return re.sub(r"[\w-]{3,}", lambda found: self._real(found.group()), text)

    def _real(self, word: str) -> str:
        begun = {real[: len(word)] for shown, real in self.known.items() if shown.startswith(word)}
        return begun.pop() if len(begun) == 1 else word


def align(
    shown: Sequence[Line], printed: Sequence[str], *, begun: bool = False
) -> list[tuple[Line, str]] | None:
    """Compare what a page shows with what was printed.

    Args:
        shown: the page's lines.
        printed: the lines that were printed.
        begun: whether more may have been printed than is shown.

    Returns:
        the lines that belong together; None: they differ.
    """
    left = [line for line in shown if line.text.strip()]
    right = [text for text in printed if _bare(text)]
    # The ways in which the page's lines so far can be what was printed so far: for each end, the
    # way there.
    ways: dict[int, list[tuple[Line, str]]] = {0: []}
    for line in left:
        if line.text.strip() == _ANY:
            first = min(ways)
            ways = {end: ways.get(end, ways[first]) for end in range(first, len(right) + 1)}
            continue
        ways = {
            end + 1: [*way, (line, right[end])]
            for end, way in ways.items()
            if end < len(right) and _match(line, right[end])
        }
        if not ways:
            return None
    return ways.get(len(right)) if not begun else ways[min(ways)]


def difference(shown: Sequence[Line], printed: Sequence[str]) -> str:
    """Show where `printed` differs from the page, as lines: - of the page, + printed."""
    wanted = [line.text.strip() for line in shown if line.text.strip()]
    lines = [line for line in shown if line.text.strip()]
    got = []
    for text in printed:
        if _bare(text):
            same = next(
                (line.text.strip() for line in lines if line.text.strip() != _ANY and _match(line, text)),
                None,
            )
            got.append(same if same is not None else _bare(text))
    return "\n".join(_marked(wanted, got))


def _marked(wanted: list[str], got: list[str]) -> Iterator[str]:
    for text in difflib.ndiff(wanted, got):
        if not text.startswith("?"):
            yield text.rstrip()

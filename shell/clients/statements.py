"""Code, and the division of a file into its expressions: each is evaluated before the next is read.

Sans-IO. An expression ends at the end of a line if it may: outside brackets, comments and strings,
and not behind an operator that wants more. The kernel is the judge of everything else, so a text
with wrong syntax is divided, too; where brackets are the reason, :class:`Statement` says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["TOKEN", "Source", "Statement", "statements"]


@dataclass(frozen=True, slots=True)
class Source:
    """Code.

    Attributes:
        text: the code.
        name: the file that it is from; "" for a code of the command line, which is evaluated as a
            whole. A file is evaluated expression by expression.
        path: the file's path, for `$InputFileName`; "" without one.
        linewise: whether it is evaluated once for each line of standard input, which is
            `$ScriptInputString` meanwhile. Without a text each line is the code.
        call: makes the code for a line, in place of the text. It raises ValueError, whose text says
            why, for a line of which none can be made.
    """

    text: str
    name: str = ""
    path: str = ""
    linewise: bool = False
    call: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One expression of a file.

    Attributes:
        text: its text, without what is before and behind it.
        line: the number of its first line, from 1.
        fault: what is wrong with its brackets; "" if nothing is.
        fault_line: the number of the line where that is.
        unfinished: whether more text would belong to it: a bracket, a string or a comment is open,
            or its last operator wants something.
        depth: how many brackets are open at its end.
    """

    text: str
    line: int
    fault: str = ""
    fault_line: int = 0
    unfinished: bool = False
    depth: int = 0


#: What matters for the division; anything else is passed over character by character. A string that
#: is never closed has an empty `quote`.
TOKEN = re.compile(
    r"""
      (?P<comment> \(\* )
    | (?P<string> "(?:[^"\\]|\\.)*(?P<quote>"?) )
    | (?P<longname> \\\[\w+\] )
    | (?P<open> \\\( | <\| | [\[({] )
    | (?P<close> \\\) | \|> | [\])}] )
    | (?P<newline> \n )
    | (?P<continued> \\\n )
    | (?P<space> [^\S\n]+ )
    | (?P<name> [\w$`]+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"\(\*|\*\)|\n")
_CLOSES = {"(": ")", "[": "]", "{": "}", "<|": "|>", "\\(": "\\)"}

#: Ends of code behind which an expression is complete although the last character is an operator's.
_COMPLETE = re.compile(r"(?:(?<!/);|(?<!&)&|!|'|\+\+|--|=\.|\.\.|(?<![\w$`])\d+\.|_\.)$")
#: Characters that end an operator which wants something behind it.
_WANTS = frozenset("+-*/^=<>|&@~:,.?;!'")
#: Long names of operators that want something behind them.
_WANTING_NAMES = frozenset(
    re.findall(
        r"\w+",
        "Rule RuleDelayed Equal LongEqual NotEqual LessEqual LessSlantEqual GreaterEqual GreaterSlantEqual And Or Xor Nand Nor Not "
        "Implies Equivalent Element NotElement Subset Superset SubsetEqual SupersetEqual Union Intersection Cross Times CenterDot "
        "Divide PlusMinus MinusPlus CirclePlus CircleTimes Function UndirectedEdge DirectedEdge TwoWayRule Distributed Conditioned "
        "Therefore Because Application TensorProduct",
    )
)


def statements(text: str) -> Iterator[Statement]:
    """Divide a text. A first line that begins with ``#!`` is for the system, and is left out."""
    text = text.replace("\r\n", "\n")
    position, line = 0, 1
    if text.startswith("#!"):
        position = text.find("\n") if "\n" in text else len(text)
    while position < len(text):
        scan = _Scan(text, position, line)
        found = scan.run()
        if found is not None:
            yield found
        position, line = scan.position, scan.line


class _Scan:
    """Find the end of one expression.

    Attributes:
        position: where it goes on; a text's length at its end.
        line: the number of the line there.
    """

    def __init__(self, text: str, position: int, line: int) -> None:
        self.position = position
        self.line = line
        self._text = text
        self._first = -1  # where the expression begins
        self._first_line = line
        self._end = position  # behind its last token
        self._tail = ""  # the end of its code, without comments
        self._open: list[tuple[str, int]] = []  # its open brackets, with their lines
        self._fault = ("", 0)
        self._unclosed = False  # whether a string or a comment is open

    def run(self) -> Statement | None:
        """Return the expression; None: there is none before the end of the text."""
        text = self._text
        while self.position < len(text):
            token = TOKEN.match(text, self.position)
            assert token is not None
            kind, word = token.lastgroup, token.group()
            self.position = token.end()
            match kind:
                case "newline":
                    self.line += 1
                    if self._first >= 0 and not self._open and not self._wants_more():
                        break
                case "continued":
                    self.line += 1
                case "space":
                    self._tail += " "
                case "comment":
                    self._pass_comment()
                case _:
                    self._add(kind or "", word, token)
        if self._first < 0:
            return None
        unfinished = self._unclosed or (not self._fault[0] and (bool(self._open) or self._wants_more()))
        if self._open and not self._fault[0]:
            bracket, where = self._open[0]
            self._fault = f"{bracket} is never closed", where
        return Statement(text[self._first : self._end], self._first_line, *self._fault, unfinished, len(self._open))

    def _add(self, kind: str, word: str, token: re.Match[str]) -> None:
        if self._first < 0:
            self._first, self._first_line = token.start(), self.line
        self._end = self.position
        match kind:
            case "open":
                self._open.append((word, self.line))
            case "close":
                word = ")" if self._close(word) else word
            case "string" | "quote":
                if not token["quote"]:
                    self._unclosed = not self._fault[0]
                    self._complain("the string that begins here is never closed")
                self.line += word.count("\n")
                word = '"'
        self._tail = (self._tail + word)[-80:]

    def _close(self, word: str) -> bool:
        """Take a closing bracket; return False if it is two operators (``|>``)."""
        if self._open and _CLOSES[self._open[-1][0]] == word:
            self._open.pop()
        elif word == "|>":
            return False
        elif self._open:
            bracket, where = self._open.pop()
            self._complain(f"{word} does not close the {bracket} of line {where}")
        else:
            self._complain(f"{word} closes nothing")
        return True

    def _complain(self, fault: str) -> None:
        if not self._fault[0]:
            self._fault = fault, self.line

    def _pass_comment(self) -> None:
        depth, began = 1, self.line
        for found in _COMMENT.finditer(self._text, self.position):
            if found.group() == "\n":
                self.line += 1
            else:
                depth += 1 if found.group() == "(*" else -1
            if not depth:
                self.position = found.end()
                self._tail += " "
                return
        if self._first < 0:
            self._first, self._first_line = self.position - 2, began
        if not self._fault[0]:
            self._unclosed = True
            self._fault = "the comment that begins here is never closed", began
        self._end = self.position = len(self._text)

    def _wants_more(self) -> bool:
        tail = self._tail.rstrip()
        name = re.search(r"\\\[(\w+)\]$", tail)
        if name is not None:
            return name[1] in _WANTING_NAMES
        return tail[-1:] in _WANTS and _COMPLETE.search(tail) is None

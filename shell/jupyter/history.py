"""What has been entered in this user's notebooks: a database in the state directory.

A program of the kernel is a session of it, with a number of its own; a cell is a line.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from kernelbus.shell.state import private_file

__all__ = ["History"]

#: How many cells are kept, and how much of one input or output, in characters.
_MOST = 20_000
_LONGEST = 100_000
_LONGEST_OUTPUT = 10_000
#: Seconds for which a database waits that another notebook writes to.
_PATIENCE = 2.0

_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (session INTEGER PRIMARY KEY AUTOINCREMENT, began TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS cells (session INTEGER, line INTEGER, input TEXT, output TEXT, PRIMARY KEY (session, line));
"""


class History:
    """The history, as one program of the kernel sees it.

    Attributes:
        fault: why nothing is kept beyond this program; "": it is.
        session: the number of the program's session.
    """

    def __init__(self, name: str = "notebooks.sqlite") -> None:
        """Open the history; one that cannot be used is begun anew in memory.

        Args:
            name: the file's name in the state directory.
        """
        self.fault = ""
        try:
            path = private_file(name)
            self._opened = self._open(str(path))
        except (OSError, sqlite3.Error) as error:
            self.fault = f"the history of notebooks cannot be used, and is not kept: {error}"
            self._opened = self._open(":memory:")
        self._line = 0

    def _open(self, path: str) -> sqlite3.Connection:
        opened = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            opened.executescript(_TABLES)
            self.session = int(opened.execute("INSERT INTO sessions DEFAULT VALUES").lastrowid or 0)
            oldest = "SELECT rowid FROM cells ORDER BY session DESC, line DESC LIMIT -1 OFFSET ?"
            opened.execute(f"DELETE FROM cells WHERE rowid IN ({oldest})", (_MOST,))
        except BaseException:
            opened.close()
            raise
        return opened

    def add(self, number: int, text: str, output: str = "") -> None:
        """Keep a cell.

        Args:
            number: n of its `In[n]`; the line has this number, unless a later one has been used.
            text: its text.
            output: the text of its last result.
        """
        if not text.strip():
            return
        self._line = max(self._line + 1, number)
        cell = self.session, self._line, text[:_LONGEST], output[:_LONGEST_OUTPUT]
        try:
            self._opened.execute("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?)", cell)
        except sqlite3.Error as error:
            self.fault = f"a cell is not in the history of notebooks: {error}"

    def tail(self, n: int) -> list[tuple[int, int, str, str]]:
        """Return the last `n` cells of all sessions, in order."""
        return self._found("1", (), n)

    def range(self, session: int, start: int, stop: int | None) -> list[tuple[int, int, str, str]]:
        """Return the cells of a session whose lines are from `start` up to `stop`, exclusively.

        Args:
            session: its number; 0: this one; -1: the one before, and so on.
            start: the first line.
            stop: behind the last; None: to the end.
        """
        wanted = session if session > 0 else self.session + session
        return self._found("session = ? AND line >= ? AND line < ?", (wanted, start, 2**62 if stop is None else stop), -1)

    def search(self, pattern: str, n: int | None, *, unique: bool) -> list[tuple[int, int, str, str]]:
        """Return the last `n` cells (None: all) that fit a pattern with * and ?, in order.

        Args:
            pattern: the pattern.
            n: how many.
            unique: whether only the last of cells with the same text.
        """
        only = "AND rowid IN (SELECT MAX(rowid) FROM cells GROUP BY input)" if unique else ""
        return self._found(f"input GLOB ? {only}", (pattern,), -1 if n is None else n)

    def _found(self, where: str, values: Sequence[Any], n: int) -> list[tuple[int, int, str, str]]:
        query = f"SELECT session, line, input, output FROM cells WHERE {where} ORDER BY session DESC, line DESC LIMIT ?"
        try:
            with closing(self._opened.execute(query, (*values, n))) as rows:
                return list(reversed(rows.fetchall()))
        except sqlite3.Error as error:
            self.fault = f"the history of notebooks cannot be read: {error}"
            return []

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

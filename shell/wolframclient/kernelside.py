"""What a kernel evaluates first, and how it logs to Python. No I/O.

wolframclient gives its kernels functions of the context ``ClientLibrary` ``, by which code in the
kernel logs. Here they write text packets, which no printing of a program's own looks like.
"""

from __future__ import annotations

import logging

__all__ = ["LEVELS", "logged", "prologue"]

#: Python's levels by the kernel's, as wolframclient numbers them.
LEVELS = {1: logging.DEBUG, 2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}

_MARK = "\x1dClientLibrary`"

# P` stands for ClientLibrary`Private`: names of ours must not become symbols of the program's.
_CODE = """(
P`log[P`n_, P`a_] := If[P`n >= P`$LogLevel,
  LinkWrite[$ParentLink, TextPacket[FromCharacterCode[29] <> "ClientLibrary`" <> ToString[P`n] <> ":" <>
    StringRiffle[If[StringQ[#], #, ToString[#, InputForm]] & /@ P`a, " "]]];];
P`set[P`n_] := If[P`$logging, P`$LogLevel = P`n;];
{P`$DEBUG, P`$INFO, P`$WARN, P`$ERROR, P`$NOTSET} = {1, 2, 3, 4, Infinity};
P`$LogLevel = LEVEL;
P`$logging = P`$LogLevel =!= Infinity;
ClientLibrary`debug[P`a__] := P`log[1, {P`a}];
ClientLibrary`info[P`a__] := P`log[2, {P`a}];
ClientLibrary`warn[P`a__] := P`log[3, {P`a}];
ClientLibrary`error[P`a__] := P`log[4, {P`a}];
ClientLibrary`SetDebugLogLevel[] := P`set[1];
ClientLibrary`SetInfoLogLevel[] := P`set[2];
ClientLibrary`SetWarnLogLevel[] := P`set[3];
ClientLibrary`SetErrorLogLevel[] := P`set[4];
ClientLibrary`DisableKernelLogging[] := (P`$LogLevel = Infinity;);
$ProcessID)"""


def prologue(level: int) -> str:
    """Return the code that a fresh kernel evaluates; its value is the id of its process.

    Args:
        level: the level of Python's `logging` from which the kernel logs; NOTSET: it does not.
    """
    number = next((number for number, known in LEVELS.items() if level <= known), 4)
    return _CODE.replace("LEVEL", "Infinity" if level == logging.NOTSET else str(number)).replace("P`", "ClientLibrary`Private`")


def logged(text: str) -> tuple[int, str] | None:
    """Return the kernel's level and the words of a log message; None: the text is not one."""
    if not text.startswith(_MARK):
        return None
    level, colon, words = text[len(_MARK) :].partition(":")
    return (int(level), words) if colon and level in ("1", "2", "3", "4") else None

"""Keep kernel code from files and programs where the operator says so.

A pool's keys ``Files`` and ``Processes`` forbid them. The host has the kernel evaluate
``WSTPServer`Private`Confine[files, processes]`` when the initialisation is over; from then on an
audit hook of Python (PEP 578) refuses what is forbidden. A hook cannot be removed, whatever is
evaluated. It sees what Mathics3 does by Python; it is no sandbox against code in other languages,
which kernel code without files and programs cannot bring in.

What Mathics3 reads of its own files (modules, packages, tables) stays allowed. So does the start of
the second engine, which can use neither files nor programs
(:mod:`kernelbus.kernelhost.mathics.engine.process`).
"""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar

from mathics.core.attributes import A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.symbols import SymbolNull

from kernelbus.kernelhost.mathics.engine.process import engine
from kernelbus.kernelhost.process.initialisation import CONFINE

__all__ = ["NotAllowed", "confine", "install"]

_PROGRAMS = frozenset({
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "pty.spawn", "subprocess.Popen",
})  # fmt: skip
_FILES = frozenset({
    "os.chdir", "os.chflags", "os.chmod", "os.chown", "os.link", "os.listdir", "os.listxattr", "os.mkdir", "os.remove",
    "os.rename", "os.rmdir", "os.scandir", "os.symlink", "os.truncate", "os.utime", "glob.glob", "sqlite3.connect",
    "tempfile.mkdtemp", "tempfile.mkstemp", "ftplib.connect", "socket.bind", "socket.connect", "urllib.Request",
})  # fmt: skip
#: What is read beside this Python's own folders: whole names, and a folder.
_NAMES = frozenset({"/dev/null", "/dev/urandom", "/proc/meminfo", "/proc/self/statm", "/proc/self/status"})
_ZONES = "/usr/share/zoneinfo/"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class NotAllowed(PermissionError):
    """Say that the operator does not allow this in the pool. The text names the key."""

    def __str__(self) -> str:
        return str(self.args[0])


def _own_folders() -> tuple[str, ...]:
    import mathics
    import mathics_scanner

    modules = [os.path.dirname(os.path.abspath(module.__file__ or "")) for module in (mathics, mathics_scanner)]
    ours = os.path.dirname(os.path.abspath(__file__)).rpartition(os.sep + "kernelhost" + os.sep)[0]
    folders = {sys.prefix, sys.base_prefix, ours, *modules, *(entry for entry in sys.path if os.path.isdir(entry))}
    return tuple(os.path.realpath(folder).rstrip(os.sep) + os.sep for folder in folders if folder)


class _Hook:
    """Refuse events.

    Args:
        files: whether files are allowed.
        processes: whether programs are allowed.
    """

    def __init__(self, files: bool, processes: bool) -> None:
        self._refused = (frozenset() if files else _FILES) | (frozenset() if processes else _PROGRAMS)
        self._files = files
        self._readable = (*_own_folders(), _ZONES)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if not self._files and not self._own(*arguments):
                raise NotAllowed(f"{arguments[0]} is not opened: files are not allowed in this pool (Files)")
        elif event in self._refused:
            if event in _PROGRAMS:
                if engine.is_starting:
                    return
                raise NotAllowed("no program is started: programs are not allowed in this pool (Processes)")
            # A folder of Python's own is looked through when a module is imported.
            if not (event in ("os.listdir", "os.scandir") and self._own(arguments[0], "r", 0)):
                raise NotAllowed("files and connections are not allowed in this pool (Files)")

    def _own(self, path: object, mode: object, flags: object) -> bool:
        """Tell whether this opens a descriptor, or reads a file of this Python's own."""
        if not isinstance(path, (str, bytes)):
            return path is not None
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITES):
            return path in ("/dev/null", b"/dev/null")
        name = os.fsdecode(path)
        return name in _NAMES or os.path.realpath(name).startswith(self._readable)


def confine(files: bool, processes: bool) -> None:
    """Refuse files, programs, or both from now on, in this process and for good."""
    if not (files and processes):
        engine.confine()
    sys.addaudithook(_Hook(files, processes))


class _Confine(Builtin):
    """Confine this kernel: see the module."""

    context: ClassVar[str] = CONFINE.rpartition("`")[0] + "`"
    attributes = A_PROTECTED
    summary_text = "forbid files or programs"

    def get_name(self, short: bool = False) -> str:
        return CONFINE.rpartition("`")[2] if short else CONFINE

    def eval(self, files: Any, processes: Any, evaluation: Any) -> Any:
        "WSTPServer`Private`Confine[files_Symbol, processes_Symbol]"
        confine(files.get_name() != "System`False", processes.get_name() != "System`False")
        return SymbolNull


def install(definitions: Any) -> None:
    """Define the function."""
    _Confine(expression=False).contribute(definitions)

"""WolframKernel: where it is installed, and what it says when its licence does not let it run.

A pool without `KernelPath` gets the first of: what the environment variable ``KERNELBUS_KERNEL``
says (``embedded``, or a program); a WolframKernel that is installed; the embedded kernel.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from kernelbus.bus.settings.config import EMBEDDED

__all__ = ["choose_kernel", "default_kernel", "find_kernel", "licence_refusal"]

_log = logging.getLogger("kernelbus.host")

_CHOICE = "KERNELBUS_KERNEL"
_NAMES = ("WolframKernel", "MathKernel", "wolfram", "math")
#: Names that other programs have too: what is found under them must lie where an installation keeps
#: its programs.
_COMMON = frozenset(("wolfram", "math"))
#: Where an installation keeps its programs, below its own folder.
_FOLDERS = ("Executables", "Contents/MacOS", "")
#: Where installers put it unless told otherwise; the latest version that is found is taken.
_USUAL = {
    "linux": [
        f"{root}/{product}/*/Executables/{name}"
        for name in ("WolframKernel", "MathKernel")
        for root in ("/usr/local/Wolfram", "/opt/Wolfram")
        for product in ("Wolfram", "Mathematica", "WolframEngine")
    ],
    "darwin": [
        "/Applications/Wolfram.app/Contents/MacOS/WolframKernel",
        "/Applications/Mathematica.app/Contents/MacOS/WolframKernel",
        "/Applications/Wolfram Engine.app/Contents/MacOS/WolframKernel",
        "/Applications/Wolfram Engine.app/Contents/Resources/Wolfram Player.app/Contents/MacOS/WolframKernel",
    ],
    "win32": [
        f"C:/Program Files/Wolfram Research/{product}/*/WolframKernel.exe" for product in ("Wolfram", "Mathematica", "Wolfram Engine")
    ],
}
#: What kernels (and the license managers behind them) print, in the words of several versions.
_REFUSALS = re.compile(
    r"no valid password|cannot find a valid password|valid (?:password|license).{0,20}not found|password has expired"
    r"|licen[sc]e[- ]related (?:problem|error)|licen[sc]e (?:error|server|has expired|has been exceeded|limit)|kernel licen[sc]e failure"
    r"|(?:is not|could not be|must be) activated|enter your activation key|mathlm"
    r"|maximum number of .{0,60}(?:kernels|processes|licen[sc]es)|number of .{0,40}(?:kernels|processes) .{0,40}exceeded",
    re.IGNORECASE,
)


@cache
def default_kernel() -> str | None:
    """Give the program of pools without `KernelPath`; None: the embedded kernel. Found once, and
    told to the log.
    """
    choice = os.environ.get(_CHOICE)
    program, why = choose_kernel(os.environ, sys.platform)
    if choice:
        _log.info("pools without KernelPath have kernel %s, %s", choice, why)
    else:
        what = f"the kernel found at {program}" if program else f"the embedded kernel: {why}"
        _log.info("pools without KernelPath have %s", what)
    return program


def choose_kernel(environment: Mapping[str, str], platform: str) -> tuple[str | None, str]:
    """Give the program of pools without `KernelPath`, None for the embedded kernel, and in words
    why it is that.
    """
    choice = environment.get(_CHOICE)
    if choice:
        return None if choice == EMBEDDED else choice, f"as {_CHOICE} says"
    found = find_kernel(environment, platform)
    return found, "it is found" if found else "no WolframKernel is found"


def find_kernel(environment: Mapping[str, str], platform: str, usual: Mapping[str, list[str]] = _USUAL) -> str | None:
    """Look for a WolframKernel: in ``WOLFRAM_INSTALLATION_DIRECTORY``, in PATH, where installers
    put it; None: there is none.
    """
    return next(_candidates(environment, platform, usual), None)


def _candidates(environment: Mapping[str, str], platform: str, usual: Mapping[str, list[str]]) -> Iterator[str]:
    directory = environment.get("WOLFRAM_INSTALLATION_DIRECTORY")
    if directory:
        for name in _NAMES:
            for folder in _FOLDERS:
                found = shutil.which(name, path=str(Path(directory, folder)))
                if found:
                    yield found
    for name in _NAMES:
        found = shutil.which(name, path=environment.get("PATH", ""))
        if found and (name not in _COMMON or Path(found).resolve().parent.name in ("Executables", "MacOS")):
            yield found
    for pattern in usual.get(platform, []):
        drive = Path(pattern).anchor
        installed = [path for path in Path(drive).glob(pattern[len(drive) :]) if os.access(path, os.X_OK)]
        yield from (str(path) for path in sorted(installed, key=_version, reverse=True))


def _version(path: Path) -> list[int]:
    """Give the version that is a folder's name on the way to a program."""
    return next(([int(n) for n in part.split(".")] for part in path.parts if re.fullmatch(r"\d+(\.\d+)*", part)), [])


def licence_refusal(said: str) -> str | None:
    """Give the line of `said`, what a kernel wrote (lines joined by ` | `), in which it says that
    its licence does not let it run.
    """
    return next((line.strip() for line in said.split(" | ") if _REFUSALS.search(line)), None)

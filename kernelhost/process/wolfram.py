"""WolframKernel: where it is installed, and what it prints when its licence does not let it run.

A pool without `KernelPath` uses the first of these:

1. what the environment variable ``KERNELBUS_KERNEL`` names (``embedded``, or a program);
2. a WolframKernel that is installed;
3. the embedded kernel.

A refusal by the licence acts as a cap on the pool, see
:meth:`kernelbus.kernelhost.pools.pool.Pool.ended`.
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
#: Names that other programs have too. A program with such a name counts only if it lies where an
#: installation keeps its programs.
_COMMON = frozenset(("wolfram", "math"))
#: The folders of an installation in which its programs may lie.
_FOLDERS = ("Executables", "Contents/MacOS", "")
#: The default locations of installers; the latest version that is found is taken.
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
#: What kernels, and the licence managers behind them, print when the licence does not let a kernel
#: run; several versions word it differently.
_REFUSALS = re.compile(
    r"no valid password|cannot find a valid password|valid (?:password|license).{0,20}not found|password has expired"
    r"|licen[sc]e[- ]related (?:problem|error)|licen[sc]e (?:error|server|has expired|has been exceeded|limit)|kernel licen[sc]e failure"
    r"|(?:is not|could not be|must be) activated|enter your activation key|mathlm"
    r"|maximum number of .{0,60}(?:kernels|processes|licen[sc]es)|number of .{0,40}(?:kernels|processes) .{0,40}exceeded",
    re.IGNORECASE,
)


@cache
def default_kernel() -> str | None:
    """Return the program of pools without `KernelPath`; None: the embedded kernel.

    The search runs once per process, and its result is logged.
    """
    choice = os.environ.get(_CHOICE)
    program, why = choose_kernel(os.environ, sys.platform)
    if choice:
        _log.info("pools without KernelPath run the kernel %s, %s", choice, why)
    else:
        what = f"the kernel found at {program}" if program else f"the embedded kernel: {why}"
        _log.info("pools without KernelPath run %s", what)
    return program


def choose_kernel(environment: Mapping[str, str], platform: str) -> tuple[str | None, str]:
    """Return the program of pools without `KernelPath` and, in words, the reason for that choice.

    The program is None for the embedded kernel.
    """
    choice = environment.get(_CHOICE)
    if choice:
        return None if choice == EMBEDDED else choice, f"as {_CHOICE} says"
    found = find_kernel(environment, platform)
    return found, "it is found" if found else "no WolframKernel is found"


def find_kernel(environment: Mapping[str, str], platform: str, usual: Mapping[str, list[str]] = _USUAL) -> str | None:
    """Return the path of a WolframKernel; None: none is found.

    Looks in ``WOLFRAM_INSTALLATION_DIRECTORY``, then in ``PATH``, then in `usual`.

    Args:
        environment: the environment variables.
        platform: as `sys.platform`.
        usual: for each platform, glob patterns of default locations.
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
    """Return the version that is the name of one of the folders of `path`; empty: none is."""
    return next(([int(n) for n in part.split(".")] for part in path.parts if re.fullmatch(r"\d+(\.\d+)*", part)), [])


def licence_refusal(said: str) -> str | None:
    """Return the line in which a kernel says that its licence does not let it run; None: no line.

    Args:
        said: the kernel's last output, lines joined by ` | `.
    """
    return next((line.strip() for line in said.split(" | ") if _REFUSALS.search(line)), None)

"""Fresh virtual environments with exactly the libraries that some requirements name.

The libraries are those that the tests themselves run on, linked one by one, so that nothing is
fetched and nothing that was not asked for can be imported.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["Environment", "closure"]


def closure(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Return the distributions that `requirements` bring with them, by their canonical names.

    Raises:
        importlib.metadata.PackageNotFoundError: one is not installed here.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found[name] = distribution(name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in found[name].requires or ()]
    return found


class Environment:
    """A virtual environment in a folder.

    Attributes:
        packages: its site-packages.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.folder = folder
        self.program = folder / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = folder / "lib" / version / "site-packages"

    def link(self, libraries: Iterable[Distribution]) -> None:
        """Make what these distributions have installed importable here."""
        for library in libraries:
            tops = {file.parts[0] for file in library.files or () if file.parts[0] not in ("..", "__pycache__")}
            for top in tops:
                here = self.packages / top
                if not here.exists():
                    here.symlink_to(Path(str(library.locate_file(top))))

    def install(self, wheel: Path) -> None:
        """Install a wheel as pip does, and nothing that it requires."""
        command = [sys.executable, "-m", "pip", "--python", str(self.program), "install", "--no-deps", "--no-index", "--quiet"]
        subprocess.run([*command, str(wheel)], check=True, timeout=120)

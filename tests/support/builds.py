"""Other builds of kernelbus: as a later or earlier version would be, and that of the last release.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_PRINT_SCHEMAS = """
import dataclasses, json
from kernelbus.bus.protocol import codec, schema
from kernelbus.bus.protocol.version import PROTOCOL
found = {}
def add(cls):
    if cls.__name__ not in found:
        found[cls.__name__] = {name: required for name, _, required in schema._fields(cls)}
        for part in schema.json_schema(cls)["$defs"]:
            found.setdefault(part, {})
for cls in schema._REGISTER.values():
    add(cls)
print(json.dumps([list(PROTOCOL), found]))
"""


def patched(folder: Path, protocol: tuple[int, int], *added: tuple[str, str]) -> Path:
    """Make a build of this source that speaks another version of the protocol.

    Args:
        folder: where; it is created.
        protocol: the version that it speaks.
        added: pairs of a message's name and the line of a field to add to it.

    Returns:
        The folder that has the packages.
    """
    shutil.copytree(ROOT / "src", folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    version = folder / "kernelbus" / "bus" / "protocol" / "version.py"
    text, changes = re.subn(r"PROTOCOL = Version\(\d+, \d+\)", f"PROTOCOL = Version{protocol}", version.read_text(encoding="utf-8"))
    assert changes == 1
    version.write_text(text, encoding="utf-8")
    messages = folder / "kernelbus" / "bus" / "protocol" / "messages.py"
    text = messages.read_text(encoding="utf-8")
    for name, line in added:
        begin = text.index(f"class {name}(Message):\n")
        # The next definition begins at the margin.
        end = re.compile(r"\n\n\n(?=\S)|\Z").search(text, begin)
        assert end is not None
        text = f"{text[: end.start()].rstrip()}\n    {line}{text[end.start() :]}"
    messages.write_text(text, encoding="utf-8")
    return folder


def last_release() -> tuple[str, str] | None:
    """Return the last release that came before this source; None: the history here has none.

    Returns:
        Its name and its commit: a tag `v*`, or the last of tests/faults/releases.toml whose commit
        this clone has as an ancestor.
    """
    described = _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    if described.returncode == 0:
        return described.stdout.strip(), described.stdout.strip()
    releases = tomllib.loads((ROOT / "tests" / "faults" / "releases.toml").read_text(encoding="utf-8"))["releases"]
    known = [(name, commit) for name, commit in releases.items() if _git("merge-base", "--is-ancestor", commit, "HEAD").returncode == 0]
    return known[-1] if known else None


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def released(commit: str, folder: Path) -> Path:
    """Build the wheel of a tag or commit, and unpack it; return the folder of its packages."""
    source, packages = folder / "source", folder / "packages"
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder / "dist", source]
    subprocess.run(build, check=True, timeout=300, stdout=subprocess.DEVNULL)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(packages)
    return packages


def schemas(packages: Path) -> tuple[tuple[int, int], dict[str, dict[str, bool]]]:
    """Return the version of a build's protocol, and for each message its keys and which it needs.
    """
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run([sys.executable, "-c", _PRINT_SCHEMAS], capture_output=True, text=True, check=True, env=environment)
    version, found = json.loads(done.stdout)
    return (version[0], version[1]), found


def breaks(old: tuple[tuple[int, int], dict[str, Any]], new: tuple[tuple[int, int], dict[str, Any]]) -> list[str]:
    """Return what is wrong with the version of the `new` protocol, after what was changed in it."""
    (version, before), (later, after) = old, new
    if later[0] > version[0]:
        return []
    wrong = []
    for name, keys in before.items():
        wrong += [f"{name}.{key} is gone: raise the major" for key in keys if key not in after.get(name, {})]
        needed = [key for key, needs in after.get(name, {}).items() if needs > keys.get(key, False)]
        wrong += [f"{name}.{key} is needed now: raise the major" for key in needed]
    added = [name for name in after if name not in before or after[name].keys() - before[name].keys()]
    if added and later <= version:
        wrong.append(f"{', '.join(added)} have more keys, or are new: raise the minor")
    return wrong

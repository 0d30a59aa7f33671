"""Make the pages of docs/ that are made from the code: `make docs`, or ``python docs/generate.py``.

With ``--check`` nothing is written; pages that differ from what would be written are named, and the
exit status is 1.

To add a page, write a function that gives its text, which begins with a heading, and put
``@page("name.md", module, ...)`` before it, with the modules that it is made from; a comment at the
page's top names them. Then add the page to the navigation in mkdocs.yml.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from kernelbus.bus.settings import config, reload
from kernelbus.bus.settings import schema as configschema
from kernelbus.bus.settings.config import Config, ConfigError, PoolConfig, loads, searched
from kernelbus.bus.settings.schema import PLACES, Key

__all__ = ["PAGES", "differing", "page", "text_of", "write"]

FOLDER = Path(__file__).resolve().parent

#: The function that makes the text of each page, and the modules that it is made from.
PAGES: dict[str, tuple[Callable[[], str], tuple[ModuleType, ...]]] = {}


def page(name: str, *modules: ModuleType) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register a function as what makes the page `name` from `modules`."""

    def register(make: Callable[[], str]) -> Callable[[], str]:
        PAGES[name] = make, modules
        return make

    return register


def text_of(name: str) -> str:
    """Give the whole text of a page."""
    make, modules = PAGES[name]
    # resolve(): the package's folders are links to those of the source.
    files = [Path(str(module.__file__)).resolve().relative_to(FOLDER.parent) for module in modules]
    said = [
        "<!--",
        "docs/generate.py makes this page from:",
        *(f"* {file}" for file in files),
        "Change those, not this page, and run `make docs`.",
        "-->",
    ]
    return "\n".join([*said, "", make().strip(), ""])


def differing(folder: Path = FOLDER) -> list[str]:
    """Give the names of the pages in `folder` that are not what would be written."""
    return [
        name
        for name in PAGES
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text_of(name)
    ]


def write(folder: Path = FOLDER) -> None:
    """Write the pages that differ."""
    for name in differing(folder):
        (folder / name).write_text(text_of(name), "utf-8")
        print(f"wrote {folder / name}")


# ---- configuration.md ----------------------------------------------------------------------------

_CONFIGURATION = """
# Configuration

This page lists what the configuration file may contain. `kernelbus serve`, `broker`, `frontend` and
`host` all read the same format, and may share one file. It is the format of WSTPServer's file, with
more keys.

## The file

The file is JSON. Comments begin with `#`, and a comma may follow the last element. A part takes the
first of these files that exists:

1. the file given with `-c FILE`;
@files@

Without a file, every key has its default. A relative path in the file is relative to the file's
folder, and `~` is the user's home.

A small example, `my.conf`:

<!-- file: my.conf -->
```json
{
    "Pools": {
        # The first pool is the default.
        "Main": {
            "MinimumKernelNumber": 2,
            "MaximumKernelNumber": 8,
        },
        # Kernels that are used once, and know a function from the start.
        "Scratch": {
            "KeepAlive": false,
            "MinimumKernelNumber": 0,
            "InitializationCode": "square[x_] := x^2",
        },
    },
    "Limits": {"ConnectionTimeout": 5, "KernelMemory": 4294967296},
}
```

`configs/wstpserver.conf` in the source has every section, with comments.

## Check a file

`kernelbus check-config` prints what a file means, with the defaults filled in. What it prints is
itself a configuration.

```console
$ kernelbus check-config my.conf
# What "my.conf" means on this machine.
{
...
    "Pools": {  # line 2
        "Main": {  # line 4
...
            "MaximumKernelNumber": 8,  # line 6
...
}
```

A mistake is reported with its line and what to do. A part that finds one does not start;
`check-config` lists all mistakes, and exits with status 2.

<!-- file: wrong.conf -->
```json
{"Pools": {"Main": {"KepAlive": false, "MinimumKernelNumber": -1}}}
```

```console
$ kernelbus check-config wrong.conf
@mistakes@
$ echo $?
2
```

## Reload

On SIGHUP, or the `reload` command of the [admin shell](admin-shell.md), a part reads its file again.
If the file has a mistake, the part keeps the configuration that it has. The tables below say for
each key which parts act on a change at once, and which need a restart. No session is lost by a
reload:

* When a change concerns how kernels are started, the kernels that have had no client yet are
  replaced. Sessions keep their kernels.
* A pool that is removed gives out no more kernels. It disappears when its last session has ended.
"""

_TITLES = {
    "": "Keys of the outermost object",
    "a pool": "Pools",
    "Bus": "Bus",
    "Access": "Access",
    "Discovery": "Discovery",
    "Limits": "Limits",
}

_INTRODUCTIONS = {
    "a pool": 'These keys stand in each pool: `{"Pools": {"NAME": {...}}}`. A name has up to 100 characters, and no `/`.',
    "Bus": 'These keys stand in `{"Bus": {...}}`.',
    "Discovery": 'These keys stand in `{"Discovery": {...}}`.',
    "Limits": 'These keys stand in `{"Limits": {...}}`.',
}

_PARTS = {"broker": reload.BROKER_KEYS, "frontend": reload.FRONTEND_KEYS, "host": reload.HOST_KEYS}


@page("configuration.md", configschema, config, reload)
def configuration() -> str:
    """Make the reference of the configuration file."""
    # A home that is none: what is under it is shown as people write it.
    places = searched(Path(), {"HOME": "/~"})
    files = "\n".join(
        f"{number}. {_file(path)}{'.' if path is places[-1] else ';'}"
        for number, path in enumerate(places, 2)
    )
    parts = [_CONFIGURATION.replace("@files@", files).replace("@mistakes@", _mistakes()).strip()]
    for place, keys in PLACES.items():
        # A section without keys is only named in the table of the outermost object.
        if keys:
            parts.append(f"## {_TITLES[place]}")
            if place in _INTRODUCTIONS:
                parts.append(_INTRODUCTIONS[place])
            parts.append("\n".join(_table(place, keys)))
    return "\n\n".join(parts)


def _file(path: Path) -> str:
    shown = str(path).replace("/~/", "~/")
    return f"`{shown}`" if path.parent != Path() else f"`{shown}` in the working directory"


def _mistakes() -> str:
    try:
        loads('{"Pools": {"Main": {"KepAlive": false, "MinimumKernelNumber": -1}}}', "wrong.conf")
    except ConfigError as error:
        return "\n".join(error.problems)
    raise AssertionError("the example of mistakes has none")


def _table(place: str, keys: tuple[Key, ...]) -> Iterator[str]:
    yield "| key | value | default | meaning | after a reload |"
    yield "|---|---|---|---|---|"
    for key in keys:
        if not place and key.spelled in ("Pools", *PLACES):
            target = f"[below](#{key.spelled.lower()})" if PLACES.get(key.spelled, True) else "—"
            yield f"| `{key.spelled}` | {key.takes} | — | {key.meaning} | {target} |"
        else:
            dotted = ".".join(filter(None, ("Pools.NAME" if place == "a pool" else place, key.spelled)))
            anchor = ".".join(filter(None, ("pool" if place == "a pool" else place, key.spelled))).lower()
            cells = [
                f'<a id="{anchor}"></a>`{key.spelled}`',
                key.takes,
                _default(place, key),
                key.meaning,
                _reloaded(dotted),
            ]
            yield f"| {' | '.join(cells)} |"


def _default(place: str, key: Key) -> str:
    holder: Any = (
        PoolConfig if place == "a pool" else type(getattr(Config(), place.lower())) if place else Config
    )
    (found,) = (field for field in dataclasses.fields(holder) if field.name == key.name)
    value = found.default
    # What has no value of its own says in its meaning what holds when it is left out.
    if value is None or value is dataclasses.MISSING or isinstance(value, tuple):
        return "—"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value}{_size(value)}" if "bytes" in key.takes else str(value)


def _size(count: int) -> str:
    amount, unit = next(
        (count // size, unit) for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (1, "B")) if count >= size
    )
    return f" ({amount} {unit})"


def _reloaded(dotted: str) -> str:
    """Say which parts act at once on a change of a key, and which from their next start on."""
    live = [part for part, keys in _PARTS.items() if _has(keys.live, dotted)]
    later = [part for part, keys in _PARTS.items() if part not in live and _has(keys.restart, dotted)]
    said = [f"{when}: {', '.join(parts)}" for when, parts in (("at once", live), ("restart", later)) if parts]
    assert said, f"no part goes by {dotted}"
    return "; ".join(said)


def _has(prefixes: tuple[str, ...], dotted: str) -> bool:
    return f"{dotted}.".startswith(prefixes)


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; give the exit status."""
    parser = argparse.ArgumentParser(description="Make the pages of docs/ that are made from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a page differs")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    for name in (found := differing()):
        print(
            f"{os.path.relpath(FOLDER / name)} is not what docs/generate.py makes: run make docs",
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

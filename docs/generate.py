"""Make the pages of docs/ that are made from the code: `make docs`, or ``python docs/generate.py``.

With ``--check`` nothing is written; pages that differ from what would be written are named, and the
exit status is 1.

To add a page, write a function that gives its text, which begins with a heading, and put
``@page("name.md", module, ...)`` before it, with the modules that it is made from; a comment at the
page's top names them. Then add the page to the navigation in mkdocs.yml. A drawing is registered in
`DRAWINGS` by its DOT text; Graphviz draws it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from kernelbus.bus.broker import sessions
from kernelbus.bus.broker import tables as broker_tables
from kernelbus.bus.channel import channel
from kernelbus.bus.settings import config, reload
from kernelbus.bus.settings import schema as configschema
from kernelbus.bus.settings.config import DEFAULT_TIMES, Config, ConfigError, PoolConfig, loads, searched
from kernelbus.bus.settings.schema import PLACES, Key
from kernelbus.frontend import link
from kernelbus.kernelhost.pools import pool
from wstp import machine

__all__ = ["DRAWINGS", "PAGES", "differing", "drawn", "head_of", "page", "text_of", "write"]

FOLDER = Path(__file__).resolve().parent

#: The function that makes the text of each page, and the modules that it is made from.
PAGES: dict[str, tuple[Callable[[], str], tuple[ModuleType, ...]]] = {}


#: The function that makes the DOT text of each drawing.
DRAWINGS: dict[str, Callable[[], str]] = {}


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
    """Return the names of the pages and drawings in `folder` that are not what would be written.

    Of a drawing, what it is made from is compared, so that Graphviz is needed only to write one.
    """

    def is_there(name: str) -> bool:
        if not (folder / name).is_file():
            return False
        text = (folder / name).read_text("utf-8")
        return text.startswith(head_of(name)) if name in DRAWINGS else text == text_of(name)

    return [name for name in (*PAGES, *DRAWINGS) if not is_there(name)]


def head_of(drawing: str) -> str:
    """Return how the file of a drawing begins: a comment that holds its DOT text."""
    return f"<!--\ndocs/generate.py and Graphviz make this drawing from:\n{DRAWINGS[drawing]()}\n-->\n"


def drawn(name: str) -> str:
    """Return the SVG text of a drawing.

    Raises:
        SystemExit: Graphviz is not installed.
    """
    try:
        done = subprocess.run(["dot", "-Tsvg"], input=DRAWINGS[name](), capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise SystemExit(f"{name} has to be drawn anew, and Graphviz's dot is not installed: install graphviz") from None
    return head_of(name) + done.stdout[done.stdout.index("<svg") :]


def write(folder: Path = FOLDER) -> None:
    """Write the pages and drawings that differ.

    Raises:
        SystemExit: a drawing differs, and Graphviz is not installed.
    """
    for name in differing(folder):
        (folder / name).write_text(drawn(name) if name in DRAWINGS else text_of(name), "utf-8")
        print(f"wrote {folder / name}")


# ---- states.md and its drawings ------------------------------------------------------------------

#: In a drawing, what is not there yet, and what is not there any more.
_NEW, _GONE = "(new)", "(gone)"


class Machine(NamedTuple):
    """A state machine: its drawing's name, what it is of, where its table stands, its arrows.

    `arrows` has a label for each pair of states, "" where the table names no trigger.
    """

    name: str
    title: str
    told: str
    module: ModuleType
    start: str
    arrows: dict[tuple[str, str], str]

    @property
    def states(self) -> list[str]:
        return list(dict.fromkeys(state for pair in self.arrows for state in pair))


def _followers(table: Any) -> dict[tuple[str, str], str]:
    """Return the arrows of a table that says which states may follow each state."""

    def name(state: Any, absent: str) -> str:
        return absent if state is None else str(getattr(state, "value", state))

    order = {state: at for at, state in enumerate(table)}
    return {
        (name(one, _NEW), name(other, _GONE)): ""
        for one, others in table.items()
        for other in sorted(others, key=lambda state: order.get(state, len(order)))
    }


def _triggered(table: Any) -> dict[tuple[str, str], str]:
    """Return the arrows of a table of (state, trigger, next state), labelled by their triggers."""
    labels: dict[tuple[str, str], list[str]] = {}
    for one, trigger, other in table:
        if one is not other:
            labels.setdefault((one.value, other.value), []).append(trigger.value)
    return {pair: ",\\n".join(triggers) for pair, triggers in labels.items()}


def machines() -> list[Machine]:
    """Return the machines that the page shows, in the order of a byte's way."""
    channel_rows = [(one, trigger, other) for (one, trigger), other in channel.TRANSITIONS.items()]
    link_rows = [(one, event, other) for one, events in machine.TRANSITIONS.items() for event, other in events.items()]
    return [
        Machine("wstp-link", "A WSTP link", "One end of a link, in the protocol library.", machine, "introduction", _triggered(link_rows)),
        Machine("link", "A client's link", "A link at the frontend.", link, "greeting", _followers(link.TRANSITIONS)),
        Machine("channel", "A channel", "One end of a channel on the bus.", channel, "open", _triggered(channel_rows)),
        Machine(
            "broker-channel", "A channel in the broker's table", "What the broker knows of a channel.",
            broker_tables, _NEW, _followers(broker_tables.TRANSITIONS),
        ),
        Machine("pool", "A kernel in its pool", "What a pool decides about.", pool, _NEW, _followers(pool.TRANSITIONS)),
        Machine("session", "A session", "A kernel as the broker and its clients see it.", sessions, _NEW, _followers(sessions.TRANSITIONS)),
    ]  # fmt: skip


def _plain(label: str) -> str:
    return label.replace("\\n", " ")


def _states() -> str:
    said = ["# State machines", "", "Each drawing is made from the table that the code goes by. The first state has a bold edge."]
    for each in machines():
        file = Path(str(each.module.__file__)).resolve().relative_to(FOLDER.parent)
        said += ["", f"## {each.title}", "", f"{each.told} The table is `TRANSITIONS` in `{file}`.", ""]
        said += [f"![{each.title}](states-{each.name}.svg)", "", "| from | to |", "|---|---|"]
        for state in each.states:
            to = [f"{other} ({_plain(label)})" if label else other for (one, other), label in each.arrows.items() if one == state]
            if to:
                said.append(f"| {state} | {', '.join(to)} |")
    return "\n".join(said)


page("states.md", *(each.module for each in machines()))(_states)


def _dot(it: Machine) -> str:
    """Return a machine in Graphviz's language."""
    lines = [f'digraph "{it.title}" {{', "rankdir=LR; nodesep=0.35; ranksep=0.6;"]
    lines += ['node [shape=box, style="rounded,filled", fillcolor="#eef3fb", color="#3366cc", fontname="sans-serif", fontsize=12];']
    lines += ['edge [color="#555555", fontname="sans-serif", fontsize=10];', f'"{it.start}" [penwidth=2.5];']
    lines += [f'"{one}" -> "{other}"' + (f' [label="{label}"];' if label else ";") for (one, other), label in it.arrows.items()]
    return "\n".join([*lines, "}"])


DRAWINGS.update({f"states-{each.name}.svg": partial(_dot, each) for each in machines()})


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

A file that no option names is used only if no other user can have written it: it and its folder
belong to you or to root, and not everybody can write them.

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
    "Access": 'These keys stand in `{"Access": {...}}`. [Access](access.md) explains them, and has the words for networks.',
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
    if place == "Limits" and key.name in DEFAULT_TIMES:
        return f"—: {DEFAULT_TIMES[key.name]:g}, when a place is needed"
    if value is None and place == "a pool" and hasattr(Config().limits, key.name):
        return "that of `Limits`"
    if value is None or value is dataclasses.MISSING or (isinstance(value, tuple) and not all(isinstance(entry, str) for entry in value)):
        return "—"
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
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

"""`kernelbus keys`: this machine's key, and the machines that it trusts on the bus."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from kernelbus.bus.security.curve import allow_command, key_store, own_name
from kernelbus.bus.security.keys import KeysError, KeyStore
from kernelbus.bus.settings.config import Config, ConfigError, load

__all__ = ["ACTIONS", "run_keys"]

_NONE = "this machine has no key pair: make one with {}"


def run_keys(options: argparse.Namespace) -> int:
    """Do what `options.action` says; returns the exit status."""
    try:
        # A folder that is named needs no configuration, which may be the broken thing.
        config = Config() if options.keys is not None else load(options.configuration_file)
        store = key_store(config) if options.keys is None else KeyStore(Path(options.keys))
        return ACTIONS[options.action](store, options)
    except (ConfigError, KeysError) as error:
        print(f"{options.parser.prog}: {error}", file=sys.stderr)
        return 2


def _new(store: KeyStore, options: argparse.Namespace) -> int:
    renewed = options.force and store.secret_file.exists()
    store.new(options.force)
    status = _show(store, options)
    if renewed and not options.json and not options.quiet:
        print("What runs on this machine has the new key once it is started anew.")
    return status


def _show(store: KeyStore, options: argparse.Namespace) -> int:
    pair = store.pair()
    if pair is None:
        raise KeysError(_NONE.format(store.command("new")))
    if options.json:
        _print_json({"key": pair.public, "name": own_name(), "folder": str(store.folder)})
    elif options.quiet:
        print(pair.public)
    else:
        print(f"The key of this machine is {pair.public}\nTo have another machine trust it, say there:\n  {allow_command(pair.public)}")
    return 0


def _allow(store: KeyStore, options: argparse.Namespace) -> int:
    pair = store.pair()
    if pair is not None and options.key == pair.public:
        raise KeysError("this is the key of this machine itself, which is always allowed here: say it on the other machine")
    store.allow(options.key, options.name, " ".join(options.comment))
    print(f"{options.name} is allowed")
    return 0


def _revoke(store: KeyStore, options: argparse.Namespace) -> int:
    _, name = store.revoke(options.key)
    print(f"{name} is no longer allowed")
    return 0


def _list(store: KeyStore, options: argparse.Namespace) -> int:
    pair, entries = store.pair(), store.entries()
    if options.json:
        allowed = [{"key": key, "name": entry.name, "comment": entry.comment} for key, entry in entries.items()]
        _print_json({"key": pair.public if pair else None, "name": own_name(), "folder": str(store.folder), "allowed": allowed})
        return 0
    rows = [(pair.public, own_name(), "this machine")] if pair is not None else []
    rows += [(key, entry.name, entry.comment) for key, entry in entries.items()]
    width = max((len(name) for _, name, _ in rows), default=0)
    for key, name, comment in rows:
        print(f"{key}  {name:{width}}  {comment}".rstrip())
    if pair is None:
        print(_NONE.format(store.command("new")), file=sys.stderr)
    return 0


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


#: What may be said behind `kernelbus keys`.
ACTIONS: dict[str, Callable[[KeyStore, argparse.Namespace], int]] = {
    "new": _new,
    "show": _show,
    "allow": _allow,
    "revoke": _revoke,
    "list": _list,
}

"""`kernelbus keys`: this machine's key, and the machines that it trusts on the bus.

Each action is a function that takes the store of keys and returns the exit status;
:func:`run_keys` opens the store for it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from kernelbus.bus.plaintext import plain
from kernelbus.bus.security.curve import allow_command, key_store, own_name
from kernelbus.bus.security.keys import KeysError, KeyStore
from kernelbus.bus.settings.config import Config, ConfigError, load
from kernelbus.shell.exits import OK, UNUSABLE
from kernelbus.shell.terminal import complain

__all__ = ["allow_key", "list_keys", "new_key", "revoke_key", "run_keys", "show_key"]

_NONE = "this machine has no key pair: make one with {}"


def run_keys(action: Callable[[KeyStore], int], *, program: str, folder: str | None = None, configuration_file: str | None = None) -> int:
    """Open the store of keys and run `action` on it; return the exit status.

    Args:
        action: takes the store, and returns the exit status.
        program: the words that begin an error's line.
        folder: the folder of keys; None: the one that the configuration names.
        configuration_file: the configuration; None: the one that the parts would find.
    """
    try:
        # A named folder needs no configuration, which may be what is broken.
        config = Config() if folder is not None else load(configuration_file)
        return action(key_store(config) if folder is None else KeyStore(Path(folder)))
    except (ConfigError, KeysError) as error:
        complain(program, error)
        return UNUSABLE


def new_key(store: KeyStore, *, force: bool = False, as_json: bool = False, quiet: bool = False) -> int:
    """Make this machine's key pair and print its public key; `force`: also if there is one.

    Raises:
        KeysError: there is a pair already, or the files cannot be written.
    """
    renewed = force and store.secret_file.exists()
    store.new(force)
    status = show_key(store, as_json=as_json, quiet=quiet)
    if renewed and not as_json and not quiet:
        print("What runs on this machine has the new key once it is started anew.")
    return status


def show_key(store: KeyStore, *, as_json: bool = False, quiet: bool = False) -> int:
    """Print this machine's public key, and the command that allows it on another machine.

    Args:
        store: the keys.
        as_json: print JSON.
        quiet: print the key alone.

    Raises:
        KeysError: there is no pair, or it cannot be read.
    """
    pair = store.pair()
    if pair is None:
        raise KeysError(_NONE.format(store.command("new")))
    if as_json:
        _print_json({"key": pair.public, "name": own_name(), "folder": str(store.folder)})
    elif quiet:
        print(pair.public)
    else:
        print(f"The key of this machine is {pair.public}\nTo have another machine trust it, say there:\n  {allow_command(pair.public)}")
    return OK


def allow_key(store: KeyStore, key: str, name: str, comment: str = "") -> int:
    """Trust the machine that has the public key `key`, under `name`.

    Raises:
        KeysError: it is this machine's own key, or no key, or the file cannot be written.
    """
    pair = store.pair()
    if pair is not None and key == pair.public:
        raise KeysError("this is the key of this machine itself, which is always allowed here: allow it on the other machine")
    store.allow(key, name, comment)
    print(f"{name} is allowed")
    return OK


def revoke_key(store: KeyStore, key: str) -> int:
    """Stop trusting a machine; `key` is its public key or its name here.

    Raises:
        KeysError: no machine is allowed under it, or the file cannot be written.
    """
    _, name = store.revoke(key)
    print(f"{plain(name)} is no longer allowed")
    return OK


def list_keys(store: KeyStore, *, as_json: bool = False) -> int:
    """Print this machine's public key and those that are allowed.

    Raises:
        KeysError: the files cannot be read.
    """
    pair, entries = store.pair(), store.entries()
    if as_json:
        allowed = [{"key": key, "name": entry.name, "comment": entry.comment} for key, entry in entries.items()]
        _print_json({"key": pair.public if pair else None, "name": own_name(), "folder": str(store.folder), "allowed": allowed})
        return OK
    rows = [(pair.public, own_name(), "this machine")] if pair is not None else []
    rows += [(key, plain(entry.name), plain(entry.comment)) for key, entry in entries.items()]
    width = max((len(name) for _, name, _ in rows), default=0)
    for key, name, comment in rows:
        print(f"{key}  {name:{width}}  {comment}".rstrip())
    if pair is None:
        print(_NONE.format(store.command("new")), file=sys.stderr)
    return OK


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))

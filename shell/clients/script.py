"""`kernelbus script`: run code with the command line of wolframscript, or install that name."""

from __future__ import annotations

import codecs
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kernelbus.shell.clients.choice import Choice, ChoiceError
from kernelbus.shell.clients.sources import SourceError, read_file, read_input
from kernelbus.shell.clients.statements import Source
from kernelbus.shell.clients.wolframscript import (
    HELP,
    Invocation,
    ScriptUsageError,
    call_of,
    in_its_words,
    parse,
)
from kernelbus.shell.exits import FAILED, UNUSABLE
from kernelbus.shell.extras import require
from kernelbus.shell.terminal import complain

__all__ = ["install", "run_script"]

_WHO = "kernelbus script"
#: In the second line of an executable that was made here.
_MADE = "Made by kernelbus script --install"
#: Names of encodings in the Wolfram Language that Python has under another name.
_CHARSETS = {"UTF8": "utf-8", "Unicode": "utf-16", "WindowsANSI": "cp1252", "MacintoshRoman": "mac-roman", "PrintableASCII": "ascii"}


def run_script(words: Sequence[str]) -> int:
    """Run what the words after `kernelbus script` say, and return the exit status."""
    try:
        made = parse(words, os.path.isfile)
        match made.action:
            case "help":
                print(HELP, end="")
                return 0
            case "version":
                from importlib.metadata import version

                print(f"kernelbus {version('kernelbus')}, with the command line of wolframscript")
                return 0
            case "install":
                return install(Path(made.directory), server=made.server or "", force=made.force)
        if made.charset:
            _set_charset(made.charset)
        return _run(made)
    except (ScriptUsageError, ChoiceError) as error:
        complain(_WHO, in_its_words(str(error)))
        return UNUSABLE
    except SourceError as error:
        complain(_WHO, error)
        return FAILED


def _run(made: Invocation) -> int:
    where = made.where
    choice = Choice.of(
        server=made.server,
        discover=where.get("discover"),
        pool=where.get("pool"),
        kernel_id=where.get("kernel_id"),
        start_profile=where.get("start_profile"),
        continue_profile=where.get("continue_profile"),
        prefer_profile=where.get("prefer_profile"),
        token_file=where.get("token_file"),
    )
    if made.verbose:
        complain(_WHO, f"uses the server at {choice.address.place if choice.address else made.where or '31415@127.0.0.1'}")
    if made.local:
        complain(_WHO, f"-local {made.local}: kernels come from a server, whose pools say which program they run")
    if made.code is None and made.file is None and not made.linewise:
        require("admin", "prompt_toolkit")
        from kernelbus.shell.clients.repl import run_repl

        return run_repl(choice)
    from kernelbus.shell.clients.eval import run_eval
    from kernelbus.shell.clients.tasks import PLAIN, Manner, Print, form_named

    source = _source(made)
    name = made.file if made.file is not None else "wolframscript"
    whole: str | None = None
    if made.linewise:
        whole = ""  # each line will be its value
    elif "$ScriptInputString" in source.text and made.file != "-":
        whole = read_input().text
    printing = Print("last" if made.code is not None or made.function else made.printing)
    manner = Manner(form_named(made.form) if made.form else PLAIN, printing, (name, *made.arguments), whole)
    return run_eval([source], choice=choice, timeout=made.timeout, manner=manner, who=_WHO, words=in_its_words)


def _source(made: Invocation) -> Source:
    source = Source(made.code or "") if made.file is None else read_file(made.file)
    if made.function:
        text = source.text.partition("\n")[2] if source.text.startswith("#!") else source.text
        if made.linewise and not made.arguments:
            return Source("", linewise=True, call=lambda line: call_of(text, made.signature, [line]))
        source = Source(call_of(text, made.signature, made.arguments))
    return replace(source, linewise=made.linewise)


def _set_charset(name: str) -> None:
    """Write text in the encoding that the Wolfram Language calls `name`."""
    encoding = "latin-1" if name == "None" else _CHARSETS.get(name, name)
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ScriptUsageError(f"-charset: {name!r} is no encoding: give UTF-8, ISO8859-1, WindowsANSI, None, ...") from None
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding=encoding)


def install(directory: Path, *, server: str = "", force: bool = False) -> int:
    """Make an executable `wolframscript` in a folder, and the folder; return the exit status.

    Args:
        directory: the folder.
        server: the server that it uses unless it is given another; "": the default one.
        force: whether to replace a file of another program.

    Raises:
        ChoiceError: `server` is no server's address.
    """
    if server:
        Choice.of(server=server)
    file = directory / "wolframscript"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        complain(_WHO, f"--install: {directory} cannot be made: {error.strerror or error}")
        return FAILED
    if os.path.lexists(file) and not force and not _is_ours(file):
        complain(_WHO, f"--install: {file} is another program's: --force replaces it")
        return FAILED
    command = [sys.executable, "-P", "-m", "kernelbus.shell.main", "script", *(["-wstpserver", server] if server else [])]
    words = " ".join(shlex.quote(word) for word in command)
    text = f'#!/bin/sh\n# {_MADE}: wolframscript on kernels of a kernelbus server.\nexec {words} "$@"\n'
    made = file.with_name(f".wolframscript.{os.getpid()}")
    try:
        made.write_text(text)
        made.chmod(0o755)
        made.replace(file)
    except OSError as error:
        made.unlink(missing_ok=True)
        complain(_WHO, f"--install: {file}: {error.strerror or error}")
        return FAILED
    print(f"{file} is made")
    found = shutil.which("wolframscript")
    if found is None:
        print(f"{directory} is not in PATH")
    elif not os.path.samefile(found, file):
        print(f"PATH finds {found} first")
    return 0


def _is_ours(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return _MADE.encode() in opened.read(400)
    except OSError:
        return False

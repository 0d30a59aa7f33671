"""`kernelbus eval` and `kernelbus script`: their options, and what is then called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernelbus.shell.arguments import Parser, add_choice, run_client, seconds
from kernelbus.shell.exits import FAILED, UNUSABLE
from kernelbus.shell.terminal import complain

if TYPE_CHECKING:
    from kernelbus.shell.clients.choice import Choice
    from kernelbus.shell.clients.statements import Source

__all__ = ["add_eval", "add_script", "divided", "run_eval_command"]

_PRINTS = ("last", "all", "none")


def divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide the words of a command line of `kernelbus eval` at the first ``--``.

    What is behind it is never read as an option. ``--script FILE`` stands for ``--file FILE
    --print none --``: everything behind the file is for the script.
    """
    for index, word in enumerate(words):
        if word == "--":
            return list(words[:index]), list(words[index + 1 :])
        if word == "--script" or word.startswith("--script="):
            joined = word.startswith("--script=")
            file = [word.partition("=")[2]] if joined else list(words[index + 1 : index + 2])
            if file:
                printing = [] if any(w.partition("=")[0] == "--print" for w in words[:index]) else ["--print", "none"]
                behind = index + (1 if joined else 2)
                return [*words[:index], *printing, "--file", *file], list(words[behind:])
    return list(words), []


def add_eval(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `kernelbus eval`."""
    parser = commands.add_parser(
        "eval",
        help="evaluate code, or run a script, on a kernel of a server",
        usage="kernelbus eval [OPTION ...] CODE ...\n       kernelbus eval [OPTION ...] --file FILE ... [--] [ARGUMENT ...]",
        description="Evaluate each CODE on one kernel of a server and print the results in InputForm; or run files, whose arguments are "
        "$ScriptCommandLine. What the code prints goes to standard output, messages to standard error; what it asks is answered with "
        "lines of standard input. The kernel is ended afterwards, unless it was named or got by a profile.",
        epilog="exit status: 0 all evaluated; 1 one failed (it gave $Failed, cannot be read, or a file cannot) or was aborted; 2 no server "
        "or no kernel from it; 130 interrupted; n after Exit[n]. Ctrl-C aborts the evaluation, a second one leaves at once.",
    )
    parser.add_argument(
        "words", metavar="CODE", nargs="*", help="what to evaluate, in order; - reads standard input; with --file or --code: an argument"
    )
    told = "run this file, expression by expression, and show its last value; - is standard input"
    parser.add_argument("--file", metavar="FILE", action="append", dest="sources", type=_file, default=[], help=told)
    told = "evaluate this too, in the order of the options; all other words are then arguments"
    parser.add_argument("--code", metavar="CODE", action="append", dest="sources", type=_code, help=told)
    told = "run this file; all words behind it are its arguments, for a first line #!/usr/bin/env -S kernelbus eval --script"
    parser.add_argument("--script", metavar="FILE", help=told)
    parser.add_argument(
        "--print",
        nargs="?",
        choices=_PRINTS,
        const="last",
        help="which values of a file are shown, if they are not Null: the last one (default), all, or none (default of --script)",
    )
    parser.add_argument(
        "--format",
        metavar="FORM",
        default="InputForm",
        help="how values are shown: OutputForm, TeXForm, FullForm, another form of ToString, or a format of Export, as JSON (%(default)s)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        help="abort an evaluation that takes longer, and give up if no kernel comes in this time (no limit)",
    )
    add_choice(parser)
    parser.set_defaults(run=run_eval_command, parser=parser, rest=[])


def add_script(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `kernelbus script` to the list of commands; its words are read elsewhere."""
    commands.add_parser(
        "script",
        add_help=False,
        help="run code as wolframscript does, with its command line",
    )


def _file(name: str) -> tuple[str, str]:
    return "file", name


def _code(text: str) -> tuple[str, str]:
    return "code", text


def run_eval_command(options: argparse.Namespace) -> int:
    """Run `kernelbus eval`."""
    from kernelbus.shell.clients.sources import SourceError

    try:
        sources, arguments = _sources(options)
    except SourceError as error:
        complain("kernelbus eval", error)
        return FAILED
    if not sources:
        hint = "; write --discover=NAME, since a word after --discover is a name" if options.discover else ""
        complain("kernelbus eval", f"there is nothing to evaluate: give CODE, - for standard input, or --file FILE{hint}")
        return UNUSABLE

    def run(choice: Choice) -> int:
        from kernelbus.shell.clients.eval import run_eval
        from kernelbus.shell.clients.tasks import Manner, Print, form_named

        manner = Manner(form_named(options.format), Print(options.print or "last"), arguments)
        return run_eval(sources, choice=choice, timeout=options.timeout, manner=manner)

    return run_client(options, run)


def _sources(options: argparse.Namespace) -> tuple[list[Source], tuple[str, ...] | None]:
    """Return what is to be evaluated, and what `$ScriptCommandLine` is; None: nothing is set."""
    from kernelbus.shell.clients.sources import read_file, read_input
    from kernelbus.shell.clients.statements import Source

    words = [*options.words, *options.rest]
    if not options.sources:
        return [read_input() if word == "-" else Source(word) for word in words], None
    sources = [read_file(given) if kind == "file" else Source(given) for kind, given in options.sources]
    name = next((given for kind, given in options.sources if kind == "file"), sys.argv[0])
    return sources, (name, *words)

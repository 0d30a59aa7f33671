"""Lines and arguments of the admin shell, before cmd2 sees them.

A line may hold several commands and a comment, and ids that look like options. No I/O.
"""

from __future__ import annotations

import argparse
from typing import Any

from cmd2 import Cmd2ArgumentParser, RawDescriptionCmd2HelpFormatter, TextGroup

__all__ = ["Parser", "add_json", "commands_of", "parser", "positive", "seconds"]


def commands_of(line: str) -> list[str]:
    """Divide a line at its semicolons and drop its comment; neither counts within quotes."""
    commands, current, quote = [], "", ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == ";":
            commands.append(current)
            current = ""
            continue
        elif character == "#" and (index == 0 or line[index - 1].isspace() or line[index - 1] == ";"):
            break
        current += character
    return [command.strip() for command in [*commands, current] if command.strip()]


class Parser(Cmd2ArgumentParser):
    """A parser that takes a kernel id for an argument, although it may begin with a hyphen."""

    def _parse_optional(self, arg_string: str) -> Any:
        known = self._option_string_actions
        short = known.get(arg_string[:2])
        if len(arg_string) < 3 or arg_string.partition("=")[0] in known or (short is not None and short.nargs != 0):
            return super()._parse_optional(arg_string)
        # An argument; argparse would report an unknown option.
        return None


def parser(description: str, *examples: str) -> Parser:
    """Make the parser of a command, with examples in its help."""
    return Parser(
        description=description,
        epilog=TextGroup("Examples", "\n".join(examples)),
        formatter_class=RawDescriptionCmd2HelpFormatter,
        allow_abbrev=False,
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def seconds(text: str) -> float:
    """Read a length of time, in seconds, for argparse.

    Raises:
        argparse.ArgumentTypeError: `text` is not a number above 0.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def positive(text: str) -> int:
    """Read a whole number above 0 for argparse.

    Raises:
        argparse.ArgumentTypeError: `text` is not one.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)

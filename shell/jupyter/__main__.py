"""The program that a kernelspec names: `python -m kernelbus.shell.jupyter -f FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kernelbus.shell.arguments import Parser
from kernelbus.shell.clients.choice import Choice, ChoiceError
from kernelbus.shell.exits import UNUSABLE
from kernelbus.shell.extras import MissingExtra, needed
from kernelbus.shell.terminal import complain

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the kernel until Jupyter ends it, and return the exit status.

    `arguments`: of the command line; None: those of the process.
    """
    options, rest = _parser().parse_known_args(arguments)
    try:
        with needed():
            from ipykernel.kernelapp import IPKernelApp

            from kernelbus.shell.jupyter.kernel import NotebookKernel
    except MissingExtra as error:
        complain("kernelbus jupyter", error)
        return UNUSABLE
    try:
        choice = Choice.of(
            server=options.server,
            discover=options.discover,
            pool=options.pool,
            token_file=options.token_file,
            ca_file=options.ca_file,
        )
    except ChoiceError as error:
        complain("kernelbus jupyter", error)
        return UNUSABLE
    NotebookKernel.wanted, NotebookKernel.may_start = choice, not options.no_start
    IPKernelApp.launch_instance(argv=rest, kernel_class=NotebookKernel)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="kernelbus jupyter", description="The kernel of a notebook.", add_help=False, allow_abbrev=False)
    parser.add_argument("--server")
    parser.add_argument("--discover", nargs="?", const="")
    parser.add_argument("--pool")
    parser.add_argument("--token-file")
    parser.add_argument("--ca-file")
    parser.add_argument("--no-start", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Run a Woxi kernel: ``python -m kernelbus.kernelhost.woxi -wstp -linkname port@host ...``."""

from __future__ import annotations

import logging
import sys

from kernelbus.kernelhost.woxi.kernel import run

__all__: list[str] = []

if __name__ == "__main__":
    logging.basicConfig(format="kernelhost.woxi: %(message)s", stream=sys.stderr)
    sys.exit(run(sys.argv[1:]))

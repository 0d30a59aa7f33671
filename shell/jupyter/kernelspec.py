"""What Jupyter reads about the kernel: its language, and how to start it. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["LANGUAGE", "NAME", "kernel_json"]

#: The name under which Jupyter knows the kernel, unless another is given.
NAME = "kernelbus"
_SHOWN = "Wolfram Language (kernelbus)"

#: `language_info` of the Jupyter protocol; mode and lexer are those of CodeMirror and Pygments.
LANGUAGE: dict[str, Any] = {
    "name": "wolfram",
    "version": "",
    "mimetype": "text/x-mathematica",
    "file_extension": ".wl",
    "pygments_lexer": "wolfram",
    "codemirror_mode": "mathematica",
    "nbconvert_exporter": "script",
}


def kernel_json(python: str, words: Sequence[str], display_name: str) -> dict[str, Any]:
    """Return the content of `kernel.json`.

    Args:
        python: the interpreter that has kernelbus.
        words: options of the kernel, as `--server`.
        display_name: what people choose it by; "" for the usual one.
    """
    return {
        "argv": [python, "-m", "kernelbus.shell.jupyter", "-f", "{connection_file}", *words],
        "display_name": display_name or _SHOWN,
        "language": LANGUAGE["name"],
        "interrupt_mode": "message",
        "env": {},
        "metadata": {"debugger": False, "supported_encryption": ["curve"]},
    }

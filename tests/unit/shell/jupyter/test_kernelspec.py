"""What Jupyter reads about the kernel: kernelbus.shell.jupyter.kernelspec."""

from __future__ import annotations

import pygments.lexers

from kernelbus.shell.jupyter.kernelspec import LANGUAGE, kernel_json


def test_a_kernelspec() -> None:
    spec = kernel_json("/py", ["--server", "5@host"], "")
    assert spec["argv"] == ["/py", "-m", "kernelbus.shell.jupyter", "-f", "{connection_file}", "--server", "5@host"]
    assert spec["interrupt_mode"] == "message"
    assert spec["metadata"]["supported_encryption"] == ["curve"]
    assert spec["language"] == LANGUAGE["name"]


def test_the_lexer_exists() -> None:
    assert pygments.lexers.get_lexer_by_name(LANGUAGE["pygments_lexer"])

"""The command line of a kernel in a sandbox. tests/e2e/test_confinement.py runs one."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.process.sandbox import sandboxed


@pytest.mark.parametrize("network", [True, False])
def test_a_command_is_wrapped(network: bool) -> None:
    words = sandboxed(["kernel", "-x"], "/tmp/own", ["/usr", "/root/python", "/tmp/venv"], network=network)
    assert words[0] == "bwrap"
    assert words[-3:] == ["--", "kernel", "-x"]
    assert ("--unshare-net" in words) is not network
    text = " ".join(words)
    assert "--ro-bind-try /root/python /root/python --ro-bind-try /tmp/venv /tmp/venv --bind /tmp/own /tmp/own --chdir /tmp/own" in text
    assert "/usr /usr" not in text, "it can be read already"
    assert text.index("--ro-bind / /") < text.index("--tmpfs /tmp") < text.index("--ro-bind-try /tmp/venv"), "the later hides the earlier"

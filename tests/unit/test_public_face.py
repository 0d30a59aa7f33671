"""What `import kernelbus` offers, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kernelbus


def test_every_name_that_is_offered_is_there() -> None:
    assert sorted(kernelbus.__all__) == sorted(set(kernelbus.__all__) & set(dir(kernelbus)))
    for name in kernelbus.__all__:
        assert getattr(kernelbus, name).__name__.rpartition(".")[2] == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = kernelbus.Nonsense


def test_a_name_loads_its_module_only_when_it_is_used() -> None:
    program = (
        "import sys, kernelbus\n"
        "print([name for name in sys.modules if name.startswith(('kernelbus.', 'wstp', 'numpy', 'zmq'))])\n"
        "from kernelbus import KernelPool\n"
        "print(KernelPool.__module__ in sys.modules, 'zmq' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["[]", "True False"]

"""`kernelbus jupyter install`, `list` and `remove`: the kernelspecs that Jupyter finds."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from kernelbus.shell.exits import FAILED, UNUSABLE
from kernelbus.shell.jupyter.kernelspec import NAME, kernel_json
from kernelbus.shell.terminal import complain

__all__ = ["install", "list_kernels", "remove"]

_MODULE = "kernelbus.shell.jupyter"
_LOGOS = Path(__file__).with_name("logos")


def install(words: Sequence[str], *, name: str = NAME, display_name: str = "", user: bool = False, prefix: str | None = None) -> int:
    """Write a kernelspec, and say where; replaces one of the same name.

    Args:
        words: options of the kernel, checked.
        name: its name, as `jupyter --kernel` takes it.
        display_name: what people choose it by; "" for the usual one.
        user: whether it is for this user; else it is for the system.
        prefix: the folder that has `share/jupyter`; None: none was named.
    """
    manager = KernelSpecManager()
    try:
        with tempfile.TemporaryDirectory() as folder:
            content = kernel_json(sys.executable, words, display_name)
            shutil.copytree(_LOGOS, folder, dirs_exist_ok=True)
            (Path(folder) / "kernel.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            where = manager.install_kernel_spec(folder, kernel_name=name, user=user, prefix=prefix)
    except (OSError, ValueError) as error:
        complain("kernelbus jupyter install", f"the kernelspec cannot be written: {error}")
        return UNUSABLE
    print(f"Kernel {name} ({content['display_name']}) is installed in {where}")
    return 0


def list_kernels() -> int:
    """Print the kernelspecs that are ours: name, name for people, folder, and options."""
    for name, spec in sorted(_ours().items()):
        words = spec["spec"]["argv"]
        rest = words[words.index("{connection_file}") + 1 :] if "{connection_file}" in words else []
        print("\t".join([name, spec["spec"]["display_name"], spec["resource_dir"], " ".join(rest)]))
    return 0


def remove(name: str) -> int:
    """Remove a kernelspec that is ours."""
    if name not in _ours():
        complain("kernelbus jupyter remove", f"there is no kernel {name} of kernelbus: kernelbus jupyter list shows them")
        return FAILED
    try:
        print(f"Removed {KernelSpecManager().remove_kernel_spec(name)}")
    except (OSError, NoSuchKernel) as error:
        complain("kernelbus jupyter remove", error)
        return UNUSABLE
    return 0


def _ours() -> dict[str, dict]:
    return {name: spec for name, spec in KernelSpecManager().get_all_specs().items() if _MODULE in spec["spec"]["argv"]}

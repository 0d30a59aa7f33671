"""Who may import what: ARCHITECTURE.md's two lists, checked."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAY_IMPORT = {
    "wstp": {"wstp", "numpy"},
    "bus": {"bus", "zmq", "marshmallow", "tenacity"},
    "frontend": {"frontend", "wstp", "bus", "zeroconf", "ifaddr"},
    "kernelhost": {"kernelhost", "wstp", "bus", "kernelbus"},
}

SANS_IO = [
    *(f"wstp/{name}.py" for name in ["completion", "expr", "expression", "features", "handshake", "lexer", "limits", "linkspec"]),
    *(f"wstp/{name}.py" for name in ["machine", "messages", "packets", "text", "tokens", "tracker", "transcoder"]),
    "bus/frames.py",
    "bus/channel.py",
    "bus/broker.py",
    "bus/brokertables.py",
    "bus/messages.py",
    "bus/sessions.py",
    "bus/admission.py",
    "bus/zap.py",
    "bus/status.py",
    "bus/schema.py",
    "bus/reports.py",
    "bus/orders.py",
    "bus/histogram.py",
    "bus/naming.py",
    "bus/admin.py",
    "bus/reload.py",
    "kernelhost/pool.py",
    "kernelhost/pooltable.py",
    "kernelhost/excerpt.py",
    "kernelhost/gate.py",
    "kernelhost/output.py",
    "kernelhost/conversation.py",
    "kernelhost/ladder.py",
    "kernelhost/memory.py",
    "kernelhost/trace.py",
    "frontend/sieve.py",
    "frontend/delivery.py",
    "frontend/commands.py",
    "frontend/answers.py",
    "shell/tables.py",
    "shell/admin/targets.py",
    "frontend/census.py",
    "kernelhost/figures.py",
    "frontend/services.py",
    "frontend/found.py",
]

WORLD = {"asyncio", "socket", "zmq", "time", "random", "secrets", "subprocess", "threading", "select", "selectors", "signal"}


def imports(path: Path) -> set[str]:
    """The packages (of ours: the parts) that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(_package(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(_package(node.module))
    return found


def _package(module: str) -> str:
    return module.removeprefix("kernelbus.").split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    modules = [path for path in (ROOT / package).rglob("*.py") if "mathics" not in path.parts]
    assert modules
    for path in modules:
        foreign = {name for name in imports(path) if name not in sys.stdlib_module_names and name != "__future__"}
        assert foreign <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {sorted(foreign - MAY_IMPORT[package])}"


def test_the_embedded_kernel_knows_nothing_of_the_bus() -> None:
    for path in (ROOT / "kernelhost" / "mathics").rglob("*.py"):
        assert "bus" not in imports(path), f"{path.relative_to(ROOT)} imports bus"


@pytest.mark.parametrize("module", SANS_IO)
def test_a_sans_io_module_touches_no_world(module: str) -> None:
    touched = imports(ROOT / module) & WORLD
    assert not touched, f"{module} imports {sorted(touched)}"


def test_only_who_advertises_or_looks_has_zeroconf() -> None:
    program = "import sys, kernelbus.shell.server, kernelbus.shell.eval, kernelbus.kernelhost.parent; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0

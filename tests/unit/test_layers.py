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
    "bus/channel/frames.py",
    "bus/channel/channel.py",
    "bus/broker/machine.py",
    "bus/broker/tables.py",
    "bus/protocol/messages.py",
    "bus/broker/sessions.py",
    "bus/security/admission.py",
    "bus/security/zap.py",
    "bus/broker/status.py",
    "bus/protocol/schema.py",
    "bus/protocol/reports.py",
    "bus/protocol/orders.py",
    "bus/protocol/histogram.py",
    "bus/protocol/naming.py",
    "bus/broker/administration.py",
    "bus/settings/reload.py",
    "kernelhost/pools/pool.py",
    "kernelhost/pools/table.py",
    "kernelhost/session/excerpt.py",
    "kernelhost/session/gate.py",
    "kernelhost/session/output.py",
    "kernelhost/session/conversation.py",
    "kernelhost/session/ladder.py",
    "kernelhost/process/memory.py",
    "kernelhost/session/trace.py",
    "frontend/sieve.py",
    "frontend/delivery.py",
    "frontend/commands.py",
    "frontend/answers.py",
    "shell/operations/tables.py",
    "shell/admin/targets.py",
    "frontend/census.py",
    "kernelhost/pools/figures.py",
    "frontend/discovery/services.py",
    "frontend/discovery/found.py",
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
    modules = ["shell.operations.serve", "shell.clients.eval", "kernelhost.process.parent"]
    program = f"import sys, {', '.join(f'kernelbus.{name}' for name in modules)}; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0

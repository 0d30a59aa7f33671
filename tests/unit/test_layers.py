"""Who may import what: the layers of layers.toml, and no circle anywhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = tomllib.loads(Path(__file__).with_name("layers.toml").read_text(encoding="utf-8"))
PARTS: dict[str, dict[str, list[str]]] = LAYERS["parts"]
TOP = ("wstp", "bus", "frontend", "kernelhost", "shell")
SANS_IO = [f"{folder}/{name}.py" for folder, names in LAYERS["sans_io"].items() for name in names]

WORLD = {"asyncio", "socket", "zmq", "time", "random", "secrets", "subprocess", "threading", "select", "selectors", "signal"}


def _modules() -> dict[str, Path]:
    """Return the path of each module by its name."""
    found = {"kernelbus": ROOT / "src" / "kernelbus" / "__init__.py"}
    for part in TOP:
        for path in (ROOT / part).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name if part == "wstp" else f"kernelbus.{name}"] = path
    return found


MODULES = _modules()


def imported(path: Path) -> Iterator[str]:
    """Give each module that a module imports anywhere in it, for type checking or in a function
    too.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: an import is absolute"
            assert node.module is not None
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


IMPORTS = {name: set(imported(path)) for name, path in MODULES.items()}
GRAPH = {name: {other for other in others if other in MODULES and other != name} for name, others in IMPORTS.items()}


def part_of(module: str) -> str:
    """Return the key of layers.toml under which a module of ours stands."""
    name = module.removeprefix("kernelbus.")
    return max((part for part in PARTS if name == part or name.startswith(f"{part}.")), key=len)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in graph:
        if node not in index:
            visit(node)
    return found


def room_of(module: str) -> str:
    """Return the room in which a module stands; a module beside rooms is one of its own."""
    package = module.rpartition(".")[0]
    has_rooms = any(MODULES[name].name == "__init__.py" and name.rpartition(".")[0] == package for name in MODULES)
    return module if MODULES[module].name == "__init__.py" or has_rooms else package


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert len(GRAPH) > 150
    assert circles(GRAPH) == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, others in GRAPH.items():
        rooms.setdefault(room_of(module), set()).update(room_of(other) for other in others if room_of(other) != room_of(module))
    assert circles(rooms) == []


@pytest.mark.parametrize("package", [name for name, path in MODULES.items() if path.name == "__init__.py"])
def test_a_package_says_what_it_is(package: str) -> None:
    tree = ast.parse(MODULES[package].read_text(encoding="utf-8"))
    assert len(ast.get_docstring(tree) or "") > 40
    if package not in ("kernelbus", "wstp"):
        loads = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        ours = [alias.name for node in loads for alias in node.names if isinstance(node, ast.ImportFrom) or alias.name != "os"]
        assert ours == [], "a room's __init__ loads nothing"


@pytest.mark.parametrize("module", [name for name in MODULES if name != "kernelbus"])
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    part = part_of(module)
    for name in IMPORTS[module]:
        top = name.split(".")[0]
        if name == "kernelbus":
            continue
        if name in MODULES:
            assert part_of(name) in {part, *PARTS[part]["parts"]}, f"{module} imports {name}"
        elif top not in sys.stdlib_module_names:
            assert top in PARTS[part]["libraries"], f"{module} imports {name}"


@pytest.mark.parametrize("module", SANS_IO)
def test_a_sans_io_module_touches_no_world(module: str) -> None:
    touched = {name.split(".")[0] for name in imported(ROOT / module)} & WORLD
    assert not touched, f"{module} imports {sorted(touched)}"


def test_only_who_advertises_or_looks_has_zeroconf() -> None:
    modules = ["shell.operations.serve", "shell.clients.eval", "kernelhost.process.parent"]
    program = f"import sys, {', '.join(f'kernelbus.{name}' for name in modules)}; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0


# ---- each module has its tests -------------------------------------------------------------------


TESTS = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path != Path(__file__)}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in TESTS.items()}
TEST_IMPORTS = {name: set(imported(path)) for name, path in TESTS.items()}


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])
def test_a_module_has_a_test_module_that_names_it(module: str) -> None:
    """Naming is to import it, or to write its whole name: what a program does is tested by running
    it.
    """
    where = MODULES[module].relative_to(ROOT)
    own = f"tests/unit/{where.parent}/test_{where.stem.strip('_')}.py"
    named = re.compile(rf"(?<![\w.]){re.escape(module)}(?!\w)")
    tests = [name for name in TESTS if name == own or module in TEST_IMPORTS[name] or named.search(TEXTS[name])]
    if module in LAYERS["untested"]:
        assert not tests, f"{module} is tested by {tests}: take it off the list"
        assert len(LAYERS["untested"][module]) > 20
    else:
        assert tests, f"no test module names {module}"


def test_the_list_of_untested_modules_has_no_strangers() -> None:
    assert LAYERS["untested"].keys() <= MODULES.keys()


def test_unit_tests_stand_where_their_modules_do() -> None:
    """A folder of tests/unit is a folder of the tree."""
    here = ROOT / "tests" / "unit"
    folders = [path.relative_to(here) for path in here.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []

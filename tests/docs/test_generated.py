"""Generated pages are up to date and complete; links work in the source and on the site."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from kernelbus.bus.settings.schema import PLACES, Key

ROOT = Path(__file__).parents[2]


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = script("generate")


@pytest.mark.parametrize("name", generate.PAGES)
def test_it_is_what_the_script_makes(name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == generate.text_of(name), "run make docs"


@pytest.mark.parametrize("name", generate.DRAWINGS)
def test_a_drawing_is_of_the_table_of_now(name: str) -> None:
    text = (ROOT / "docs" / name).read_text("utf-8")
    assert text.startswith(generate.head_of(name)), "run make docs"
    assert text.rstrip().endswith("</svg>")


def test_each_state_is_reached_and_drawn() -> None:
    for machine in generate.machines():
        reached = {machine.start}
        while more := {other for one, other in machine.arrows if one in reached} - reached:
            reached |= more
        assert reached == set(machine.states), machine.title
        assert all(f">{state}</text>" in (ROOT / "docs" / f"states-{machine.name}.svg").read_text("utf-8") for state in reached)


@pytest.mark.parametrize(
    ("place", "key"),
    [pytest.param(place, key, id=f"{place}.{key.spelled}") for place, keys in PLACES.items() for key in keys],
)
def test_every_key_has_a_meaning(place: str, key: Key) -> None:
    assert key.meaning.endswith(".")
    assert key.meaning.count("`") % 2 == 0
    assert key.takes
    (row,) = (row for row in rows(place) if f"`{key.spelled}`" in row[0])
    assert row[1] == key.takes
    assert row[3] == key.meaning


def rows(place: str) -> list[list[str]]:
    """Give the cells of the table of a place."""
    page = generate.text_of("configuration.md")
    (section,) = (part for part in page.split("\n## ") if part.startswith(generate._TITLES[place] + "\n"))
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in section.splitlines()
        if line.startswith("|")
    ]


@pytest.mark.parametrize(
    ("place", "key", "default", "reloaded"),
    [
        ("", "AllowStealingKernels", "`false`", "at once: broker"),
        ("a pool", "MinimumKernelNumber", "2", "at once: host"),
        ("a pool", "MaximumKernelNumber", "—", "at once: host"),
        ("Bus", "HeartbeatTimeout", "5", "at once: broker; restart: frontend, host"),
        ("Bus", "LocalTransport", '`"call"`', "restart: broker"),
        ("Limits", "Chunk", "1048576 (1 MiB)", "restart: frontend, host"),
    ],
)
def test_defaults_and_reloads(place: str, key: str, default: str, reloaded: str) -> None:
    (row,) = (row for row in rows(place) if f"`{key}`" in row[0])
    assert (row[2], row[4]) == (default, reloaded)


def test_a_page_that_differs_is_found_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "PAGES", {})
    monkeypatch.setattr(generate, "DRAWINGS", {})
    generate.page("made.md", importlib.import_module("kernelbus.bus.settings.reload"))(lambda: "# Made\n")
    assert generate.differing(tmp_path) == ["made.md"]
    generate.write(tmp_path)
    assert generate.differing(tmp_path) == []
    text = (tmp_path / "made.md").read_text("utf-8")
    assert "* bus/settings/reload.py\n" in text
    assert text.endswith("-->\n\n# Made\n")
    (tmp_path / "made.md").write_text(text + "More.\n")
    assert generate.differing(tmp_path) == ["made.md"]


def test_the_check_names_a_page_that_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"]) == 0
    monkeypatch.setattr(generate, "PAGES", {**generate.PAGES, "none.md": (lambda: "# None\n", ())})
    assert generate.main(["--check"]) == 1
    assert "none.md is not what docs/generate.py makes" in capsys.readouterr().err


def test_it_can_be_run_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


class TestLinks:
    @pytest.fixture
    def hooks(self) -> ModuleType:
        pytest.importorskip("mkdocs")
        return script("hooks")

    @pytest.mark.parametrize(
        ("page", "source", "site"),
        [
            ("configuration.md", "see [a page](metrics.md#x)", "see [a page](metrics.md#x)"),
            ("configuration.md", "see [the map](../ARCHITECTURE.md#x)", "see [the map](architecture.md#x)"),
            ("configuration.md", "see [`the file`](../configs/compose.yaml)", "see `the file`"),
            ("configuration.md", "see [nothing](../nothing.md)", "see [nothing](../nothing.md)"),
            ("configuration.md", "see [a site](https://mathics.org)", "see [a site](https://mathics.org)"),
            (
                "configuration.md",
                "```\n[the map](../ARCHITECTURE.md)\n```",
                "```\n[the map](../ARCHITECTURE.md)\n```",
            ),
            ("changelog.md", "see [a page](docs/metrics.md)", "see [a page](metrics.md)"),
            (
                "changelog.md",
                "see [the map](ARCHITECTURE.md), [code](bus/settings/reload.py)",
                "see [the map](architecture.md), code",
            ),
        ],
    )
    def test_they_lead_to_pages_of_the_site(self, hooks: Any, page: str, source: str, site: str) -> None:
        shown = SimpleNamespace(file=SimpleNamespace(src_uri=page))
        assert hooks.on_page_markdown(source, shown, None, None) == site


def test_examples_of_docstrings_are_shown_as_code() -> None:
    doctests = script("doctests")
    text = "Do it (:class:`~a.B`).\n\n>>> 1 + 1\n2\n>>> 3\n3\n\nArgs:\n    x: it.\n"
    assert doctests.shown(text) == "Do it (`a.B`).\n\n```pycon\n>>> 1 + 1\n2\n>>> 3\n3\n```\n\nArgs:\n    x: it.\n"

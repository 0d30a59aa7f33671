"""What README.md and the pages of docs/ show is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docpages import check_page, run_page, why_not

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


#: Paths of the source that a page names; those with NAME in them stand for any.
_PATH = re.compile(r"`((?:benchmarks|bus|configs|docs|frontend|kernelhost|shell|tests|wstp)/[\w./-]+\.\w+)`")


@pytest.mark.parametrize(
    "page",
    [*PAGES, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_files_that_it_names_exist(page: Path) -> None:
    named = set(_PATH.findall(page.read_text(encoding="utf-8")))
    assert {path for path in named if "NAME" not in path and not (ROOT / path).exists()} == set()


#: Tests that a page names: the file and the function, or the class of a state machine.
_TEST = re.compile(r"`(tests/[\w/-]+\.py)::(\w+)`")


@each_page
def test_the_tests_that_it_names_exist(page: Path) -> None:
    def exists(path: str, name: str) -> bool:
        text = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
        return re.search(rf"^ *(?:async )?def {name}\(|^class {name}:|^{name} = ", text, re.M) is not None

    named = set(_TEST.findall(page.read_text(encoding="utf-8")))
    assert {f"{path}::{name}" for path, name in named if not exists(path, name)} == set()


@each_page
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    check_page(page)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.timeout(1800)
@each_page
def test_it_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)

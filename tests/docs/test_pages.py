"""What README.md and the pages of docs/ show is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from docpages import check_page, run_page, why_not

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    check_page(page)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.timeout(1800)
@each_page
def test_it_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)

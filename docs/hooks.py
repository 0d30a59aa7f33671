"""Take the pages of the source's root into the site, and have links work in both places.

The site has docs/ and the pages of the root, such as ARCHITECTURE.md. In the source a page links to
the others by their paths there, so that links work where the source is read. Here a link to a page
of the root leads to its page of the site, and of a link to another file of the source the text is
kept. A link to a file that does not exist is left, and is an error with --strict.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

ROOT = Path(__file__).resolve().parent.parent

#: The pages of the root that are in the site: file, and what it is called there.
ROOT_PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "README.md": "index.md",
}

_LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<path>[^()#\s:]+)(?P<anchor>#[^()\s]*)?\)")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root."""
    for name, uri in ROOT_PAGES.items():
        if uri not in files.src_uris and (ROOT / name).is_file():
            files.append(File.generated(config, uri, content=(ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change the links of a page."""
    inside = ""
    lines: list[str] = []
    for line in markdown.split("\n"):
        fence = _FENCE.match(line)
        if fence and not inside:
            inside = fence[1]
        elif fence and line.strip().startswith(inside):
            inside = ""
        lines.append(line if inside or fence else _LINK.sub(lambda link: _changed(link, page), line))
    return "\n".join(lines)


def _changed(link: re.Match[str], page: Page) -> str:
    own = (ROOT / "docs" / page.file.src_uri).is_file()
    path = Path(os.path.normpath((ROOT / "docs" if own else ROOT) / link["path"]))
    if not path.exists():
        return link.group()
    anchor = link["anchor"] or ""
    if path.is_relative_to(ROOT / "docs"):
        return f"[{link['text']}]({path.relative_to(ROOT / 'docs').as_posix()}{anchor})"
    uri = ROOT_PAGES.get(str(path.relative_to(ROOT)))
    return f"[{link['text']}]({uri}{anchor})" if uri else link["text"]

"""Lets the site hold pages that live elsewhere in the repository, so that no document has two copies."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "agent/rules/README.md": "agent-rules.md",
    "nano/world/README.md": "nano-world.md",
}
"""Pages outside of docs/, by their place in the repository, and their place on the site."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that live elsewhere."""
    for source, there in ELSEWHERE.items():
        files.append(File.generated(config, there, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Points links at pages of the site; a link to a file that is no page of it becomes the file's name."""
    del config
    return relinked(markdown, page.file.src_uri, {f.src_uri for f in files})


def relinked(markdown: str, page: str, pages: set[str]) -> str:
    """The text of a page with its relative links as they are on the site.

    Args:
        markdown: as it stands in the repository.
        page: its place on the site, such as "benchmarks/world.md".
        pages: all places on the site.
    """
    home = {there: source for source, there in ELSEWHERE.items()}.get(page, f"docs/{page}")

    def link(match: re.Match[str]) -> str:
        mark, text, target, anchor = match.group(1), match.group(2), match.group(3), match.group(4) or ""
        if "://" in target or target.startswith("mailto:"):
            return match.group(0)
        there = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
        on_site = ELSEWHERE.get(there, there.removeprefix("docs/") if there.startswith("docs/") else "")
        if there == "README.md":
            on_site = "README.md"
        if on_site not in pages:
            return f"{text} (`{there}`)" if (ROOT / there).exists() else match.group(0)
        return f"{mark}[{text}]({posixpath.relpath(on_site, posixpath.dirname(page) or '.')}{anchor})"

    return _LINK.sub(link, markdown)

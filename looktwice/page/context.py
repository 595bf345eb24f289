"""What every tab is built with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from looktwice.page.engine import Engine
from looktwice.page.sessions import Visits
from looktwice.page.words import Words
from prompts import render


@dataclass(frozen=True)
class PageContext:
    """The engine, the visitors, the words and where evals lie."""

    engine: Engine
    visits: Visits
    words: Words
    results: Path
    """Folder whose subfolders are eval runs."""

    def product_choices(self) -> list[tuple[str, str]]:
        """What a list of products offers: none, those that were learned, and those that ship ready-made."""
        return [(self.words["no_product"], ""), *((name, name) for name in self.engine.store.names())]

    def trouble(self, text: str, *, inside: bool = False) -> str:
        """A failure as a piece of the page, escaped; a fault inside says that the page goes on."""
        shown = self.words("failed_inside", reason=text) if inside else text
        return self.box("trouble", self.words["trouble"], shown)

    def box(self, kind: Literal["trouble", "note", "fine"], title: str, text: str) -> str:
        """A boxed sentence, escaped."""
        return render("page/trouble.html.jinja", kind=kind, title=title, text=text)

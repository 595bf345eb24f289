"""What a run shows to people: one page with tables, curves and pictures, a table as CSV, a row as Markdown.

It reads results and predictions, and measures nothing.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from evals.reports.html import write_answers_page, write_page
    from evals.reports.tables import csv_of, label_of, leaderboard, leaderboard_head, leaderboard_row, ordered
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "html": ["write_answers_page", "write_page"],
            "tables": ["csv_of", "label_of", "leaderboard", "leaderboard_head", "leaderboard_row", "ordered"],
        },
    )

__all__ = [
    "csv_of",
    "label_of",
    "leaderboard",
    "leaderboard_head",
    "leaderboard_row",
    "ordered",
    "write_answers_page",
    "write_page",
]

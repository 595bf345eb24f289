"""What a run shows to people: one page with tables, curves and pictures, a table as CSV, a row as Markdown.

It reads results and predictions, and measures nothing.
"""

from __future__ import annotations

from evals.reports.html import write_answers_page, write_page
from evals.reports.tables import csv_of, label_of, leaderboard, leaderboard_head, leaderboard_row, ordered

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

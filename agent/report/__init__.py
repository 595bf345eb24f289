"""The report of an inspection: its data, its sentences and the files that show it."""

from __future__ import annotations

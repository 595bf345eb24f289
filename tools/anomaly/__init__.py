"""Patch matchers: how anomalous each place looks, by words or beside references, and where that peaks.

Nothing here decides what a score is worth.
"""

from __future__ import annotations

from tools.anomaly.clip_scorer import EncodedImages, PatchScorer
from tools.anomaly.memory_bank import Bank
from tools.anomaly.patchcore import MemoryOptions, PatchMemory, ReferenceMatcher
from tools.anomaly.peaks import peaks

__all__ = ["Bank", "EncodedImages", "MemoryOptions", "PatchMemory", "PatchScorer", "ReferenceMatcher", "peaks"]

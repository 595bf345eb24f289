"""Patch matchers: how anomalous each place looks, by words or beside references, and where that peaks.

Nothing here decides what a score is worth.
"""

from tools.patches.bank import Bank
from tools.patches.peaks import peaks
from tools.patches.reference import MemoryOptions, PatchMemory
from tools.patches.text import EncodedImages, PatchScorer

__all__ = ["Bank", "EncodedImages", "MemoryOptions", "PatchMemory", "PatchScorer", "peaks"]

"""Patch matchers: how anomalous each place looks, by words or beside references, and where that peaks.

Nothing here decides what a score is worth.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tools.anomaly.bank_cache import default_bank_cache
    from tools.anomaly.clip_scorer import EncodedImages, PatchScorer
    from tools.anomaly.damage import MIRRORS, PhotoTracer, Tokens
    from tools.anomaly.memory_bank import Bank
    from tools.anomaly.patchcore import MemoryOptions, PatchMemory, ReferenceMatcher
    from tools.anomaly.two_scale import TwoScaleBank, TwoScaleMatcher
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "bank_cache": ["default_bank_cache"],
            "clip_scorer": ["EncodedImages", "PatchScorer"],
            "damage": ["MIRRORS", "PhotoTracer", "Tokens"],
            "memory_bank": ["Bank"],
            "patchcore": ["MemoryOptions", "PatchMemory", "ReferenceMatcher"],
            "two_scale": ["TwoScaleBank", "TwoScaleMatcher"],
        },
    )

__all__ = [
    "MIRRORS",
    "Bank",
    "EncodedImages",
    "MemoryOptions",
    "PatchMemory",
    "PatchScorer",
    "PhotoTracer",
    "ReferenceMatcher",
    "Tokens",
    "TwoScaleBank",
    "TwoScaleMatcher",
    "default_bank_cache",
]

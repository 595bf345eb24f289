"""The photos on which all contenders are compared: rendered products, their references, good ones and defects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals.datasets.base import Case, Label
from tools.types import Mask, Sample

Split = Literal["trained", "heldout"]
SPLITS: tuple[Split, ...] = ("trained", "heldout")
"""Families that the embedded models learned from, and families that no model saw: those are only ever measured on."""
VALIDATION_FROM = 3_000_000
"""Good photos of a peer that wants a validation set are rendered from this index on: neither references nor cases."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One product: what contenders may learn from, and what they are measured on."""

    name: str
    noun: str
    """Noun phrase that models are told."""
    references: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    """More good photos, for the peer whose rules need a validation set; ours never sees them."""
    photos: tuple[Sample, ...]
    labels: tuple[Label, ...]
    truths: tuple[Mask, ...]
    """(H, W) of each photo; nothing set on good ones."""


def shown_products(
    split: Split, *, seed: int, limit: int, shots: int, validation: int, families: Sequence[str] | None = None
) -> list[Shown]:
    """Products of a split with about `limit` photos in all, half of each good and the others over all its defects.

    Args:
        split: which families.
        seed: of what is rendered.
        limit: photos over all families; each has at least four, so that it has good ones and both kinds of defect.
        shots: references of each family.
        validation: further good photos of each family.
        families: only these of the split.
    """
    from evals.datasets.world import open_world
    from nano.world import HELDOUT, TRAINED

    names = [n for n in {"trained": TRAINED, "heldout": HELDOUT}[split] if families is None or n in families]
    each = max(4, limit // max(1, len(names)))
    categories = open_world(split=split, seed=seed, per_category=each, categories=names) if names else []
    return [
        Shown(
            category.name, category.product, tuple(category.references(shots, seed)),
            tuple(_good(category.name, seed, n) for n in range(validation)),
            tuple(case.photo() for case in category.cases), tuple(case.label for case in category.cases),
            tuple(_truth(case) for case in category.cases),
        )
        for category in categories
    ]  # fmt: skip


def _good(name: str, seed: int, number: int) -> Sample:
    from nano.world import render
    from tools.images import sample_from_array

    return sample_from_array(render(name, seed=seed, index=VALIDATION_FROM + number, defect=None).image)


def _truth(case: Case) -> Mask:
    import numpy as np

    mask = case.truth()
    return mask if mask is not None else np.zeros(case.photo().image.shape[:2], dtype=np.bool_)

"""The photos on which all contenders are compared: rendered products, their references, good ones and defects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Literal

from evals.datasets.base import Label, alternating
from tools.types import Mask, Sample

if TYPE_CHECKING:
    from agent.rules import Measured
    from nano.world import Scene

Split = Literal["trained", "heldout"]
SPLITS: tuple[Split, ...] = ("trained", "heldout")
"""Families that the embedded models learned from, and families that no model saw: those are only ever measured on."""
REFERENCES_FROM = 1_000_000
"""References are rendered from this index on, so that none is a case."""
VALIDATION_FROM = 3_000_000
"""Good photos of a peer that wants a validation set are rendered from this index on: neither references nor cases."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One rendered photo and its truth."""

    sample: Sample
    label: Label
    truth: Mask
    """(H, W): which pixels are anomalous; nothing set on a good one."""
    parts: tuple[Mask, ...]
    """(H, W) each: the true parts that can be seen."""
    measured: Measured
    """The true parts as the agent would measure them."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One product: what contenders may learn from, and what they are measured on."""

    name: str
    noun: str
    """Noun phrase that models are told."""
    references: tuple[Photo, ...]
    validation: tuple[Photo, ...]
    """More good photos, for the peer whose rules need a validation set; ours never sees them."""
    photos: tuple[Photo, ...]

    @property
    def good(self) -> tuple[Sample, ...]:
        """The references as contenders are given them."""
        return tuple(p.sample for p in self.references)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Of the photos, in their order."""
        return tuple(p.label for p in self.photos)


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
    from nano.world import HELDOUT, TRAINED

    every = {"trained": TRAINED, "heldout": HELDOUT}[split]
    names = [n for n in every if families is None or n in families]
    each = max(4, limit // len(every))
    return [_shown(name, seed, each, shots, validation) for name in names]


def _shown(name: str, seed: int, count: int, shots: int, validation: int) -> Shown:
    from nano.world import family, render

    about = family(name)
    kinds: list[tuple[Label, str]] = [("logical", d) for d in about.logical]
    kinds += [("structural", d) for d in about.structural]
    plan: list[tuple[Label, str | None]] = [("good", None)] * (count // 2)
    plan += list(islice(cycle(alternating(kinds)), count - count // 2))

    def photo(index: int, label: Label = "good", defect: str | None = None) -> Photo:
        return _photo(render(name, seed=seed, index=index, defect=defect), label)

    return Shown(
        name, about.product, tuple(photo(REFERENCES_FROM + n) for n in range(shots)),
        tuple(photo(VALIDATION_FROM + n) for n in range(validation)),
        tuple(photo(index, label, defect) for index, (label, defect) in enumerate(plan)),
    )  # fmt: skip


def _photo(scene: Scene, label: Label) -> Photo:
    from evals.truth import measured_truth
    from tools.images import sample_from_array

    masks = tuple(part.mask for part in scene.parts if part.mask.any())
    return Photo(sample_from_array(scene.image), label, scene.anomaly_mask, masks, measured_truth(scene))

"""Which type a region is, by its likeness to the mean of each type's examples (prototypes); nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.defects.lessons import DefectLessons, Embedding

SHARPNESS = 8.0
"""How fast the probability of a type falls with its distance; fitted by `evals.studies.defect_types --fit`."""
ALIKE = 0.19
"""Cosine of centred embeddings below which a region is like no lesson; 90 % of those of taught types lie above."""


@dataclass(frozen=True)
class TypeEstimate:
    """What type a region is likely to be."""

    probabilities: dict[str, float]
    """By type, the likeliest first; they add up to 1."""
    likeness: float
    """Cosine with the nearest lesson, in [-1, 1]."""
    nearest: int
    """Index of the nearest lesson."""

    @property
    def known(self) -> bool:
        """Whether the region is like any lesson."""
        return self.likeness >= ALIKE

    @property
    def best(self) -> tuple[str, float]:
        """The likeliest type and its probability."""
        return next(iter(self.probabilities.items()))


def classify(embedding: Embedding, lessons: DefectLessons, *, sharpness: float = SHARPNESS) -> TypeEstimate:
    """The type of a region.

    Args:
        embedding: (D,) of the region, by the backbone of the lessons.
        lessons: at least one.
        sharpness: how fast the probability of a type falls with its distance.
    """
    return _estimate(embedding, lessons.embeddings, [lesson.defect for lesson in lessons.lessons], sharpness)


def leave_one_out(lessons: DefectLessons) -> float | None:
    """Share of lessons whose type the others name rightly; None where no type has two lessons."""
    names = [lesson.defect for lesson in lessons.lessons]
    embeddings = lessons.embeddings
    right = []
    for index, name in enumerate(names):
        if names.count(name) > 1:
            rest = [n for n in range(len(names)) if n != index]
            found = _estimate(embeddings[index], embeddings[rest], [names[n] for n in rest], SHARPNESS)
            right.append(found.best[0] == name)
    return float(np.mean(right)) if right else None


def _estimate(embedding: Embedding, examples: Embedding, names: Sequence[str], sharpness: float) -> TypeEstimate:
    """The type of an embedding (D,) by examples (N, D) and their names."""
    types = list(dict.fromkeys(names))
    member = np.array([[name == kind for name in names] for kind in types])
    # What all types have in common, such as the product's surface, tells none of them from another.
    common = np.mean([examples[rows].mean(axis=0) for rows in member], axis=0) if len(types) > 1 else 0.0
    units, own = _unit(examples - common), _unit((embedding - common)[None])[0]
    means = _unit(np.stack([units[rows].mean(axis=0) for rows in member]))
    votes = np.exp(sharpness * (means @ own))
    ranked = sorted(zip(types, (votes / votes.sum()).tolist(), strict=True), key=lambda item: -item[1])
    likeness = units @ own
    nearest = int(likeness.argmax())
    return TypeEstimate(dict(ranked), float(likeness[nearest]), nearest)


def _unit(rows: Embedding) -> Embedding:
    """Rows of unit length."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Embedding = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return found

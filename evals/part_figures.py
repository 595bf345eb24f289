"""Measures parts on the world: counts without words, masks, colours and lengths, and what is missing or one too many.

Run `python -m evals.part_figures [--photos 20] [--profile nano]`. Types are discovered on four good references and
named on those same references by the truth; no other photo's truth is used but to be compared with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from evals.metrics.ranking import auroc
from nano.recipes.cache import EVALUATION_SEED, CachedScene, Thing, scenes
from nano.world import HELDOUT, TRAINED, family
from tools.images import sample_from_array
from tools.parts import calibrated_price, explained, measure
from tools.types import Mask, Part

if TYPE_CHECKING:
    from tools.parts import PartTypes
    from tools.toolbox import Toolbox

PER_FAMILY = 40
REFERENCES = 4
NAMED = 0.3
"""A type is named after the part that its segments overlap most, by so much (IoU) at least."""
HIT = 0.5
"""A part is found where a mask of its name overlaps it more than this (IoU)."""
CLOSE = 0.1
"""Share of the true length within which a length is right."""


@dataclass(frozen=True)
class PartFigures:
    """Of one family, each in [0, 1] or NaN where it cannot be told."""

    exact_count: float
    """Share of (photo, noun) pairs whose count is exact."""
    found: float
    """Share of true parts that a mask of their name covers (IoU above 0.5)."""
    mask_iou: float
    """Mean overlap of those masks."""
    colour: float
    """Share of those whose colour name is that of the true pixels."""
    length: float
    """Share of those whose length is within a tenth of the true one."""
    matching: float
    """AUROC of the matching cost: logical defects against good photos."""


def figures(toolbox: Toolbox, name: str, photos: int) -> PartFigures:
    """Figures of one family on its first photos, those used as references left out."""
    shown = scenes([name], seed=EVALUATION_SEED, per_family=PER_FAMILY, evaluation=True)
    good = [s for s in shown if s.index % 2 == 0][:REFERENCES]
    tested = [s for s in shown if all(s is not g for g in good)][:photos]
    types = toolbox.discoverer.learn([sample_from_array(np.array(s.image)) for s in good])
    references = [_parts(toolbox, s, types) for s in good]
    names = _named(good, references, types, family(name).nouns)
    found = [_parts(toolbox, s, types) for s in tested]
    exact = [
        _count(parts, names[noun]) == sum(t.name == noun for t in scene.parts)
        for scene, parts in zip(tested, found, strict=True)
        for noun in family(name).nouns
    ]
    masks = [_best(t, parts, names[t.name]) for s, parts in zip(tested, found, strict=True) for t in s.parts]
    truth = [(s, t) for s in tested for t in s.parts]
    hits = [(s, t, p) for (s, t), (iou, p) in zip(truth, masks, strict=True) if p is not None and iou > HIT]
    return PartFigures(
        fmean(exact),
        len(hits) / len(truth),
        fmean(iou for iou, _ in masks),
        _share([_colour_agrees(*hit) for hit in hits]),
        _share([_length_agrees(*hit) for hit in hits]),
        _matching(tested, found, references, good),
    )


def _parts(toolbox: Toolbox, scene: CachedScene, types: PartTypes) -> tuple[Part, ...]:
    found = toolbox.discoverer.find(sample_from_array(np.array(scene.image)), types)
    return tuple(p for p in found if p.label in types.labels)


def _count(parts: Sequence[Part], labels: frozenset[str]) -> int:
    return sum(p.label in labels for p in parts)


def _named(
    good: Sequence[CachedScene], references: Sequence[Sequence[Part]], types: PartTypes, nouns: Sequence[str]
) -> dict[str, frozenset[str]]:
    """The types of each noun: those whose segments mostly show it, as many as count it best on the references."""
    shows: dict[str, list[str]] = {noun: [] for noun in nouns}
    for label in types.labels:
        seen = Counter(
            _shown(p, scene) for scene, parts in zip(good, references, strict=True) for p in parts if p.label == label
        )
        noun, times = seen.most_common(1)[0] if seen else ("", 0)
        if noun and 2 * times >= seen.total():
            shows[noun].append(label)
    return {noun: _counting(noun, labels, good, references) for noun, labels in shows.items()}


def _counting(
    noun: str, labels: Sequence[str], good: Sequence[CachedScene], references: Sequence[Sequence[Part]]
) -> frozenset[str]:
    """Types are added while the count of the noun on the references gains by it."""
    truth = [sum(t.name == noun for t in s.parts) for s in good]
    chosen: frozenset[str] = frozenset()
    best = (-1.0, -math.inf)
    while True:
        tries = []
        for label in labels:
            off = [abs(_count(p, chosen | {label}) - n) for p, n in zip(references, truth, strict=True)]
            tries.append(((fmean(o == 0 for o in off), -fmean(off)), label))
        gain, label = max((t for t in tries if t[1] not in chosen), default=((-1.0, -math.inf), ""))
        if gain <= best:
            return chosen
        best, chosen = gain, chosen | {label}


def _shown(part: Part, scene: CachedScene) -> str:
    """The noun that a segment shows, "" for none."""
    iou, noun = max(((_iou(part.region.mask, t.mask), t.name) for t in scene.parts), default=(0.0, ""))
    return noun if iou >= NAMED else ""


def _iou(one: Mask | None, other: Mask) -> float:
    return 0.0 if one is None else float((one & other).sum() / max(int((one | other).sum()), 1))


def _best(thing: Thing, parts: Sequence[Part], labels: frozenset[str]) -> tuple[float, Part | None]:
    mine = [(_iou(p.region.mask, thing.mask), n) for n, p in enumerate(parts) if p.label in labels]
    iou, n = max(mine, default=(0.0, -1))
    return iou, parts[n] if n >= 0 else None


def _share(right: Sequence[bool]) -> float:
    return fmean(right) if right else math.nan


def _colour_agrees(scene: CachedScene, thing: Thing, part: Part) -> bool:
    return part.measures is not None and part.measures.colour == measure(np.array(scene.image), thing.mask).colour


def _length_agrees(scene: CachedScene, thing: Thing, part: Part) -> bool:
    true = measure(np.array(scene.image), thing.mask).length
    return part.measures is not None and abs(part.measures.length - true) <= CLOSE * true


def _matching(
    tested: Sequence[CachedScene],
    found: Sequence[Sequence[Part]],
    references: Sequence[Sequence[Part]],
    good: Sequence[CachedScene],
) -> float:
    """AUROC of the cost of the cheapest explanation; NaN where the family has no logical defect."""
    sizes = [(s.image.shape[1], s.image.shape[0]) for s in good]
    price = calibrated_price(references, sizes)
    costs, logical = [], []
    for scene, parts in zip(tested, found, strict=True):
        kinds = {d.kind for d in scene.defects}
        if kinds in (set(), {"logical"}):
            best = explained(parts, references, sizes[0], sizes, price)
            costs.append(best[1].cost if best else 0.0)
            logical.append(bool(kinds))
    return auroc(np.array(logical), np.array(costs)) if 0 < sum(logical) < len(logical) else math.nan


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return fmean(known) if known else math.nan


def main(
    photos: Annotated[int, typer.Option(min=1, help="Photos of each family, after the references.")] = 20,
    profile: Annotated[str, typer.Option(help="A profile by name or path.")] = "nano",
    only: Annotated[str, typer.Option(help="Families, separated by commas; all by default.")] = "",
) -> None:
    """Print the figures of every family and their means."""
    from rich.console import Console
    from rich.table import Table

    from tools.profiles import load_profile
    from tools.toolbox import Toolbox

    toolbox = Toolbox.open(load_profile(profile), "cpu")
    keys = ("exact_count", "found", "mask_iou", "colour", "length", "matching")
    table = Table("family", *(k.replace("_", " ") for k in keys))
    wanted = [n for n in only.split(",") if n]
    for told, names in (("trained", TRAINED), ("held-out", HELDOUT)):
        measured = [(n, figures(toolbox, n, photos)) for n in names if not wanted or n in wanted]
        for name, row in measured:
            table.add_row(name, *(f"{getattr(row, k):.2f}" for k in keys))
        if measured:
            means = [_mean([getattr(row, k) for _, row in measured]) for k in keys]
            table.add_row(f"mean, {told}", *(f"{m:.3f}" for m in means), end_section=True)
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)

"""Measures parts on the world: counts without words, masks, colours and lengths, and what is missing or one too many.

Run `python -m evals.studies.part_quality [--photos 20] [--profile nano]`. Types are discovered on four good references
and named on those same references by the truth; no other photo's truth is used but to be compared with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from agent.calibration.maps import Calibration
from agent.products.learn import learn
from evals.metrics.ranking import auroc
from evals.run.ground_truth import SHOWN, mask_iou
from nano.recipes.cache import EVALUATION_SEED, CachedScene, Thing, scenes
from nano.recipes.grounder.evaluate import average_precision
from nano.world import HELDOUT, TRAINED, family
from tools.images import sample_from_array
from tools.parts import measure
from tools.parts.measurement import touching
from tools.profiles import load_profile
from tools.toolbox import Toolbox
from tools.types import Part

if TYPE_CHECKING:
    from tools.parts import PartTypes
PER_FAMILY = 40
REFERENCES = 4
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
    ap50: float
    """Average precision of their boxes at an IoU of 0.5, the mean over nouns."""
    mask_iou: float
    """Mean overlap of those masks."""
    colour: float
    """Share of those whose colour name is that of the true pixels."""
    length: float
    """Share of those whose length is within a tenth of the true one."""
    connected: float
    """Balanced accuracy of whether two of those touch, against the true masks."""
    matching: float
    """AUROC of what the cheapest explanation by a reference costs: logical defects against good photos."""
    missing: float
    """The same of missing parts alone."""
    extra: float
    """The same of extra parts alone."""
    swapped: float
    """The same of swapped parts alone."""
    named: float
    """Share of the discovered types to which the language model and the detector together gave a name."""
    named_right: float
    """Share of those names that are what the type's segments mostly show on the references."""


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
    costs = [_cost(toolbox, scene, types) for scene in tested]
    right = _right_names(toolbox, name, good, references)
    return PartFigures(
        exact_count=fmean(exact),
        found=len(hits) / len(truth),
        ap50=_mean([_precision(tested, found, noun, labels) for noun, labels in names.items()]),
        mask_iou=fmean(iou for iou, _ in masks),
        colour=_share([_colour_agrees(*hit) for hit in hits]),
        length=_share([_length_agrees(*hit) for hit in hits]),
        connected=_connected(hits),
        matching=_matching(tested, costs),
        **{kind: _matching(tested, costs, f"{kind} part") for kind in ("missing", "extra")},
        swapped=_matching(tested, costs, "swapped parts"),
        named=len(right) / max(1, len(types.labels)),
        named_right=_share(right),
    )


def _right_names(
    toolbox: Toolbox, name: str, good: Sequence[CachedScene], references: Sequence[Sequence[Part]]
) -> list[bool]:
    """Of each name that a discovered type gets from the references alone, whether it is right."""
    samples = [sample_from_array(np.array(s.image)) for s in good]
    product = family(name).product
    spec = learn(toolbox, name, samples, product=product).spec
    right = []
    for label, called in spec.called.items():
        seen: Counter[str] = Counter()
        for scene, sample, parts in zip(good, samples, references, strict=True):
            whole = toolbox.discoverer.pose(sample).mask
            for part in (p for p in parts if p.label == label):
                thing = _shown(part, scene)
                seen[thing or (product if mask_iou(part.region.mask, whole) > HIT else "")] += 1
        shown = seen.most_common(1)[0][0] if seen else ""
        same = bool(shown) and shown.split()[-1] == called.split()[-1]
        right.append(same or (shown == product and called in product))
    return right


def _cost(toolbox: Toolbox, scene: CachedScene, types: PartTypes) -> float:
    explanation = toolbox.discoverer.explain(sample_from_array(np.array(scene.image)), types)
    return 0.0 if explanation is None else explanation.cost


def _precision(
    tested: Sequence[CachedScene], found: Sequence[Sequence[Part]], noun: str, labels: frozenset[str]
) -> float:
    """Average precision of one noun; NaN where no photo shows it."""
    if not any(t.name == noun for s in tested for t in s.parts):
        return math.nan
    called = [tuple(replace(p, label=noun) for p in parts if p.label in labels) for parts in found]
    return average_precision(tested, called, noun)


def _connected(hits: Sequence[tuple[CachedScene, Thing, Part]]) -> float:
    """Balanced accuracy over pairs of parts that were both found on one photo; NaN where none or all touch."""
    right: dict[bool, list[bool]] = {True: [], False: []}
    for (scene, thing, part), (other_scene, other, other_part) in combinations(hits, 2):
        masks = part.region.mask, other_part.region.mask
        if scene is other_scene and masks[0] is not None and masks[1] is not None:
            truth = touching(thing.mask, other.mask)
            right[truth].append(touching(masks[0], masks[1]) == truth)
    return fmean(fmean(r) for r in right.values()) if all(right.values()) else math.nan


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
    iou, noun = max(((mask_iou(part.region.mask, t.mask), t.name) for t in scene.parts), default=(0.0, ""))
    return noun if iou >= SHOWN else ""


def _best(thing: Thing, parts: Sequence[Part], labels: frozenset[str]) -> tuple[float, Part | None]:
    mine = [(mask_iou(p.region.mask, thing.mask), n) for n, p in enumerate(parts) if p.label in labels]
    iou, n = max(mine, default=(0.0, -1))
    return iou, parts[n] if n >= 0 else None


def _share(right: Sequence[bool]) -> float:
    return fmean(right) if right else math.nan


def _colour_agrees(scene: CachedScene, thing: Thing, part: Part) -> bool:
    return part.measures is not None and part.measures.colour == measure(np.array(scene.image), thing.mask).colour


def _length_agrees(scene: CachedScene, thing: Thing, part: Part) -> bool:
    true = measure(np.array(scene.image), thing.mask).length
    return part.measures is not None and abs(part.measures.length - true) <= CLOSE * true


def _matching(tested: Sequence[CachedScene], costs: Sequence[float], defect: str | None = None) -> float:
    """AUROC of costs, of one logical defect or of all; NaN where no photo has it."""
    kept = []
    for scene, cost in zip(tested, costs, strict=True):
        kinds, names = {d.kind for d in scene.defects}, {d.name for d in scene.defects}
        if not kinds or (kinds == {"logical"} and (defect is None or defect in names)):
            kept.append((bool(kinds), cost))
    logical = np.array([bad for bad, _ in kept])
    return auroc(logical, np.array([cost for _, cost in kept])) if 0 < logical.sum() < len(kept) else math.nan


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return fmean(known) if known else math.nan


def main(
    photos: Annotated[int, typer.Option(min=1, help="Photos of each family, after the references.")] = 20,
    profile: Annotated[str, typer.Option(help="A profile by name or path.")] = "nano",
    only: Annotated[str, typer.Option(help="Families, separated by commas; all by default.")] = "",
) -> None:
    """Print the figures of every family and their means."""
    toolbox = Toolbox.open(
        load_profile(profile), "cpu", part_parameters=Calibration.of_profile(profile).part_parameters
    )
    keys = tuple(f.name for f in fields(PartFigures))
    table = Table("family", *(k.replace("_", " ") for k in keys))
    wanted = [n for n in only.split(",") if n]
    for told, names in (("trained", TRAINED), ("held-out", HELDOUT)):
        measured = [(n, figures(toolbox, n, photos)) for n in names if not wanted or n in wanted]
        for name, row in measured:
            table.add_row(name, *(f"{getattr(row, k):.2f}" for k in keys))
        if measured:
            means = [_mean([getattr(row, k) for _, row in measured]) for k in keys]
            table.add_row(f"mean, {told}", *(f"{m:.3f}" for m in means), end_section=True)
    Console(width=150).print(table)


if __name__ == "__main__":
    typer.run(main)

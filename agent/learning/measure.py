"""Finds and measures the parts of one photo; used on references and on photos alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.learning.confidence import FAINT, confidence
from agent.rules import Measured
from agent.spec import ProductSpec
from tools.types import Part, Sample

if TYPE_CHECKING:
    from tools.parts import PartTypes
    from tools.toolbox import Toolbox


def find_parts(toolbox: Toolbox, sample: Sample, spec: ProductSpec, types: PartTypes | None = None) -> Measured:
    """Parts by the product's phrases and parts of its discovered types, each with its mask and measures.

    A named part's score is the detector's own; `trusted` puts it on the scale of the product's references.

    Args:
        toolbox: loaded tools.
        sample: a photo of the product.
        spec: names the parts; without any, and without types, nothing is found.
        types: what `toolbox.discoverer.learn` made of the references; None where nothing was discovered.
    """
    explanation = None if types is None else toolbox.discoverer.explain(sample, types)
    return Measured((*_named(toolbox, sample, spec), *_discovered(toolbox, sample, types)), explanation)


def _named(toolbox: Toolbox, sample: Sample, spec: ProductSpec) -> tuple[Part, ...]:
    """Boxes by the parts' phrases, under their labels, with masks by boxes and measures in product coordinates."""
    label_of = {part.phrase: part.label for part in spec.parts if part.phrase is not None}
    found = toolbox.grounder.ground(sample, list(label_of), threshold=FAINT) if label_of else ()
    if not found:
        return ()
    masked = toolbox.segmenter.with_masks(toolbox.segmenter.encode(sample), found)
    pose = toolbox.discoverer.pose(sample)
    return tuple(
        replace(p, label=label_of[p.label], measures=None if p.measures is None else pose.placed(p.measures))
        for p in masked
    )


def _discovered(toolbox: Toolbox, sample: Sample, types: PartTypes | None) -> tuple[Part, ...]:
    return () if types is None or not types.types else toolbox.discoverer.find(sample, types)


def trusted(measured: Measured, spec: ProductSpec) -> Measured:
    """The same parts, each named one scored by how likely it is one, by the thresholds of the specification."""
    thresholds = {part.label: part.threshold for part in spec.parts if part.phrase is not None}
    return replace(measured, parts=tuple(_trusted(part, thresholds.get(part.label)) for part in measured.parts))


def _trusted(part: Part, threshold: float | None) -> Part:
    if threshold is None:
        return part
    return replace(part, region=replace(part.region, score=confidence(part.region.score, threshold)))

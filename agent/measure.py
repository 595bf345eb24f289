"""Finds and measures the parts of one photo; used on references and on photos alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.confidence import FAINT, confidence
from agent.rules import Measured
from agent.spec import ProductSpec
from tools.types import Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox


def find_parts(toolbox: Toolbox, sample: Sample, spec: ProductSpec) -> Measured:
    """Boxes by the parts' phrases, masks by boxes, and measures of each; empty where no part is known.

    A part's score is the detector's own; `trusted` puts it on the scale of the product's references.
    """
    label_of = {part.phrase: part.label for part in spec.parts}
    if not label_of:
        return Measured(())
    found = toolbox.grounder.ground(sample, list(label_of), threshold=FAINT)
    if not found:
        return Measured(())
    with_masks = toolbox.segmenter.with_masks(toolbox.segmenter.encode(sample), found)
    return Measured(tuple(with_masks))


def trusted(measured: Measured, spec: ProductSpec) -> Measured:
    """The same parts, each scored by how likely it is one, by the thresholds of the specification."""
    thresholds = {part.label: part.threshold for part in spec.parts}
    return Measured(
        tuple(
            replace(p, region=replace(p.region, score=confidence(p.region.score, thresholds[p.label])))
            for p in measured.parts
        )
    )

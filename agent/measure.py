"""Finds and measures the parts of one photo; used on references and on photos alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.rules import Measured
from agent.spec import ProductSpec
from tools.types import Sample

if TYPE_CHECKING:
    from tools.toolbox import Toolbox

FAINT = 0.05
"""Detections below this confidence are not kept; above it they count as much as they are sure."""


def find_parts(toolbox: Toolbox, sample: Sample, spec: ProductSpec) -> Measured:
    """Boxes by the parts' phrases, masks by boxes, and measures of each; empty where no part is known."""
    label_of = {part.phrase: part.label for part in spec.parts}
    if not label_of:
        return Measured(())
    found = toolbox.grounder.ground(sample, list(label_of), threshold=FAINT)
    if not found:
        return Measured(())
    with_masks = toolbox.segmenter.with_masks(toolbox.segmenter.encode(sample), found)
    return Measured(tuple(with_masks))

"""The world's truth as the agent would measure it: parts by their true masks and names.

It tells errors of rules from errors of measurement; nothing that learns or inspects photos may read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.rules import Measured
from tools.types import Part, Region

if TYPE_CHECKING:
    from nano.world import Scene

SMALLEST = 12
"""Parts of fewer visible pixels are not seen."""


def measured_truth(scene: Scene) -> Measured:
    """The visible parts of a rendered scene, each sure, measured in coordinates of the whole product's outline."""
    from skimage.morphology import convex_hull_image

    from tools.parts import measure, pose_of

    seen = [part for part in scene.parts if int(part.mask.sum()) >= SMALLEST]
    if not seen:
        return Measured(())
    pose = pose_of(convex_hull_image(np.logical_or.reduce([part.mask for part in seen])))
    return Measured(
        tuple(Part(p.noun, Region(p.box, 1.0, p.mask), pose.placed(measure(scene.image, p.mask))) for p in seen)
    )

"""How a profile's tools see the parts of a product of the world, once they have learned it from references."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.induce import Measuring
from agent.rules import Measured

if TYPE_CHECKING:
    from nano.world import Scene

SEED = 6
"""Of the references from which the tools learn which parts there are."""


def seen_by(profile: str, family: str, shots: int) -> tuple[Callable[[Scene], Measured], Measuring]:
    """A function from a scene to the parts that the profile's tools see, and how well they measure.

    Names or kinds of parts are learned from good photos of another seed, so that every set of references speaks of the
    same kinds.
    """
    from agent.calibrate import Calibration
    from agent.learn import known_parts, learn
    from nano.world import render
    from tools.images import sample_from_array
    from tools.profiles import resolve_profile
    from tools.toolbox import Toolbox

    toolbox = Toolbox.open(resolve_profile(profile))
    calibration = Calibration.of_profile(profile)
    good = [render(family, seed=SEED, index=n, defect=None) for n in range(max(4, shots))]
    product = learn(
        toolbox,
        family,
        [sample_from_array(s.image) for s in good],
        product=good[0].product,
        detection=calibration.detection,
        measuring=calibration.measuring,
    )

    def sight(scene: Scene) -> Measured:
        return known_parts(toolbox, sample_from_array(scene.image), product.spec, product.types)

    return sight, calibration.measuring

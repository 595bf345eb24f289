"""How a profile's tools see the parts of a product of the world, once they have learned it from references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.induce import Measuring
from agent.rules import Measured
from tools.types import Mask, Part

if TYPE_CHECKING:
    from nano.world import Scene

SEED = 6
"""Of the references from which the tools learn which parts there are."""
SHOWN = 0.3
"""A part shows a thing where their masks overlap so much (IoU) at least."""


def seen_by(
    profile: str, family: str, shots: int, *, words: bool = False
) -> tuple[Callable[[Scene], Measured], Measuring]:
    """A function from a scene to the parts that the profile's tools see, and how well they measure.

    Names or kinds of parts are learned from good photos of another seed, so that every set of references speaks of the
    same kinds. A kind that was discovered bears the noun that it shows on those photos, so that rules on it can be held
    against the family's own.

    Args:
        profile: whose tools look.
        family: of the world.
        shots: references; at least four are learned from.
        words: whether the family's description is told, so that its parts are looked for by words too.
    """
    from agent.calibrate import Calibration
    from agent.learning.learn import known_parts, learn
    from nano.world import family as family_of
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
        describe=family_of(family).normal if words else "",
        product=good[0].product,
        detection=calibration.detection,
        measuring=calibration.measuring,
    )
    labels = [p.label for p in product.spec.parts]
    discovered = [p.label for p in product.spec.parts if p.phrase is None]
    nouns = nouns_of(discovered, good, product.parts, taken=[label for label in labels if label not in discovered])

    def sight(scene: Scene) -> Measured:
        seen = known_parts(toolbox, sample_from_array(scene.image), product.spec, product.types)
        return replace(seen, parts=tuple(replace(p, label=nouns.get(p.label, p.label)) for p in seen.parts))

    return sight, calibration.measuring


def nouns_of(
    labels: Sequence[str], scenes: Sequence[Scene], seen: Sequence[Measured], taken: Sequence[str] = ()
) -> dict[str, str]:
    """The noun that each discovered kind mostly shows; of several kinds that show one, the kind that counts it best.

    Args:
        labels: of the kinds.
        scenes: photos whose parts are known.
        seen: what tools see on them.
        taken: nouns that words find already.
    """
    best: dict[str, tuple[int, str]] = {}
    for label in labels:
        shown = [_noun(part, scene) for scene, m in zip(scenes, seen, strict=True) for part in m.of(label)]
        noun = max(sorted(set(shown)), key=shown.count, default="")
        if not noun or 2 * shown.count(noun) < len(shown) or noun in taken:
            continue
        exact = sum(
            len(m.of(label)) == sum(p.noun == noun for p in scene.parts) for scene, m in zip(scenes, seen, strict=True)
        )
        best[noun] = max(best.get(noun, (-1, "")), (exact, label), key=lambda found: found[0])
    return {label: noun for noun, (_, label) in best.items()}


def _noun(part: Part, scene: Scene) -> str:
    """The noun of the thing that a part shows, "" for none."""
    iou, noun = max(((mask_iou(part.region.mask, p.mask), p.noun) for p in scene.parts), default=(0.0, ""))
    return noun if iou >= SHOWN else ""


def mask_iou(one: Mask | None, other: Mask) -> float:
    """Intersection over union of two masks; 0 where the one is not known."""
    return 0.0 if one is None else float((one & other).sum() / max(int((one | other).sum()), 1))

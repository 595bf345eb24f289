"""The parts matcher: what it costs to explain the parts of a photo by those of a reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from agent.calibration.maps import Calibration
from agent.evidence.claims import place_in_words
from agent.evidence.fusion import NOTABLE
from agent.evidence.types import Aspect, Claim, Evidence, Fact
from agent.matchers.base import Matcher, MatchInput, comparison_share
from agent.products.spec import Product
from agent.rules import MeasuredParts
from tools.parts import Explanation, Misfit
from tools.types import Box, Mask, Part, Region, Sample

TOLD = 3
"""Misfits of a photo that are hypotheses of their own, the dearest first."""
USUAL = 2
"""A few references say little about the next good photo: so many more, of the usual cost, are imagined."""
FEWEST = 4
"""References from which on that cost is the usual one; fewer explain one another worse."""
SHARE = 0.5
"""A misfit is told beside the dearest where it costs at least this share of it."""
ONE = 0.5
"""A misfit is about a part whose box overlaps its own more than this (IoU)."""
_ASPECTS: dict[str, Aspect] = {
    "place": "place",
    "area": "size",
    "slenderness": "shape",
    "solidity": "shape",
    "holes": "shape",
    "compactness": "shape",
    "lightness": "colour",
    "chroma": "colour",
    "lightness contrast": "colour",
    "chroma contrast": "colour",
    "axis": "turn",
    "lighter side": "turn",
}
"""What differs, in the words of the sentences; whatever else does is the look."""


class ArrangementMatcher(Matcher):
    """Explains the parts of a photo by those of the references."""

    name = "parts"
    kind = "logical"
    checks = True

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """A hypothesis for each part that a good product explains badly; one that all is well where there is none.

        The photo's cost is standardised by those of the references, each explained by the others; a misfit that is not
        the dearest is worth what the photo would be if it were. A single reference says nothing: nobody knows how far
        good ones differ from it. Nor does a profile that nobody has calibrated: the rules then speak alone.
        """
        product, measured, sample = match.product, match.glance.measured, match.sample
        worth, explanation = self.map_in(match.calibration), measured.explanation
        if not worth.slope or explanation is None or product.types is None or product.types.arrangement is None:
            return
        own = [logarithm(c) for c in product.types.arrangement.own_costs]
        if not own:
            return
        own += [worth.mean] * (USUAL if len(own) >= FEWEST else 0)
        dearest = explanation.misfits[0].cost if explanation.misfits else 0.0
        told = [m for m in explanation.misfits[:TOLD] if m.cost >= SHARE * dearest]
        for number, misfit in enumerate(told, start=1):
            cost = max(0.0, explanation.cost - dearest + misfit.cost)
            deviation = worth.standardise(logarithm(cost), own)
            llr = worth.llr(deviation)
            region = _region(misfit, explanation, sample)
            claim = _claim(misfit, explanation, region, product, measured, sample) if llr >= NOTABLE else None
            told_as = claim or _as_expected(explanation, product, deviation)
            yield Evidence("logical", told_as, llr, self.source, f"arrangement {number}", region=region, shown=True)
        if not told:
            deviation = worth.standardise(0.0, own)
            claim = _as_expected(explanation, product, deviation)
            yield Evidence("logical", claim, worth.llr(deviation), self.source, "arrangement 1", shown=True)

    def share(self, product: Product, calibration: Calibration, hypothesis: str = "") -> float:
        """As far as parts are trusted; nothing with a single reference."""
        return comparison_share(product, calibration)


def logarithm(cost: float) -> float:
    """Costs are compared as ratios: of large ones the next good photo differs by more.

    >>> logarithm(0.0)
    0.0
    """
    return math.log1p(cost)


def _as_expected(explanation: Explanation, product: Product, deviation: float) -> Claim:
    facts: dict[str, Fact] = {"reference": _name(explanation, product), "sd": round(deviation, 1)}
    return Claim("arranged_as_expected", facts, "arrangement", "holds")


def _claim(
    misfit: Misfit, explanation: Explanation, region: Region, product: Product, measured: MeasuredParts, sample: Sample
) -> Claim:
    facts: dict[str, Fact] = {
        "place": place_in_words(region.box, *sample.size),
        "reference": _name(explanation, product),
        "width": round(region.box.width),
        "height": round(region.box.height),
    }
    if misfit.kind == "extra":
        return _differs("extra", facts)
    if misfit.kind == "missing":
        return _differs("missing", {**facts, "part": _counterpart(misfit, explanation, product)})
    label = _label(region.box, measured.parts)
    return _differs(_ASPECTS.get(misfit.most, "look"), {**facts, "part": label})


def _differs(aspect: Aspect, facts: dict[str, Fact]) -> Claim:
    return Claim(f"arranged_{aspect}", facts, "arrangement", "broken", aspect)


def _region(misfit: Misfit, explanation: Explanation, sample: Sample) -> Region:
    """The misfit's place in pixels of the photo, a pixel at least."""
    width, height = sample.size
    scale = width / explanation.size[0], height / explanation.size[1]
    x0, y0, x1, y1 = (v * scale[n % 2] for n, v in enumerate(misfit.box))
    x0, y0 = min(max(x0, 0.0), width - 1.0), min(max(y0, 0.0), height - 1.0)
    box = Box(x0, y0, min(max(x1, x0 + 1), float(width)), min(max(y1, y0 + 1), float(height)))
    return Region(box, misfit.cost / (1 + misfit.cost), _mask(misfit.mask, sample), misfit.kind == "missing")


def _mask(mask: Mask | None, sample: Sample) -> Mask | None:
    from tools.parts.masks import enlarged

    return None if mask is None else enlarged(mask, sample.size)


def _name(explanation: Explanation, product: Product) -> str:
    """Of the reference that explains the photo."""
    return next((r.name for r in product.references if r.digest == explanation.reference), "a good one")


def _counterpart(misfit: Misfit, explanation: Explanation, product: Product) -> str:
    """What the reference's part is called there."""
    if misfit.counterpart is None:
        return _label(misfit.box, ())
    for reference, measured in zip(product.references, product.parts, strict=False):
        if reference.digest == explanation.reference:
            # A reference's boxes are told at the working size, its parts at its own.
            scale = max(1.0, max(reference.size) / max(explanation.size))
            return _label(Box(*(v * scale for v in misfit.counterpart)), measured.parts)
    return _label(misfit.box, ())


def _label(box: Box, parts: Sequence[Part]) -> str:
    """The name of the part at a box with its article, or that there is one."""
    overlap, label = max(((p.region.box.iou(box), p.label) for p in parts), default=(0.0, ""))
    return f"the {label}" if overlap > ONE else "a part"

"""The rules matcher: rules over the measured parts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from agent.calibration.maps import Calibration
from agent.evidence.types import Evidence
from agent.matchers.base import Matcher, MatchInput, comparison_share
from agent.products.spec import Product
from agent.rules import ANY, CountRule, MeasuredParts, Rule, evaluate
from agent.rules.base import count_of
from agent.rules.union import region_of
from tools.parts import calibrated_price, explained, find_product
from tools.parts.masks import moved_to
from tools.types import Box, Part, Region, Sample

SEEN = 0.5
"""Probability from which on a part counts as there where the place of a missing one is looked for."""


class Rules(Matcher):
    """Checks every rule of the product."""

    name = "rule"
    kind = "logical"
    checks = True

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """Evidence of each rule; of a missing part, with the place where it ought to be.

        What a rule says is set against what the most surprising rule of its sort says of good ones (leave-one-out over
        the references), so that many rules do not make a good product look bad. A rule that references proved and that
        most of them break is one that a person edited: what they say of the others tells nothing of it. A rule on parts
        that the part finder may not know yields no evidence: the report names it as not checked.
        """
        product, measured = match.product, match.glance.measured
        unproved = partial(_unproved, product=product, calibration=match.calibration)
        for rule in product.spec.rules:
            outcome = None if unproved(rule) or _unknown(rule, measured, product) else evaluate(rule, measured)
            if outcome is None:
                continue
            place_known = outcome.missing and rule.part != ANY
            short = missing_place(rule.part, measured, product, match.sample) if place_known else None
            shown = product.shows(rule)
            proved = rule.origin != "told"
            edited = proved and not shown
            lone = proved and len(product.references) == 1 and not edited
            worth = match.calibration.lone if lone else self.map_in(match.calibration)
            deviation = worth.standardise(outcome.log_odds, () if edited else product.spec.usual(rule))
            yield Evidence(
                "logical",
                outcome.claim,
                worth.llr(deviation),
                self.source,
                rule.name,
                part=rule.part,
                region=short or region_of(outcome),
                shown=shown,
            )

    def share(self, product: Product, calibration: Calibration, hypothesis: str = "") -> float:
        """All of what a person stated, whose parts were validated; of others, as far as parts are trusted."""
        if any(rule.name == hypothesis and rule.origin == "told" for rule in product.spec.rules):
            return 1.0
        return comparison_share(product, calibration)


def _unproved(rule: Rule, product: Product, calibration: Calibration) -> bool:
    """Whether a rule speaks of parts by words that these models may not know, and no reference shows that they do."""
    return not calibration.measuring.words and not product.references and product.spec.by_words(rule)


def _unknown(rule: Rule, measured: MeasuredParts, product: Product) -> bool:
    """Whether the part finder may not know what a rule is about: none of several parts, no reference to prove it.

    That all of them are missing is rarer than that their name is none that it was taught.
    """
    several = isinstance(rule, CountRule) and rule.low > 1
    return several and not product.references and not count_of(measured, rule.part)


def missing_place(label: str, measured: MeasuredParts, product: Product, sample: Sample) -> Region | None:
    """The place of the first missing part of that label, in pixels of the photo, with its shape on a reference.

    Several references are several explanations of the photo; the cheapest one says what is missing, at a price that
    the references set. None where there is no reference, or where it misses nothing of that label.
    """
    shown = [_seen(m, label) for m in product.parts]
    sizes = [good.size for good in product.references]
    price = calibrated_price(shown, sizes)
    best = explained(_seen(measured, label), shown, sample.size, sizes, price)
    if best is None or not best[1].missing:
        return None
    which, assignment = best
    surest = shown[which][min(assignment.missing, key=lambda n: -shown[which][n].region.score)]
    box, mask = _moved(surest, sample, sizes[which]), surest.region.mask
    shape = None if mask is None or not mask.any() else moved_to(mask, box, sample.size)
    return Region(box, surest.region.score, shape, absent=True)


def _seen(measured: MeasuredParts, label: str) -> tuple[Part, ...]:
    """The parts of a label that are rather there than not."""
    return tuple(part for part in measured.of(label) if part.region.score >= SEEN)


def _moved(part: Part, sample: Sample, size: tuple[int, int]) -> Box:
    """The box of a reference's part where it would be on the photo: by the product's pose where that is known."""
    box = part.region.box
    if part.measures is not None and part.measures.place is not None and part.measures.relative_length is not None:
        pose = find_product(sample.image)
        scale = pose.unit * part.measures.relative_length / max(part.measures.length, 1e-6)
        x, y = pose.point(part.measures.place)
        half = box.width * scale / 2, box.height * scale / 2
        return Box(x - half[0], y - half[1], x + half[0], y + half[1]).clipped(*sample.size)
    sx, sy = (a / b for a, b in zip(sample.size, size, strict=True))
    return Box(box.x0 * sx, box.y0 * sy, box.x1 * sx, box.y1 * sy)

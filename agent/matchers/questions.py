"""The questions matcher: asks the vision-language model, removes its bias, and checks that it knows the product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.calibration.maps import MatcherMap
from agent.crops import crop_box, cut
from agent.evidence.fusion import log_odds, probability
from agent.evidence.types import Claim, Evidence, Fact
from agent.matchers.base import Matcher, MatchInput
from agent.products.proposals import proposed_parts
from agent.products.spec import Product
from agent.rules import ANY, AskRule, MeasuredParts
from prompts import questions
from tools.types import RGB, Region, Sample
from tools.vlm import Turn, debias

if TYPE_CHECKING:
    from agent.calibration.maps import Looks
    from agent.products.spec import Product
    from agent.state import Context
    from tools.types import Sample
    from tools.vlm import LocalVLM


def answer_to(
    rule: AskRule,
    sample: Sample,
    measured: MeasuredParts,
    product: Product,
    vlm: LocalVLM,
    worth: MatcherMap,
) -> Evidence:
    """What the language model says of the photo, against what it says of a good one (of a grey photo where none is
    known)."""
    region = _region(rule, measured)
    shown = _shown(sample, region)
    good: RGB = np.full_like(shown, 128)
    if product.references:
        known = product.parts[0] if product.parts else MeasuredParts(())
        good = _shown(product.references[0], _region(rule, known))
    turns = [Turn("user", questions()["ask"].format(question=rule.question), images=1)]
    said, usual = (vlm.yes_no([image], turns) for image in (shown, good))
    # Of a good one the expected answer is right, so that its own answer, not evenness, is what even odds would be.
    sign = -1.0 if rule.expected == "yes" else 1.0
    broken = probability(sign * log_odds(debias(said, usual)))
    wrong = {"yes": "no", "no": "yes"}[rule.expected]
    facts: dict[str, Fact] = {
        "question": rule.question,
        "expected": rule.expected,
        "found": wrong if broken > 0.5 else rule.expected,
        "p": f"{said:.2f}",
    }
    claim = Claim.check("ask", facts, holds=broken <= 0.5)
    llr = worth.llr(log_odds(broken))
    part = None if rule.part == ANY else rule.part
    return Evidence("logical", claim, llr, "vlm", rule.name, part=part, region=region)


def _region(rule: AskRule, measured: MeasuredParts) -> Region | None:
    """The surest part that the question is about; None for the whole photo, or where the part was not found."""
    found = measured.of(rule.part) if rule.part != ANY else ()
    return found[0].region if found else None


def _shown(sample: Sample, region: Region | None) -> RGB:
    return sample.image if region is None else cut(sample, crop_box(region.box, sample))


class Questions(Matcher):
    """Asks the vision-language model what cannot be measured."""

    name = "vlm"
    kind = "logical"

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """Evidence of the rules that are questions."""
        for rule in match.product.spec.rules:
            if isinstance(rule, AskRule):
                vlm = match.context.toolbox.vlm
                yield answer_to(
                    rule, match.sample, match.glance.measured, match.product, vlm, self.map_in(match.calibration)
                )


STRANGE = 0.5
"""A language model does not know a product when at least this share of the parts that it lists is nothing that is
known."""


@dataclass(frozen=True)
class Familiar:
    """Whether the language model knows a product, and what told so."""

    known: bool
    strange: tuple[str, ...] = ()
    """Parts that it listed and that nobody told or found."""


def familiar_with(context: Context, product: Product, sample: Sample) -> Familiar:
    """What the language model's list of parts says of a product; asked once for the same references and words.

    Args:
        context: holds the language model, and the cache of what was found out before.
        product: its words, its named parts and its first reference.
        sample: shown where there is no reference.
    """
    shown = product.references[0] if product.references else sample

    def asked() -> Familiar:
        listed = [part.label for part in proposed_parts(context.toolbox.vlm, [shown], product.spec.product)]
        labels = " ".join(part.label for part in product.spec.parts)
        told = f"{product.spec.product} {product.spec.normal} {labels}".lower()
        strange = tuple(label for label in listed if label.split()[-1] not in told)
        return Familiar(bool(listed) and len(strange) < STRANGE * len(listed), strange)

    return context.cache.familiar.get("\n".join([product.spec.product, product.spec.normal, shown.digest]), asked)


def looks_for(context: Context, product: Product, sample: Sample) -> Looks:
    """What second looks are worth on a product: the language model's answers nothing where it does not know it."""
    looks = context.calibration.looks
    if looks.compare.gain == looks.ask.gain == 0 or familiar_with(context, product, sample).known:
        return looks
    return looks.without_vlm()

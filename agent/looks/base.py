"""The input and result of a second look, which looks a hypothesis allows, and the model's choice among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from agent.calibration.maps import Looks
from agent.crops import crop_box, cut
from agent.evidence.claims import place_in_words
from agent.evidence.fusion import WeighedHypothesis, by_hypothesis
from agent.evidence.types import Action, Evidence, Fact, Hypothesis, Look, Option
from agent.matchers.questions import looks_for
from agent.products.spec import Product
from agent.state import Context, Glance
from prompts import load_yaml
from tools.types import Region, Sample
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.vlm import LocalVLM

LITTLE = 0.2
"""A log-likelihood ratio nearer to 0 than this says little."""


@dataclass(frozen=True, eq=False)
class LookInput:
    """What a second look may use."""

    id: str
    """Of the look: "L1", "L2", ..."""
    hypothesis: Hypothesis
    sample: Sample
    product: Product
    glance: Glance
    evidence: Sequence[Evidence]
    context: Context

    @cached_property
    def looks(self) -> Looks:
        """What answers are worth on this product."""
        return looks_for(self.context, self.product, self.sample)

    @property
    def place(self) -> str:
        """Where the hypothesis lies, in words."""
        return place_in_words(self.hypothesis.region.box, *self.sample.size)

    def places(self) -> Iterator[tuple[WeighedHypothesis, Region]]:
        """All structural hypotheses with their places, the one in question first."""
        found = [w for w in by_hypothesis(self.evidence) if w.kind == "structural"]
        for weighed in sorted(found, key=lambda w: w.name != self.hypothesis.name):
            region = next((e.region for e in weighed.evidence if e.region is not None), None)
            if region is not None:
                yield weighed, region


@dataclass(frozen=True, eq=False)
class LookResult:
    """A look, and the evidence that it made, without ids."""

    look: Look
    evidence: tuple[Evidence, ...]


def weight(llr: float) -> dict[str, Fact]:
    """How an answer weighs, in words, as a fact of its claim."""
    return {"weight": "says little" if abs(llr) < LITTLE else f"speaks {'for' if llr > 0 else 'against'} an anomaly"}


def able(
    weighed: WeighedHypothesis, product: Product, context: Context, looks: Looks, done: set[tuple[str, str]]
) -> tuple[Action, ...]:
    """The ways in which a hypothesis can be looked at again and has not been.

    Args:
        weighed: the hypothesis.
        product: with references or without.
        context: says which tools there are.
        looks: which answers are worth anything on this product.
        done: pairs of hypothesis and action; "" stands for all hypotheses.
    """
    placed = any(e.region is not None for e in weighed.evidence)
    actions: list[Action] = []
    if placed and any(e.source == "tracer" for e in weighed.evidence):
        actions.append("zoom")
    if placed:
        actions.append("compare" if product.references else "ask")
    if any(rule.name == weighed.name and rule.kind != "ask" for rule in product.spec.rules):
        actions.append("recount")
    return tuple(
        action
        for action in actions
        if looks.gain(action, weighed.kind) > 0 and not done & {(weighed.name, action), ("", action)}
    )


def choose(vlm: LocalVLM, hypothesis: Hypothesis, sample: Sample, product: str) -> Hypothesis:
    """The hypothesis with the action that the language model is likeliest to choose, beside what it says of a grey
    image.

    Args:
        vlm: who chooses; two questions.
        hypothesis: with the menu of what is possible.
        sample: the photo; the crop of the place is shown.
        product: noun for the question.
    """
    options: Sequence[Option] = hypothesis.menu
    if len(options) < 2:
        return hypothesis
    words = cast("dict[str, str]", load_yaml("menu")["actions"])
    question = str(load_yaml("menu")["question"]).format(
        product=product, options=" ".join(f"{words[o.action]}." for o in options)
    )
    turns = [Turn("user", question, images=1)]
    crop = np.ascontiguousarray(cut(sample, crop_box(hypothesis.region.box, sample)))
    said, empty = (
        vlm.choose([image], turns, [words[o.action] for o in options], per_token=True)
        for image in (crop, np.full_like(crop, 128))
    )
    odds = [said[words[o.action]] / max(empty[words[o.action]], 1e-9) for o in options]
    menu = tuple(replace(o, p=odd / sum(odds)) for o, odd in zip(options, odds, strict=True))
    best = max(menu, key=lambda o: o.p or 0.0)
    return replace(hypothesis, action=best.action, value=best.value, menu=menu)

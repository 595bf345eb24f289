"""What every second look is given and gives back, and which ways to look again a hypothesis allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.calibrate import Looks
from agent.claims import place_in_words
from agent.context import Context
from agent.evidence import Action, Evidence, Fact, Hypothesis, Look
from agent.familiar import looks_for
from agent.fuse import Weighed, by_hypothesis
from agent.product import Product
from agent.state import Glance
from tools.types import Region, Sample

LITTLE = 0.2
"""A log-likelihood ratio nearer to 0 than this says little."""


@dataclass(frozen=True, eq=False)
class Again:
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

    def places(self) -> Iterator[tuple[Weighed, Region]]:
        """All structural hypotheses with their places, the one in question first."""
        found = [w for w in by_hypothesis(self.evidence) if w.kind == "structural"]
        for weighed in sorted(found, key=lambda w: w.name != self.hypothesis.name):
            region = next((e.region for e in weighed.evidence if e.region is not None), None)
            if region is not None:
                yield weighed, region


@dataclass(frozen=True, eq=False)
class Found:
    """A look, and the evidence that it made, without ids."""

    look: Look
    evidence: tuple[Evidence, ...]


def weight(llr: float) -> dict[str, Fact]:
    """How an answer weighs, in words, as a fact of its claim."""
    return {"weight": "says little" if abs(llr) < LITTLE else f"speaks {'for' if llr > 0 else 'against'} an anomaly"}


def able(
    weighed: Weighed, product: Product, context: Context, looks: Looks, done: set[tuple[str, str]]
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
    if weighed.kind == "structural" and placed and context.toolbox.tracer is not None:
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

"""Induces all rules and validates them on the references by leave-one-out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from agent.rules import MeasuredParts, Rule, evaluate, obeys
from agent.rules.induction.appearance import colours, mappings, shared_colours
from agent.rules.induction.counts import counts, each, wholes
from agent.rules.induction.placement import directions, positions, relations
from agent.rules.induction.sizes import Measuring, proportions, sizes
from agent.rules.likelihood import doubt
from tools.types import Box

ENOUGH = 0.75
"""Share of the references that must obey a rule."""
Inducer = Callable[[Sequence[MeasuredParts]], tuple[Rule, ...]]


def proved(rules: Sequence[Rule], references: Sequence[MeasuredParts], measuring: Measuring) -> tuple[Rule, ...]:
    """The rules that enough references obey, with how many do, and how much that leaves to doubt.

    A reference on which a rule has nothing to measure does not obey it.
    """
    found = []
    for rule in rules:
        support = sum(obeys(m, rule) for m in references)
        if support < ENOUGH * len(references):
            continue
        left = doubt(support, measuring.varies.of(rule))
        found.append(rule.model_copy(update={"support": support, "doubt": float(f"{left:.2g}")}))
    return tuple(found)


def joint_log_odds(rules: Sequence[Rule], measured: MeasuredParts) -> float:
    """What the most surprising rule says of a photo; minus infinity where none can be measured."""
    outcomes = [evaluate(rule, measured) for rule in rules]
    return max((o.log_odds for o in outcomes if o is not None), default=-math.inf)


def leave_one_out(references: Sequence[MeasuredParts], learn: Inducer) -> tuple[float, ...]:
    """What the most surprising rule says of each reference, when the rules are learned from the others.

    The more rules there are, the more a good product surprises one of them by chance; these scores show how much.
    """
    if len(references) < 2:
        return ()
    scores = []
    for n, measured in enumerate(references):
        others = [*references[:n], *references[n + 1 :]]
        scores.append(joint_log_odds(learn(others), measured))
    return tuple(s for s in scores if math.isfinite(s))


ODD = 2.5
"""A reference is odd when a rule that the others obey says so strongly (log-odds) that it is broken."""
ALONE = 1.5
"""And when no other reference comes within so much of it."""


def odd_one(references: Sequence[MeasuredParts], learn: Inducer) -> tuple[int, str] | None:
    """The one reference that breaks what all the others agree on, and the name of the rule; None where none does.

    Four references are needed: with fewer nobody can say which of them is odd.
    """
    if len(references) < 4:
        return None
    found = []
    for n, measured in enumerate(references):
        outcomes = [(evaluate(rule, measured), rule.name) for rule in learn([*references[:n], *references[n + 1 :]])]
        found.append(max(((o.log_odds, name) for o, name in outcomes if o is not None), default=(-math.inf, "")))
    ranked = sorted(range(len(found)), key=lambda n: -found[n][0])
    first, second = found[ranked[0]], found[ranked[1]]
    return (ranked[0], first[1]) if first[0] >= ODD and first[0] - second[0] >= ALONE else None


BODY = 0.9
"""Share of the box around all parts that the product's own covers."""


def induce(references: Sequence[MeasuredParts], measuring: Measuring | None = None) -> tuple[Rule, ...]:
    """The rules that all references obey.

    Args:
        references: parts of good products, one or more.
        measuring: how well things can be measured; cautious values by default.
    """
    if not references:
        return ()
    known = measuring or Measuring()
    labels = sorted({label for m in references for label in m.labels})
    return proved(tuple(_candidates(references, labels, known)), references, known)


def _candidates(references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring) -> Iterator[Rule]:
    inner = [label for label in labels if not is_body(references, label)]
    yield from counts(references, labels)
    yield from each(references, inner)
    yield from wholes(references, inner)
    places = tuple(positions(references, inner, measuring))
    yield from places
    areas = tuple(sizes(references, inner, measuring))
    yield from areas
    yield from proportions(references, inner, measuring, areas)
    yield from colours(references, labels, measuring)
    yield from shared_colours(references, labels, measuring)
    yield from directions(references, inner, measuring)
    yield from relations(references, inner, measuring, places)
    yield from mappings(references, labels, measuring)


def is_body(references: Sequence[MeasuredParts], label: str) -> bool:
    """Whether a kind is the product itself: one part whose box holds nearly all the others."""
    return all(_covers(m, label) for m in references)


def _covers(measured: MeasuredParts, label: str) -> bool:
    own = measured.of(label)
    if len(own) != 1:
        return False
    boxes = [p.region.box for p in measured.parts]
    whole = Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
    return len(boxes) > 1 and own[0].region.box.area >= BODY * whole.area

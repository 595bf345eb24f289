"""Proves rules on the references, and finds what the most surprising of all rules says of a good product."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from agent.induce.spreads import Measuring
from agent.rules import Measured, Rule, evaluate, obeys
from agent.rules.surprise import doubt

ENOUGH = 0.75
"""Share of the references that must obey a rule."""
Inducer = Callable[[Sequence[Measured]], tuple[Rule, ...]]


def proved(rules: Sequence[Rule], references: Sequence[Measured], measuring: Measuring) -> tuple[Rule, ...]:
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


def joint_log_odds(rules: Sequence[Rule], measured: Measured) -> float:
    """What the most surprising rule says of a photo; minus infinity where none can be measured."""
    outcomes = [evaluate(rule, measured) for rule in rules]
    return max((o.log_odds for o in outcomes if o is not None), default=-math.inf)


def leave_one_out(references: Sequence[Measured], learn: Inducer) -> tuple[float, ...]:
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


def odd_one(references: Sequence[Measured], learn: Inducer) -> tuple[int, str] | None:
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

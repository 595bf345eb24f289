"""All kinds of rules as one type, told apart by their field `kind`, and whether a set of rules contradicts itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from agent.rules.attributes import ColourRule, RanksRule, SameRule, SizeRule
from agent.rules.base import ANY, MeasuredParts, RuleOutcome
from agent.rules.counting import CountRule, EachRule, PresenceRule, WholeRule
from agent.rules.mapping import MatchRule
from agent.rules.placement import DirectionRule, PositionRule
from agent.rules.question import AskRule
from agent.rules.relation import ProportionRule, RelationRule
from tools.types import Box, Region

Rule = Annotated[
    CountRule
    | PresenceRule
    | PositionRule
    | SizeRule
    | ColourRule
    | DirectionRule
    | SameRule
    | RelationRule
    | EachRule
    | ProportionRule
    | MatchRule
    | WholeRule
    | RanksRule
    | AskRule,
    Field(discriminator="kind"),
]


def evaluate(rule: Rule, measured: MeasuredParts) -> RuleOutcome | None:
    """How one photo stands to one rule; None where the photo has nothing to measure it by."""
    return rule.evaluate(measured)


def obeys(measured: MeasuredParts, rule: Rule) -> bool:
    """Whether a photo obeys a rule; one that has nothing to measure it by does not."""
    outcome = evaluate(rule, measured)
    return outcome is not None and outcome.holds


def region_of(outcome: RuleOutcome) -> Region | None:
    """The place that an outcome speaks of: what encloses its parts, or None where none was found."""
    if not outcome.parts:
        return None
    boxes = [p.region.box for p in outcome.parts]
    box = Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
    return Region(box, max(p.region.score for p in outcome.parts))


_OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def contradiction(rules: Sequence[Rule]) -> str | None:
    """The first contradiction among rules, in a sentence that says what to do; None where there is none."""
    return _twice(rules) or _counts(rules) or _sides(rules)


def _twice(rules: Sequence[Rule]) -> str | None:
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            places = ", ".join(str(n) for n, other in enumerate(names, start=1) if other == name)
            return f"rules {places} both say something on the {name}; keep one of them"
    return None


def _counts(rules: Sequence[Rule]) -> str | None:
    """A part that must be there and must not, a total that the single counts cannot add up to, keys out of range."""
    ranges = {rule.part: rule for rule in rules if isinstance(rule, CountRule)}
    for rule in rules:
        count = ranges.get(rule.part)
        if isinstance(rule, PresenceRule | WholeRule) and count is not None and count.high == 0:
            return f"'{rule.name}' asks for part '{rule.part}', but '{count.name}' allows none; keep one of them"
        if isinstance(rule, MatchRule) and rule.by == "count" and (count := ranges.get(rule.other)) is not None:
            never = [k for k in rule.mapping if not count.low <= int(k) <= count.high]
            if never and len(never) == len(rule.mapping):
                return (
                    f"'{rule.name}' maps the counts {', '.join(never)}, but '{count.name}' allows {count.expected}; "
                    "correct one of them"
                )
    total = ranges.get(ANY)
    least = sum(rule.low for label, rule in ranges.items() if label != ANY)
    if total is not None and least > total.high:
        return f"'{total.name}' allows {total.high}, but the single counts ask for {least} or more; correct one of them"
    return None


def _sides(rules: Sequence[Rule]) -> str | None:
    sides = [r for r in rules if isinstance(r, RelationRule) and r.relation in _OPPOSITE]
    known = {(r.part, r.relation, r.other): r for r in sides}
    for r in sides:
        for other in ((r.other, r.relation, r.part), (r.part, _OPPOSITE[r.relation], r.other)):
            if other in known:
                return f"'{r.name}' and '{known[other].name}' cannot both be; keep one of them"
    return None

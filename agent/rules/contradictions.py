"""Whether rules contradict each other: what no product could obey."""

from __future__ import annotations

from collections.abc import Sequence

from agent.rules.base import ANY
from agent.rules.count import CountRule
from agent.rules.match import MatchRule
from agent.rules.presence import PresenceRule
from agent.rules.relation import RelationRule
from agent.rules.union import Rule
from agent.rules.whole import WholeRule

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

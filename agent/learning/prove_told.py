"""Puts what was told to the proof: a rule that the references deny is dropped, and said."""

from __future__ import annotations

from collections.abc import Sequence

from agent.claims import say_briefly
from agent.induce.counts import settled
from agent.rules import AskRule, CountRule, Measured, PresenceRule, Rule, obeys
from agent.rules.base import count_of

TRUSTED = 0.75
"""A told rule must hold on at least this share of the references, or it cannot be measured, or is not so."""


def kept_told(rules: Sequence[Rule], references: Sequence[Measured]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules that the references bear out, with their support, and a note on each other one.

    Without references all are kept: nothing speaks against them yet.
    """
    if not references:
        return tuple(rules), ()
    kept: list[Rule] = []
    notes: list[str] = []
    for rule in rules:
        if isinstance(rule, AskRule):
            kept.append(rule)
            continue
        obey = _obeying(rule, references)
        if obey >= TRUSTED * len(references):
            kept.append(settled_on(rule, references).model_copy(update={"support": obey}))
        else:
            notes.append(f"'{say_briefly(rule.claim)}' was not kept as a rule: {why_not(rule, references)}.")
    return tuple(kept), tuple(notes)


def settled_on(rule: Rule, references: Sequence[Measured]) -> Rule:
    """The rule with what measuring it costs on good parts, where its kind knows that."""
    if isinstance(rule, CountRule):
        return settled(rule, references)
    return settled(rule, references) if isinstance(rule, PresenceRule) else rule


def why_not(rule: Rule, references: Sequence[Measured]) -> str:
    """What speaks against a rule, in a clause."""
    if isinstance(rule, CountRule):
        found = ", ".join(str(count_of(m, rule.part)) for m in references)
        return f"on the references {found} were found"
    return f"{_obeying(rule, references)} of {len(references)} references obey it"


def _obeying(rule: Rule, references: Sequence[Measured]) -> int:
    return sum(obeys(m, rule) for m in references)

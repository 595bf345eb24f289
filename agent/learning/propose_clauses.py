"""Has the narrator write down as rules what a person said and no pattern reads, and holds it to the person's words.

A question that asks for what stands in the clause, no more and no less, is the person's own and needs no other proof.
Anything else may be about another part than was meant, so that it is a proposal, which only references can bear out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.learning.propose_rules import rules_of_clause
from agent.learning.told import singular
from agent.rules import AskRule, Rule

if TYPE_CHECKING:
    from tools.narrate import Narrator

MOST = 4
"""So many clauses are put to the narrator at most."""
_DENIES = frozenset(("no", "not", "never", "without", "nor", "none", "neither", "nothing", "cannot", "isn't", "aren't"))
_EMPTY = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "it", "its", "is", "are", "was", "were", "be", "been", "do",
    "does", "has", "have", "there", "any", "some", "and", "or",
))  # fmt: skip
"""Words that a statement and its question need not share."""


@dataclass(frozen=True)
class FromClauses:
    """What became of the clauses that no pattern reads."""

    faithful: Mapping[str, Rule]
    """By clause: the question that asks for it."""
    others: tuple[Rule, ...] = ()
    """Rules that say something else, or say it of a part that may not be meant."""


def from_clauses(narrator: Narrator, clauses: Sequence[str], product: str, names: Mapping[str, str]) -> FromClauses:
    """The narrator's rules for each clause, told apart by whether they ask for nothing but what the person says.

    Args:
        narrator: is shown the words alone.
        clauses: what a person said of good ones; the first few are asked about.
        product: what it is called.
        names: by what people call a part: its label.
    """
    faithful: dict[str, Rule] = {}
    others: list[Rule] = []
    for clause in clauses[:MOST]:
        for rule in rules_of_clause(narrator, clause, product, names):
            if clause not in faithful and asks_for(rule, clause):
                faithful[clause] = rule
            else:
                others.append(rule)
    return FromClauses(faithful, tuple(others))


def asks_for(rule: Rule, clause: str) -> bool:
    """Whether a rule is a question in the words of a clause, and expects yes to what the clause says yes to.

    >>> asks_for(AskRule(question="Does the ribbon look festive?"), "the ribbon looks festive")
    True
    >>> asks_for(AskRule(question="Does the label show scratches?"), "the label shows no scratches")
    False
    >>> asks_for(AskRule(question="Is the ribbon red?"), "the ribbon looks festive")
    False
    """
    if not isinstance(rule, AskRule):
        return False
    asked, there = _words(rule.question), _words(clause)
    same = asked - _DENIES == there - _DENIES != set()
    return same and (rule.expected == "no") == (bool(asked & _DENIES) != bool(there & _DENIES))


def _words(text: str) -> set[str]:
    """Words of substance in the singular, and those that deny."""
    found = re.findall(r"\d+|[a-z][a-z'-]*", text.lower())
    return (
        {word if word in _DENIES else singular(word) for word in found} - {singular(word) for word in _EMPTY} - _EMPTY
    )

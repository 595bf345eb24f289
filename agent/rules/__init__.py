"""Rules over measured parts, one file a kind; each says how strongly a photo breaks it, and in which words.

A rule knows only parts and its own numbers: no image, no model.
"""

from agent.rules.attributes import ColourRule, RanksRule, SameRule, SizeRule
from agent.rules.base import ANY, MeasuredParts, PartCounts, RuleOutcome
from agent.rules.counting import CountRule, EachRule, PresenceRule, WholeRule
from agent.rules.likelihood import Tolerance
from agent.rules.mapping import MatchRule
from agent.rules.placement import DirectionRule, PositionRule, Zone
from agent.rules.question import AskRule
from agent.rules.relation import ProportionRule, RelationRule
from agent.rules.union import Rule, contradiction, evaluate, obeys

__all__ = [
    "ANY",
    "AskRule",
    "ColourRule",
    "CountRule",
    "DirectionRule",
    "EachRule",
    "MatchRule",
    "MeasuredParts",
    "PartCounts",
    "PositionRule",
    "PresenceRule",
    "ProportionRule",
    "RanksRule",
    "RelationRule",
    "Rule",
    "RuleOutcome",
    "SameRule",
    "SizeRule",
    "Tolerance",
    "WholeRule",
    "Zone",
    "contradiction",
    "evaluate",
    "obeys",
]

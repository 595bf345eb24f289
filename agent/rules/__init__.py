"""Rules over measured parts, one file a kind; each says how strongly a photo breaks it, and in which words.

A rule knows only parts and its own numbers: no image, no model.
"""

from agent.rules.ask import AskRule
from agent.rules.base import ANY, Measured, Outcome, PartCounts
from agent.rules.colour import ColourRule
from agent.rules.contradictions import contradiction
from agent.rules.count import CountRule
from agent.rules.direction import DirectionRule
from agent.rules.each import EachRule
from agent.rules.match import MatchRule
from agent.rules.position import PositionRule, Zone
from agent.rules.presence import PresenceRule
from agent.rules.proportion import ProportionRule
from agent.rules.ranks import RanksRule
from agent.rules.relation import RelationRule
from agent.rules.same import SameRule
from agent.rules.size import SizeRule
from agent.rules.surprise import Tolerance
from agent.rules.union import Rule, evaluate, obeys
from agent.rules.whole import WholeRule

__all__ = [
    "ANY",
    "AskRule",
    "ColourRule",
    "CountRule",
    "DirectionRule",
    "EachRule",
    "MatchRule",
    "Measured",
    "Outcome",
    "PartCounts",
    "PositionRule",
    "PresenceRule",
    "ProportionRule",
    "RanksRule",
    "RelationRule",
    "Rule",
    "SameRule",
    "SizeRule",
    "Tolerance",
    "WholeRule",
    "Zone",
    "contradiction",
    "evaluate",
    "obeys",
]

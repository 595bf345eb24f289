"""All kinds of rules as one type, told apart by their field `kind`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.rules.ask import AskRule
from agent.rules.base import Measured, Outcome
from agent.rules.colour import ColourRule
from agent.rules.count import CountRule
from agent.rules.direction import DirectionRule
from agent.rules.each import EachRule
from agent.rules.match import MatchRule
from agent.rules.position import PositionRule
from agent.rules.presence import PresenceRule
from agent.rules.proportion import ProportionRule
from agent.rules.ranks import RanksRule
from agent.rules.relation import RelationRule
from agent.rules.same import SameRule
from agent.rules.size import SizeRule
from agent.rules.whole import WholeRule
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


def evaluate(rule: Rule, measured: Measured) -> Outcome | None:
    """How one photo stands to one rule; None where the photo has nothing to measure it by."""
    return rule.evaluate(measured)


def obeys(measured: Measured, rule: Rule) -> bool:
    """Whether a photo obeys a rule; one that has nothing to measure it by does not."""
    outcome = evaluate(rule, measured)
    return outcome is not None and outcome.holds


def region_of(outcome: Outcome) -> Region | None:
    """The place that an outcome speaks of: what encloses its parts, or None where none was found."""
    if not outcome.parts:
        return None
    boxes = [p.region.box for p in outcome.parts]
    box = Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
    return Region(box, max(p.region.score for p in outcome.parts))

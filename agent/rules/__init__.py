"""Rules over measured parts, one file a kind; each says how strongly a photo breaks it, and in which words.

A rule knows only parts and its own numbers: no image, no model.
"""

from agent.rules.base import Measured, Outcome, PartCounts
from agent.rules.count import CountRule
from agent.rules.presence import PresenceRule
from agent.rules.union import Rule, evaluate

__all__ = ["CountRule", "Measured", "Outcome", "PartCounts", "PresenceRule", "Rule", "evaluate"]

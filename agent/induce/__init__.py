"""Finds the rules that good products obey, from measurements of a few of them; one file a kind of regularity.

It knows measured parts and no image, no model and no word of any product.
"""

from agent.induce.every import induce
from agent.induce.prove import joint_log_odds, leave_one_out, odd_one, proved
from agent.induce.spreads import Measuring

__all__ = ["Measuring", "induce", "joint_log_odds", "leave_one_out", "odd_one", "proved"]

"""Finds the rules that all references obey, from measurements of their parts."""

from __future__ import annotations

from agent.rules.induction.sizes import Measuring
from agent.rules.induction.validation import induce, joint_log_odds, leave_one_out, odd_one, proved

__all__ = ["Measuring", "induce", "joint_log_odds", "leave_one_out", "odd_one", "proved"]

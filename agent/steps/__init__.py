"""The steps of an inspection, one file each: pure functions `(state, runtime) -> update`.

No step calls another; the wiring is in agent/graph.py.
"""

from agent.matchers.matching import match
from agent.steps.conclusion import explain, judge
from agent.steps.first_look import glance, intake, propose
from agent.steps.second_look import amend, look_again, suspect

__all__ = ["amend", "explain", "glance", "intake", "judge", "look_again", "match", "propose", "suspect"]

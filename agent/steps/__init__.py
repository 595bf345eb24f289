"""The steps of an inspection, one file each: pure functions `(state, runtime) -> update`.

No step calls another; the wiring is in agent/graph.py.
"""

from agent.steps.explain import explain
from agent.steps.glance import glance
from agent.steps.intake import intake
from agent.steps.judge import judge
from agent.steps.look_again import look_again
from agent.steps.match import match
from agent.steps.propose import propose
from agent.steps.suspect import suspect

__all__ = ["explain", "glance", "intake", "judge", "look_again", "match", "propose", "suspect"]

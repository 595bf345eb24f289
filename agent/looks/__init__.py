"""Ways to look again; each takes a hypothesis and returns a look with its evidence.

The maps in agent/calibration decide what an answer is worth, given what the first look measured.
"""

from agent.looks.base import LookInput, LookResult, able, choose
from agent.looks.questions import ask
from agent.looks.views import compare, recount, zoom

__all__ = ["LookInput", "LookResult", "able", "ask", "choose", "compare", "recount", "zoom"]

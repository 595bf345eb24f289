"""Ways to look again, one file each; each takes what is known and returns a look and what it found.

What an answer is worth is never decided here: the maps of agent/calibrate.py say it, given what the first look knew.
"""

from agent.looks.base import Again, Found, able
from agent.looks.compare import compare
from agent.looks.menu import choose
from agent.looks.narrator import ask
from agent.looks.recount import recount
from agent.looks.zoom import zoom

__all__ = ["Again", "Found", "able", "ask", "choose", "compare", "recount", "zoom"]

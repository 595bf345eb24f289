"""Parts: what is there, its mask, its measures, and which part of a good product it stands for.

Nothing here knows a rule or says what is wrong.
"""

from tools.parts.assign import Assignment, assign
from tools.parts.ground import Grounder
from tools.parts.measure import measure
from tools.parts.segment import EncodedImage, MaskResult, Segmenter

__all__ = ["Assignment", "EncodedImage", "Grounder", "MaskResult", "Segmenter", "assign", "measure"]

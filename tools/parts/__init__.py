"""Parts: what is there, its mask, its measures, and which part of a good product it stands for.

Nothing here knows a rule or says what is wrong.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tools.parts.arrangement import Arrangement, Explanation, Layout, Misfit
    from tools.parts.assignment import Assignment, assign, calibrated_price, explained
    from tools.parts.clustering import Divider
    from tools.parts.descriptors import Descriptors, Scale
    from tools.parts.discovery import OTHER, Branch, Discoverer, Finder, PartType, PartTypes
    from tools.parts.grounding import Grounder
    from tools.parts.measurement import measure
    from tools.parts.parameters import AssignmentCosts
    from tools.parts.pose import ProductPose, find_product, pose_of
    from tools.parts.proposals import Proposer
    from tools.parts.segmentation import EncodedImage, MaskResult, Segmenter
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "arrangement": ["Arrangement", "Explanation", "Layout", "Misfit"],
            "assignment": ["Assignment", "assign", "calibrated_price", "explained"],
            "clustering": ["Divider"],
            "descriptors": ["Descriptors", "Scale"],
            "discovery": ["Branch", "Discoverer", "Finder", "OTHER", "PartType", "PartTypes"],
            "grounding": ["Grounder"],
            "measurement": ["measure"],
            "parameters": ["AssignmentCosts"],
            "pose": ["ProductPose", "find_product", "pose_of"],
            "proposals": ["Proposer"],
            "segmentation": ["EncodedImage", "MaskResult", "Segmenter"],
        },
    )

__all__ = [
    "OTHER",
    "Arrangement",
    "Assignment",
    "AssignmentCosts",
    "Branch",
    "Descriptors",
    "Discoverer",
    "Divider",
    "EncodedImage",
    "Explanation",
    "Finder",
    "Grounder",
    "Layout",
    "MaskResult",
    "Misfit",
    "PartType",
    "PartTypes",
    "ProductPose",
    "Proposer",
    "Scale",
    "Segmenter",
    "assign",
    "calibrated_price",
    "explained",
    "find_product",
    "measure",
    "pose_of",
]

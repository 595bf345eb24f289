"""What a region looks like: its tight mask, its counterpart on a reference, and its measured attributes.

Nothing here needs a model, or says whether a region is a defect.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tools.describe.counterpart import Alignment, ReferenceAligner
    from tools.describe.describer import DescribedRegion, RegionDescriber, describe
    from tools.describe.description import Attribute, RegionDescription
    from tools.describe.outline import notch_depth
    from tools.describe.refinement import refine_region
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "counterpart": ["Alignment", "ReferenceAligner"],
            "describer": ["DescribedRegion", "RegionDescriber", "describe"],
            "description": ["Attribute", "RegionDescription"],
            "outline": ["notch_depth"],
            "refinement": ["refine_region"],
        },
    )

__all__ = [
    "Alignment",
    "Attribute",
    "DescribedRegion",
    "ReferenceAligner",
    "RegionDescriber",
    "RegionDescription",
    "describe",
    "notch_depth",
    "refine_region",
]

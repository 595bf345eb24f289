"""Defect types: what a region looks like to a backbone, and which of the examples that a person named is like it."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tools.defects.classifier import TypeEstimate, classify, leave_one_out
    from tools.defects.embedding import RegionEmbedder
    from tools.defects.lessons import DefectLesson, DefectLessons
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "classifier": ["TypeEstimate", "classify", "leave_one_out"],
            "embedding": ["RegionEmbedder"],
            "lessons": ["DefectLesson", "DefectLessons"],
        },
    )

__all__ = ["DefectLesson", "DefectLessons", "RegionEmbedder", "TypeEstimate", "classify", "leave_one_out"]

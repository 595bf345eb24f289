"""What a region looks like, as typed values; the sentences in each language are made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Generic, Literal, TypeVar

RegionShape = Literal["spot", "line", "branching_line", "ring", "patch", "notch", "added_material"]
"""A spot is small and compact, a patch is larger; a notch is missing from the product's outline, added material sticks
out of it."""
Orientation = Literal["horizontal", "vertical", "rising", "falling"]
"""Of the long axis, as seen on the photo; rising is from the lower left to the upper right."""
Course = Literal["straight", "curved"]
Brightness = Literal["much_darker", "darker", "lighter", "much_lighter"]
Tint = Literal["reddish", "orange", "yellowish", "greenish", "bluish", "purple", "greyish"]
"""The colour towards which a region differs; greyish is less colourful."""
EdgeSharpness = Literal["sharp", "blurred"]
Texture = Literal["smoother", "rougher"]
Position = Literal["upper_left", "top", "upper_right", "left", "centre", "right", "lower_left", "bottom", "lower_right"]
"""Third of the product, across and down, in which the region's middle lies."""
Border = Literal["left_edge", "right_edge", "upper_edge", "lower_edge", "rim"]
"""The border of the product that the region lies at; the rim is that of a round product."""
Comparison = Literal["reference", "surroundings"]

T = TypeVar("T")


@dataclass(frozen=True)
class Attribute(Generic[T]):
    """One stated property with how sure it is."""

    value: T
    confidence: float
    """In [0, 1]: how far the measurement lies from where another value would be stated."""


@dataclass(frozen=True)
class RegionDescription:
    """What a region looks like; an attribute is None where the measurement does not decide it, or nothing differs."""

    length_px: float
    """Along the region: of a line its course, else its largest extent."""
    width_px: float
    """Across the region."""
    area_percent: float
    """Area as a percentage of the product's area on the photo."""
    compared_with: Comparison
    """What brightness, colour and texture are compared with."""
    length_mm: float | None = None
    """None where no scale was given."""
    width_mm: float | None = None
    shape: Attribute[RegionShape] | None = None
    orientation: Attribute[Orientation] | None = None
    course: Attribute[Course] | None = None
    brightness: Attribute[Brightness] | None = None
    tint: Attribute[Tint] | None = None
    edge: Attribute[EdgeSharpness] | None = None
    texture: Attribute[Texture] | None = None
    count: Attribute[int] | None = None
    """Separate pieces that are alike; 1 where it is one piece."""
    position: Attribute[Position] | None = None
    border: Attribute[Border] | None = None
    """None where it lies away from the product's borders, or where the product fills the photo."""
    part: Attribute[str] | None = None
    """Label of the part that it lies on."""

    def stated(self) -> dict[str, Attribute[str] | Attribute[int]]:
        """The attributes that are stated, by name."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if isinstance(value, Attribute)}

"""Says what a region looks like, in words of prompts/report/regions.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from agent.evidence.claims import place_in_words, translated
from prompts import in_language
from tools.describe.description import RegionDescription
from tools.types import Box

ADJECTIVES = ("brightness", "tint", "course", "orientation")
"""Attributes that stand before the shape, in this order."""
DETAILS = ("edge", "texture")
"""Attributes that follow it."""
LINES = ("line", "branching_line")
"""Shapes that have a length and no surface."""
LEAST_PERCENT, MOST_PERCENT = 0.1, 50.0
"""Smaller shares of the product's area are not stated; of larger ones the product's outline is in doubt."""
Words = Mapping[str, str | Mapping[str, str]]


def region_in_words(description: RegionDescription, place: str, language: str = "en") -> str:
    """One sentence on a region: its look, where on the product it is, and its size.

    Args:
        description: of the region.
        place: of the region on the photo, in English; said where its place on the product is not known.
        language: its code.

    >>> from tools.describe.description import Attribute
    >>> spot = RegionDescription(34.2, 22.0, 2.04, "reference", shape=Attribute("spot", 0.9),
    ...     brightness=Attribute("darker", 0.9), edge=Attribute("sharp", 0.8), position=Attribute("lower_left", 0.9))
    >>> region_in_words(spot, "left side")
    'A darker spot with sharp edges, lower left, about 34 x 22 px (2 % of the product).'
    """
    words = cast("Words", in_language("report/regions", language))
    look = _look(description, words)
    frame = "frame" if look else "frame_plain"
    return _text(words, frame).format(
        look=_with_article(look, description, language) if look else "",
        with_details=_details(description, words),
        where=_where(description, words) or str(translated({"place": place}, language)["place"]),
        size=_size(description, words),
    )


def plain_region_in_words(box: Box, size: tuple[int, int], language: str = "en") -> str:
    """One sentence on a region of which nothing but its box is known.

    Args:
        box: in pixels of the photo.
        size: (width, height) of the photo.
        language: its code.
    """
    words = cast("Words", in_language("report/regions", language))
    place = translated({"place": place_in_words(box, *size)}, language)["place"]
    measured = size_in_words(box.width, box.height, language)
    return _text(words, "frame_plain").format(with_details="", where=place, size=measured)


def size_in_words(length: float, width: float, language: str = "en", mm_per_px: float | None = None) -> str:
    """Length and width, given in pixels, in millimetres where the scale is known.

    >>> size_in_words(40.2, 9.8), size_in_words(40.0, 10.0, mm_per_px=0.05)
    ('about 40 x 10 px', 'about 2 x 0.5 mm')
    """
    words = cast("Words", in_language("report/regions", language))
    if mm_per_px is None:
        return _text(words, "size_area").format(length=round(length), width=round(width))
    sides = (_two_digits(side * mm_per_px) for side in (length, width))
    return _text(words, "size_area_mm").format(**dict(zip(("length", "width"), sides, strict=True)))


def _look(description: RegionDescription, words: Words) -> str:
    """Adjectives and shape; empty where neither is stated."""
    stated = description.stated()
    adjectives = [_word(words, name, str(stated[name].value)) for name in ADJECTIVES if name in stated]
    if not adjectives and description.shape is None:
        return ""
    count = 1 if description.count is None else description.count.value
    shape = "place" if description.shape is None else description.shape.value
    joined = _text(words, "adjective_joint").join(adjectives)
    return _text(words, "several" if count > 1 else "one").format(
        count=count,
        adjectives=_text(words, "adjectives").format(adjectives=joined) if joined else "",
        shape=_word(words, "shapes" if count > 1 else "shape", shape),
    )


def _with_article(look: str, description: RegionDescription, language: str) -> str:
    several = description.count is not None and description.count.value > 1
    if language != "en" or several:
        return look[:1].upper() + look[1:]
    return f"{'An' if look[0] in 'aeiou' else 'A'} {look}"


def _details(description: RegionDescription, words: Words) -> str:
    stated = description.stated()
    if _is_line(description):
        stated.pop("texture", None)
    details: Sequence[str] = [_word(words, name, str(stated[name].value)) for name in DETAILS if name in stated]
    frames = ("detail_first", "detail_next")
    return "".join(_text(words, frame).format(detail=d) for frame, d in zip(frames, details, strict=False))


def _where(description: RegionDescription, words: Words) -> str:
    """The part that it is on, else the border that it is at, else its third of the product; empty where all is open."""
    if description.part is not None:
        return _text(words, "on_part").format(part=description.part.value)
    if description.border is not None and (description.border.value != "rim" or description.position is None):
        return _word(words, "border", description.border.value)
    places = [] if description.position is None else [_word(words, "position", description.position.value)]
    if description.border is not None:
        places.append(_word(words, "border", description.border.value))
    return _text(words, "adjective_joint").join(places)


def _size(description: RegionDescription, words: Words) -> str:
    line = _is_line(description)
    unit = "" if description.length_mm is None or description.width_mm is None else "_mm"
    length, width = (
        (f"{description.length_px:.0f}", f"{description.width_px:.0f}")
        if not unit
        else (_two_digits(description.length_mm), _two_digits(description.width_mm))
    )
    size = _text(words, f"size_{'line' if line else 'area'}{unit}").format(length=length, width=width)
    if line or not LEAST_PERCENT <= description.area_percent <= MOST_PERCENT:
        return size
    percent = f"{description.area_percent:.1f}" if description.area_percent < 1 else f"{description.area_percent:.0f}"
    return _text(words, "share").format(size=size, percent=percent)


def _is_line(description: RegionDescription) -> bool:
    return description.shape is not None and description.shape.value in LINES


def _two_digits(millimetres: float | None) -> str:
    """A length with two significant digits below 10 mm, in whole millimetres above."""
    length = millimetres or 0.0
    return f"{length:.0f}" if length >= 10 else f"{length:.2g}"


def _text(words: Words, key: str) -> str:
    return cast("str", words[key])


def _word(words: Words, group: str, value: str) -> str:
    return cast("Mapping[str, str]", words[group])[value]

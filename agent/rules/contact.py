"""Whether two parts of a photo touch."""

from __future__ import annotations

from tools.types import Box, Mask, Part


def touching(a: Part, b: Part) -> bool:
    """Whether their masks touch (`tools.parts.relate`); by their boxes where a mask is unknown."""
    from tools.parts.relate import CONTACT
    from tools.parts.relate import touching as masks_touch

    near = _common(a.region.box, b.region.box, CONTACT)
    if near is None:
        return False
    if a.region.mask is None or b.region.mask is None:
        return True
    one, other = _cut(a.region.mask, near), _cut(b.region.mask, near)
    return bool(one.any() and other.any()) and masks_touch(one, other)


def _common(a: Box, b: Box, reach: float) -> Box | None:
    """Where two boxes that are wider by a reach overlap; nothing outside of it can touch the other."""
    x0, y0 = max(a.x0, b.x0) - reach, max(a.y0, b.y0) - reach
    x1, y1 = min(a.x1, b.x1) + reach, min(a.y1, b.y1) + reach
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _cut(mask: Mask, box: Box) -> Mask:
    x0, y0 = max(0, int(box.x0)), max(0, int(box.y0))
    return mask[y0 : int(box.y1) + 1, x0 : int(box.x1) + 1]

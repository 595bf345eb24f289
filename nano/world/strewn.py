"""Where parts lie that were strewn: anywhere, close to each other, hardly ever over each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, inf, radians, sin

from nano.world.chance import Chance
from nano.world.stage import At

TRIES = 40
"""Places that are tried for a part; the first that keeps the gap is taken, or the one that is freest."""
Lying = tuple[At, float, float]
"""Where a part lies, half its length, along its angle, and half its width, units."""


def strewn(
    c: Chance, lying: Sequence[Lying], part: tuple[float, float, float], room: tuple[float, float], gap: float
) -> At:
    """A place for one more part.

    Args:
        c: drawn from.
        lying: the parts that lie already.
        part: its angle, half its length and half its width.
        room: half of the width and height within which middles lie, units.
        gap: how far parts keep from each other, units; below 0 they may lie over each other.
    """
    angle, along, across = part
    covered = [one for other in lying for one in _rounds(*other)]
    best, most = At(0.0, 0.0, angle), -inf
    for _ in range(TRIES):
        at = At(c.uniform(-room[0], room[0]), c.uniform(-room[1], room[1]), angle)
        here = _rounds(at, along, across)
        free = min((hypot(x - a, y - b) - r - s for x, y, r in here for a, b, s in covered), default=inf)
        if free > most:
            best, most = at, free
        if most >= gap:
            break
    return best


def _rounds(at: At, along: float, across: float) -> list[tuple[float, float, float]]:
    """(x, y, radius) of discs in a line that cover about what the part covers."""
    count = max(1, round(along / across))
    x, y = cos(radians(at.angle)), sin(radians(at.angle))
    steps = [(2 * k - count + 1) * across for k in range(count)]
    squeezed = (along - across) / max(across * (count - 1), 1e-9) if count > 1 else 0.0
    return [(at.x + squeezed * step * x, at.y + squeezed * step * y, across) for step in steps]

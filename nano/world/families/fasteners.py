"""Bolts, nuts, washers and caps as several families use them, lying on a surface and seen from above."""

from __future__ import annotations

import numpy as np

from nano.world.canvas import Paint, Profile
from nano.world.chance import Field
from nano.world.shapes import Shape, block, disc, hexagon, moved, path, ring, without
from nano.world.stage import At, Stage
from nano.world.texture import waves

METALS = ("grey", "yellow")
"""Steel and brass."""


def _round(half: float, thread: float, start: float, end: float) -> Profile:
    """A lying cylinder along u of that half width, with a thread from start to end."""

    def profile(u: Field, v: Field, d: Field) -> Field:
        t = np.clip(-d / half, 0, 1)
        out: Field = np.sqrt(t * (2 - t)) * np.float32(half * 1.2)
        if thread:
            out = out + waves((u + v * np.float32(0.25)) * np.float32(1 / thread)) * (
                (u > start) & (u < end)
            ) * np.float32(0.45)
        return out

    return profile


def bolt(stage: Stage, at: At, length: float, paint: Paint, part: int, *, bent: float = 0.0) -> None:
    """A hexagon bolt, head at the left; `bent` pushes the tip sideways (units)."""
    head, neck = 9.0, -length / 2 + 9.0
    if bent:
        points = [
            (neck - 2, 0.0),
            (length * 0.05, bent * 0.06),
            (length * 0.3, bent * 0.5),
            (length / 2 - 3, bent),
        ]
        shaft = path(points, 7.0)
    else:
        shaft = moved(block(length - head + 2, 7.0, 1.5), head / 2 - 1, 0)
    stage.draw(shaft, *at, paint, part=part, profile=_round(3.5, 2.4, neck + length * 0.22, length / 2))
    stage.draw(moved(block(head, 15, 1.5), -length / 2 + head / 2, 0), *at, paint, part=part, profile=_head)


def _head(u: Field, v: Field, d: Field) -> Field:
    """Three facets of a lying hexagon head."""
    facet = np.clip((7.5 - np.abs(v)) * np.float32(0.9), 0, 3) + np.clip(-d * np.float32(1.2), 0, 1.5)
    out: Field = facet + np.float32(2.5)
    return out


def nut_shape(radius: float) -> Shape:
    """A hexagon nut from above."""
    return without(hexagon(radius), disc(radius * 0.5))


def nut(stage: Stage, at: At, radius: float, paint: Paint, part: int) -> None:
    """A hexagon nut lying flat."""

    def profile(u: Field, v: Field, d: Field) -> Field:
        r = np.sqrt(u * u + v * v)
        chamfer = np.clip((radius - r) * np.float32(0.55), -1.2, 1.6)
        inner = np.clip((r - radius * np.float32(0.5)) * np.float32(0.9), 0, 1.5)
        out: Field = np.float32(2.2) + chamfer + inner
        return out

    stage.draw(nut_shape(radius), *at, paint, part=part, profile=profile)


def washer(stage: Stage, at: At, radius: float, paint: Paint, part: int) -> None:
    """A flat washer."""
    stage.draw(ring(radius, radius * 0.52), *at, paint, part=part, rise=1.6, bevel=1.2)


def cap(stage: Stage, at: At, radius: float, paint: Paint, part: int) -> None:
    """A round plastic cap with a raised rim."""
    stage.draw(disc(radius), *at, paint, part=part, rise=4.5, bevel=3)
    stage.draw(disc(radius * 0.62), *at, paint, part=part, level=3.0, rise=1.2, bevel=radius * 0.6)

"""The wooden plank: growth rings of any figure, with a knot or a few."""

from __future__ import annotations

import numpy as np

from nano.world.canvas import Spot
from nano.world.shapes import ellipse
from nano.world.stage import Stage
from nano.world.texture import clouds, speckle, upsampled, waves


def put_up(stage: Stage) -> None:
    """Fills the photo with planed wood."""
    c, canvas = stage.chance, stage.canvas
    stage.settle(turn=12, shift=20, scale=0.15)
    side = canvas.side
    plank = stage.part("plank", "brown")
    paint = stage.paint("brown", "mat", "plank", spread=0.3)
    warm = c.uniform(0.9, 1.5)
    r, g, b = paint.colour
    canvas.fill(type(paint)((r * warm * 1.6, g * warm * 1.5, b * warm * 1.3), 0.12))
    whole = (slice(0, side), slice(0, side))
    u, v = canvas.local(whole, Spot(128 + c.uniform(-200, 200), 128 + c.uniform(-160, 160), stage.pose.angle))
    knots = [Spot(c.uniform(40, 216), c.uniform(40, 216), stage.pose.angle) for _ in range(c.integer(1, 3))]
    bulge = np.zeros_like(u)
    for knot in knots:
        p, q = canvas.local(whole, knot)
        bulge += 60 / (8 + np.sqrt(p * p * np.float32(0.18) + q * q))
    drift = upsampled(c.grid(5, 3), side, side) * np.float32(9)
    rings = waves((v + u * u * np.float32(0.0004) + drift) * np.float32(1 / c.uniform(6, 13)) + bulge)
    fibre = upsampled(c.grid(side // 2, 9), side, side) * np.float32(0.6) + speckle(c, side, side) * np.float32(0.25)
    shade = 1 + rings * np.float32(c.uniform(0.1, 0.24)) + fibre * np.float32(0.12)
    shade = shade + clouds(c, side, side, cells=3) * np.float32(0.16)
    for channel in range(3):
        canvas.albedo[channel] *= shade
    canvas.height += fibre * np.float32(0.16) + rings * np.float32(0.1)
    canvas.owner[:] = plank
    for step, knot in enumerate(knots):
        _knot(stage, step, knot)


def _knot(stage: Stage, step: int, spot: Spot) -> None:
    c = stage.root.fork("knot", step)
    depth = c.uniform(0.05, 0.5)
    wide, tall = c.uniform(7, 13), c.uniform(5, 8)
    part = stage.part("knot", "brown", length=wide * 2, width=tall * 2)
    for share, opacity in ((1.0, 0.55), (0.7, 0.4), (0.35, 0.6)):
        dark = stage.paint("brown", "mat", ("knot", step, share))
        r, g, b = dark.colour
        ink = type(dark)((r * depth, g * depth * 0.8, b * depth * 0.7), 0.1)
        shape = ellipse(wide * share, tall * share)
        stage.canvas.draw(shape, spot, ink, rise=None, opacity=opacity, part=part)

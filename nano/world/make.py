"""From arguments to a photo and its truth: stage, structural defect, light, camera, measures."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

import numpy as np

from nano.world import structural
from nano.world.annotations import asked
from nano.world.camera import Camera, Lamp, lit, photographed
from nano.world.canvas import OVERSAMPLING
from nano.world.scene import Family, Scene, SceneDefect, ScenePart, Style
from nano.world.stage import Stage
from nano.world.words import FAMILIES, families, place, story
from tools.errors import InputError
from tools.types import Box, Mask

SMALLEST = 14
"""A part with fewer visible pixels (at 256 px) is not listed."""

SHARES = (1.0, 0.9, 0.8, 0.65, 0.5, 0.4, 0.33, 0.25, 0.2, 0.1, 0.05, 0.025)
"""Saturation thresholds as shares of a mask; a grey value stands for one defect and one share."""


def render(
    family: str, *, seed: int, index: int, defect: str | None = None, size: int = 256, style: str = "plain"
) -> Scene:
    """One photo of one product with everything that is true of it; a pure function of its arguments.

    Raises:
        InputError: an unknown family, defect or style, or a size that is no multiple of 8 in [64, 1024].
    """
    known = families()
    if family not in known:
        raise InputError(f"Unknown family '{family}'; choose from {', '.join(FAMILIES)}.")
    kind = known[family]
    if defect is not None and defect not in kind.defects:
        raise InputError(f"A {kind.product} has no defect '{defect}'; choose from {', '.join(kind.defects)}.")
    if style not in ("plain", "shift"):
        raise InputError(f"Unknown style '{style}'; choose plain or shift.")
    if size % 8 or not 64 <= size <= 1024:
        raise InputError(f"Size {size} cannot be rendered; give a multiple of 8 from 64 to 1024.")
    stage = Stage(kind, seed, index, defect=defect, size=size, style=cast(Style, style))
    _put_up(stage)
    strong = style == "shift"
    lamp = Lamp.random(stage.root.fork("lamp"), strong)
    camera = Camera.random(stage.root.fork("camera"), strong)
    image = photographed(lit(stage.canvas, lamp), camera, stage.root.fork("sensor"))
    parts, defects = tuple(parts_of(stage).values()), _defects(stage)
    return Scene(image, family, kind.product, parts, defects, asked(kind, parts, defects))


def _put_up(stage: Stage) -> None:
    put_up = cast(Callable[[Stage], None], import_module(f"nano.world.families.{stage.family.name}").put_up)
    put_up(stage)
    if stage.kind == "structural" and stage.fault is None:
        structural.strike(stage)


def _box(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def parts_of(stage: Stage) -> dict[int, ScenePart]:
    """Every part that can be seen by its number, in the order in which they were put up."""
    unit = stage.canvas.pixels / OVERSAMPLING * stage.pose.scale
    least = SMALLEST * stage.canvas.size * stage.canvas.size / (256 * 256)
    parts = {}
    for number, actor in stage.actors.items():
        mask = stage.canvas.mask(number)
        if int(mask.sum()) < least:
            continue
        attributes: dict[str, str | float] = {
            key: value if isinstance(value, str) else round(value * unit, 1) for key, value in actor.attributes.items()
        }
        parts[number] = ScenePart(actor.noun, _box(mask), mask, attributes)
    return parts


def _defects(stage: Stage) -> tuple[SceneDefect, ...]:
    fault, name, kind = stage.fault, stage.defect, stage.kind
    if fault is None or name is None or kind is None:
        return ()
    mask = stage.canvas.marked()
    for number in stage.blamed:
        mask |= stage.canvas.mask(number)
    told = story(name, fault.words, fault.noun)
    area = int(mask.sum())
    step = _step(1.0 if fault.saturation is None else fault.saturation)
    return (
        SceneDefect(
            name=name,
            kind=kind,
            mask=mask,
            box=_box(mask),
            words=told.words,
            place=place(mask),
            severity=fault.severity,
            cause=told.cause,
            consequence=told.consequence,
            advice=told.advice,
            saturation=max(1, round(area * SHARES[step])),
            pixel_value=255 - len(SHARES) * stage.family.defects.index(name) - step,
        ),
    )


def _step(share: float) -> int:
    return min(range(len(SHARES)), key=lambda step: abs(SHARES[step] - share))


def share(defect: SceneDefect) -> float:
    """The share of the defect's mask that must be found; its grey value tells it."""
    return SHARES[(255 - defect.pixel_value) % len(SHARES)]


def family(name: str) -> Family:
    """A family by name.

    Raises:
        InputError: there is no such family.
    """
    if name not in families():
        raise InputError(f"Unknown family '{name}'; choose from {', '.join(FAMILIES)}.")
    return families()[name]

"""The blister pack: a row of white tablets above a row of capsules, blue end up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nano.world.canvas import Profile
from nano.world.chance import Field
from nano.world.shapes import Shape, block, disc, moved
from nano.world.stage import At, Stage
from nano.world.texture import waves

COLUMNS, PITCH = 5, 40.0
UPPER, LOWER = -34.0, 32.0


def put_up(stage: Stage) -> None:
    """Draws the card with its ten pockets."""
    c, t = stage.chance, stage.trouble
    stage.bench("blue", "green", "brown", "black", "white")
    stage.settle(turn=8, shift=9, scale=0.06)
    card = stage.part("card", "grey", length=218.0, width=150.0)
    foil = replace(stage.paint("grey", "metal", "card", spread=0.16), gloss=0.5)
    stage.draw(block(218, 150, 9), 0, 0, 0, foil, profile=_foil(), part=card)
    if stage.wants("chipping"):
        stage.keep_ground()
    odd = t.fork("odd").integer(0, 2 * COLUMNS - 1)
    if stage.wants("wrong orientation"):
        odd = t.fork("odd").integer(COLUMNS, 2 * COLUMNS - 1)
    for step in range(2 * COLUMNS):
        row, column = divmod(step, COLUMNS)
        x = (column - 2) * PITCH
        at = At(x + c.uniform(-1.5, 1.5), (UPPER, LOWER)[row] + c.uniform(-2.5, 2.5), c.uniform(-6, 6))
        _pocket(stage, step, at, capsule=row == 1, odd=step == odd)


def _foil() -> Profile:
    def profile(u: Field, v: Field, d: Field) -> Field:
        out: Field = np.clip(-d * 1.2, 0, 2) + waves((u + v) * np.float32(0.22)) * np.float32(0.12)
        return out + waves((u - v) * np.float32(0.22)) * np.float32(0.12)

    return profile


def _pocket(stage: Stage, step: int, at: At, *, capsule: bool, odd: bool) -> None:
    """A pocket with its pill under a clear dome."""
    t = stage.trouble
    kind = "capsule" if capsule else "tablet"
    row_middle = LOWER if capsule else UPPER
    dome = block(30, 52, 15) if capsule else disc(18)
    stage.canvas.press(dome, stage.pose.at(at.x, row_middle), 2.0, 3)
    if odd and stage.wants("missing part"):
        stage.mark(dome, at.x, row_middle)
        stage.blame(f"an empty pocket in the row of {kind}s", kind)
    else:
        other = odd and stage.wants("swapped parts")
        colour = t.choice(("red", "green", "yellow", "pink")) if odd and stage.wants("wrong colour") else None
        if capsule != other:
            turned = 180 if odd and stage.wants("wrong orientation") else 0
            part = _capsule(stage, At(at.x, at.y, at.angle + turned), colour or "blue")
        else:
            part = _tablet(stage, at, colour or "white")
        noun = stage.actors[part].noun
        if other:
            stage.blame(f"a {noun} in the row of {kind}s", noun, part)
        elif colour:
            stage.blame(f"a {colour} {noun} among the {'blue' if capsule else 'white'} ones", noun, part)
        elif odd and stage.wants("wrong orientation"):
            stage.blame("a capsule with its white end up", "capsule", part)
    clear = replace(stage.paint("white", "gloss", "dome"), gloss=0.5)
    stage.draw(dome, at.x, row_middle, 0, clear, opacity=0.1, rise=None)
    shine: Shape = moved(block(3, 14, 1.5), -9, -5)
    stage.draw(shine, at.x, row_middle, 18, clear, opacity=0.4, rise=None)


def _tablet(stage: Stage, at: At, colour: str) -> int:
    part = stage.part("tablet", colour, length=27.0, width=27.0)
    paint = stage.paint(colour, "plastic", ("tablet", at.x))
    stage.draw(disc(13.5), *at, paint, level=1, rise=4.5, bevel=5, part=part)
    stage.canvas.press(block(22, 1.6), stage.pose.at(*at), 1.0, 0.8, part)
    return part


def _capsule(stage: Stage, at: At, colour: str) -> int:
    part = stage.part("capsule", colour, length=42.0, width=19.0)
    white = stage.paint("white", "gloss", ("capsule", at.x))
    paint = stage.paint(colour, "gloss", ("capsule end", at.x))
    frame = stage.pose.at(*at)
    whole = block(19, 42, 9.5)
    stage.canvas.draw(whole, frame, white, level=1, rise=6, bevel=9, part=part)
    half = moved(block(19.6, 24, 9), 0, -9.2)
    stage.canvas.draw(half, frame, paint, level=1.4, rise=6.2, bevel=9, part=part)
    return part

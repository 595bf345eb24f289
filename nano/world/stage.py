"""Where a family puts up one product: pose, parts and what was done wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from nano.world import colours
from nano.world.canvas import Canvas, Ground, Paint, Profile, Spot
from nano.world.chance import Chance
from nano.world.scene import Family, Kind, Style
from nano.world.shapes import Shape
from nano.world.texture import clouds, waves

Severity = Literal["minor", "moderate", "severe"]


class At(NamedTuple):
    """A place in the product's frame: units from its middle, y down, degrees."""

    x: float
    y: float
    angle: float = 0.0


@dataclass(frozen=True)
class Actor:
    """A part that was put on the stage."""

    noun: str
    attributes: dict[str, str | float]
    """Lengths in units of the product's frame until the photo is taken."""


@dataclass(frozen=True)
class Fault:
    """What was done wrong, before it is measured."""

    words: str
    noun: str
    """The part that causes and consequences speak of."""
    severity: Severity
    saturation: float | None
    """Share of the mask that must be found, in (0, 1]; None for all of it."""


class Stage:
    """One product being put up; the layout's chance never depends on the defect.

    So the good and the defective scene of one (seed, index) differ in the defect alone.
    """

    def __init__(self, family: Family, seed: int, index: int, *, defect: str | None, size: int, style: Style) -> None:
        root = Chance("world", family.name, seed, index)
        self.family, self.defect, self.style = family, defect, style
        self.chance = root.fork("layout")
        self.trouble = root.fork("trouble", defect)
        """For the defect alone."""
        self.root = root
        self.canvas = Canvas(size, root.fork("canvas"))
        self.pose = Spot(128, 128)
        self.actors: dict[int, Actor] = {}
        self.blamed: set[int] = set()
        """Parts whose visible pixels belong to the defect's region."""
        self.fault: Fault | None = None
        self.ground: Ground | None = None
        """What lies below the parts that can be chipped or torn; kept for those defects only."""

    @property
    def kind(self) -> Kind | None:
        """Of the defect to show, or None for a good product."""
        if self.defect is None:
            return None
        return "logical" if self.defect in self.family.logical else "structural"

    def wants(self, *defects: str) -> bool:
        """Whether one of these defects is to be shown."""
        return self.defect in defects

    def settle(self, turn: float = 7, shift: float = 9, scale: float = 0.07) -> None:
        """Puts the product down about the middle: within `turn` degrees and `shift` units."""
        c = self.root.fork("pose")
        self.pose = Spot(
            128 + c.uniform(-shift, shift),
            128 + c.uniform(-shift, shift),
            c.uniform(-turn, turn),
            c.uniform(1 - scale, 1 + scale),
        )

    def bench(self, *names: str, material: str = "mat") -> None:
        """Covers the ground with one of the colours, muted and uneven."""
        c = self.root.fork("bench")
        paint = self.paint(c.choice(names), material, "bench", spread=0.25)
        grey = sum(paint.colour) / 3
        r, g, b = ((value + grey) / 2 for value in paint.colour)
        paint = replace(paint, colour=(r, g, b))
        side = self.canvas.side
        tint = clouds(c, side, side, cells=3) * np.float32(0.16)
        if self.style == "shift":
            u, v = self.canvas.local((slice(0, side), slice(0, side)), Spot(0, 0, c.uniform(0, 90)))
            pitch = np.float32(1 / c.uniform(5, 16))
            tint = tint + waves(u * pitch) * np.float32(0.07) + waves(v * pitch) * np.float32(0.07)
        self.canvas.fill(paint, tint)
        self.keep_ground()

    def keep_ground(self) -> None:
        """Remembers what lies here now, if the defect is one that will lay it open."""
        if self.wants("chipping", "tear"):
            self.ground = self.canvas.ground()

    def paint(self, name: str, material: str, key: object, spread: float = 0.07) -> Paint:
        """A basic colour on a material; `key` names what wears it, so that it keeps its shade."""
        return colours.paint(name, material, self.root.fork("paint", key), self.style, spread)

    def part(self, noun: str, colour: str, **attributes: str | float) -> int:
        """Announces a part; its number goes to `draw`."""
        number = len(self.actors) + 1
        self.actors[number] = Actor(noun, {"colour": colour, **attributes})
        return number

    def draw(
        self,
        shape: Shape,
        x: float,
        y: float,
        angle: float,
        paint: Paint,
        *,
        level: float = 0.0,
        rise: float | None = 2.0,
        bevel: float = 1.5,
        profile: Profile | None = None,
        opacity: float = 1.0,
        part: int | None = None,
        within: int | None = None,
    ) -> None:
        """Draws in the product's frame (origin in its middle, y down); see `Canvas.draw`."""
        self.canvas.draw(
            shape,
            self.pose.at(x, y, angle),
            paint,
            level=level,
            rise=rise,
            bevel=bevel,
            profile=profile,
            opacity=opacity,
            part=part,
            within=within,
        )

    def mark(self, shape: Shape, x: float, y: float, angle: float = 0.0, within: int | None = None) -> None:
        """Declares a place in the product's frame to be (part of) the defect's region."""
        self.canvas.mark(shape, self.pose.at(x, y, angle), within)

    def blame(
        self,
        words: str,
        noun: str,
        *parts: int,
        severity: Severity = "severe",
        saturation: float | None = None,
    ) -> None:
        """Says what is wrong; the parts' visible pixels join the defect's region."""
        self.blamed.update(parts)
        self.fault = Fault(words, noun, severity, saturation)

    def numbers(self, noun: str) -> list[int]:
        """The parts of that name, in the order they were put up."""
        return [number for number, actor in self.actors.items() if actor.noun == noun]

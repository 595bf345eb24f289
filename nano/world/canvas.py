"""The sheet that a product is built up on: colour, height, gloss and who owns each pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nano.world.chance import Chance, Field
from nano.world.shapes import Shape, turn
from nano.world.texture import MAKERS
from tools.types import Mask

OVERSAMPLING = 2
"""Sheet pixels to a photo pixel, a side."""
UNITS = 256
"""Width of every photo in drawing units, whatever its size in pixels."""

Profile = Callable[[Field, Field, Field], Field]
"""Height above the level from local (u, v) and the signed distance."""


@dataclass(frozen=True)
class Paint:
    """What a surface is made of."""

    colour: tuple[float, float, float]
    """Linear red, green, blue in [0, 1]."""
    gloss: float = 0.15
    texture: str | None = None
    """Name of a texture, see `texture.MAKERS`."""
    grain: float = 0.0
    """How much the texture changes the colour, as a fraction."""
    bump: float = 0.0
    """How much the texture raises the surface, in units."""


@dataclass(frozen=True)
class Spot:
    """Where something is on the sheet: units of the photo, degrees, and a size factor."""

    x: float
    y: float
    angle: float = 0.0
    scale: float = 1.0

    def at(self, x: float, y: float, angle: float = 0.0) -> Spot:
        """A place given in this place's own frame."""
        c, s = turn(self.angle)
        k = self.scale
        return Spot(self.x + k * (x * c - y * s), self.y + k * (x * s + y * c), self.angle + angle, k)


@dataclass(frozen=True)
class Ground:
    """A copy of the layers as they once were: what a chip or a tear lays open."""

    albedo: Field
    height: Field
    gloss: Field
    owner: NDArray[np.int16]


class Canvas:
    """Layers at twice the photo's resolution; shapes are drawn in their own small windows."""

    def __init__(self, size: int, chance: Chance) -> None:
        self.size = size
        self.side = size * OVERSAMPLING
        self.pixels = self.side / UNITS
        """Sheet pixels to a unit."""
        side = self.side
        self.albedo: Field = np.zeros((3, side, side), np.float32)
        self.height: Field = np.zeros((side, side), np.float32)
        self.gloss: Field = np.zeros((side, side), np.float32)
        self.owner: NDArray[np.int16] = np.zeros((side, side), np.int16)
        self.marks: Mask = np.zeros((side, side), np.bool_)
        self._chance = chance
        self._textures: dict[str, Field] = {}

    def texture(self, name: str) -> Field:
        """This photo's field of that texture, (side, side), made when first asked for."""
        if name not in self._textures:
            self._textures[name] = MAKERS[name](self._chance.fork("texture", name), self.side, self.side)
        return self._textures[name]

    def fill(self, paint: Paint, tint: Field | None = None) -> None:
        """Covers the whole sheet; `tint` (side, side) multiplies the colour by 1 + tint."""
        shade = np.ones((self.side, self.side), np.float32) if tint is None else 1 + tint
        if paint.texture:
            field = self.texture(paint.texture)
            shade = shade + field * np.float32(paint.grain)
            self.height += field * np.float32(paint.bump)
        for channel, value in enumerate(paint.colour):
            self.albedo[channel] = shade * np.float32(value)
        self.gloss[:] = paint.gloss

    def _window(self, shape: Shape, spot: Spot) -> tuple[slice, slice] | None:
        c, s = turn(spot.angle)
        rx, ry = shape.reach[0] * spot.scale + 1, shape.reach[1] * spot.scale + 1
        wide, tall = abs(rx * c) + abs(ry * s), abs(rx * s) + abs(ry * c)
        left, right = (math.floor((spot.x - wide) * self.pixels), math.ceil((spot.x + wide) * self.pixels))
        top, bottom = (math.floor((spot.y - tall) * self.pixels), math.ceil((spot.y + tall) * self.pixels))
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.side), min(bottom, self.side)
        return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None

    def local(self, window: tuple[slice, slice], spot: Spot) -> tuple[Field, Field]:
        """Local (u, v) of a window's pixels, in the spot's own units."""
        c, s = turn(spot.angle)
        rows, columns = window
        x = (np.arange(columns.start, columns.stop) + 0.5) / self.pixels - spot.x
        y = (np.arange(rows.start, rows.stop) + 0.5) / self.pixels - spot.y
        xc, xs = (x * (c / spot.scale)).astype(np.float32), (x * (s / spot.scale)).astype(np.float32)
        yc, ys = (y * (c / spot.scale)).astype(np.float32), (y * (s / spot.scale)).astype(np.float32)
        return xc[None, :] + ys[:, None], yc[:, None] - xs[None, :]

    def cover(
        self, shape: Shape, spot: Spot, within: int | None = None
    ) -> tuple[tuple[slice, slice], Field, Field, Field, Field] | None:
        """(window, u, v, distance, coverage) of a shape; None where it is off the sheet."""
        window = self._window(shape, spot)
        if window is None:
            return None
        u, v = self.local(window, spot)
        d = shape.distance(u, v)
        coverage = np.clip(np.float32(0.5) - d * np.float32(self.pixels * spot.scale), 0, 1)
        if within is not None:
            coverage = coverage * (self.owner[window] == within)
        return window, u, v, d, coverage

    def draw(
        self,
        shape: Shape,
        spot: Spot,
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
        """Lays a shape over what is there; `rise=None` prints it flat onto the surface below."""
        covered = self.cover(shape, spot, within)
        if covered is None:
            return
        window, u, v, d, coverage = covered
        alpha = coverage if opacity == 1.0 else coverage * np.float32(opacity)
        shade, bump = self._tone(paint, window, spot)
        for channel, value in enumerate(paint.colour):
            layer = self.albedo[channel][window]
            layer += (shade * np.float32(value) - layer) * alpha
        gloss = self.gloss[window]
        gloss += (np.float32(paint.gloss) - gloss) * alpha
        if rise is not None:
            self._raise(window, profile(u, v, d) if profile else ramp(d, rise, bevel), level, bump, coverage)
        if part is not None:
            self.owner[window][coverage > 0.5] = part

    def _tone(self, paint: Paint, window: tuple[slice, slice], spot: Spot) -> tuple[Field, Field]:
        one = np.ones((1, 1), np.float32)
        if paint.texture is None:
            return one, one * 0
        rows, columns = window
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        top = int(spot.y * 7919 + spot.x * 104729) % (self.side - tall + 1)
        left = int(spot.x * 7919 + spot.y * 104729) % (self.side - wide + 1)
        field = self.texture(paint.texture)[top : top + tall, left : left + wide]
        return 1 + field * np.float32(paint.grain), field * np.float32(paint.bump)

    def _raise(
        self,
        window: tuple[slice, slice],
        shape: Field,
        level: float,
        bump: Field,
        coverage: Field,
    ) -> None:
        height = self.height[window]
        height += (shape + np.float32(level) + bump - height) * coverage

    def press(self, shape: Shape, spot: Spot, depth: float, bevel: float, within: int | None = None) -> None:
        """Pushes the surface in (or out, when negative) under a shape, colour untouched."""
        covered = self.cover(shape, spot, within)
        if covered is not None:
            window, _, _, d, coverage = covered
            self.height[window] -= ramp(d, depth, bevel) * coverage

    def mark(self, shape: Shape, spot: Spot, within: int | None = None) -> None:
        """Declares the place of a defect."""
        covered = self.cover(shape, spot, within)
        if covered is not None:
            window, _, _, _, coverage = covered
            self.marks[window] |= coverage > 0.25

    def claim(self, shape: Shape, spot: Spot, part: int) -> None:
        """Gives a part the pixels under a shape without painting them: an opening is a part, too."""
        covered = self.cover(shape, spot)
        if covered is not None:
            window, _, _, _, coverage = covered
            self.owner[window][coverage > 0.5] = part

    def ground(self) -> Ground:
        """The layers as they are now."""
        return Ground(self.albedo.copy(), self.height.copy(), self.gloss.copy(), self.owner.copy())

    def mask(self, part: int) -> Mask:
        """Visible pixels of a part in the photo, bool (size, size)."""
        found: Mask = self.owner[::OVERSAMPLING, ::OVERSAMPLING] == part
        return found

    def marked(self) -> Mask:
        """Pixels of the photo that any mark touches, bool (size, size)."""
        m = self.marks
        return m[::2, ::2] | m[1::2, ::2] | m[::2, 1::2] | m[1::2, 1::2]


def ramp(d: Field, rise: float, bevel: float) -> Field:
    """Rises from 0 at the edge to `rise` at `bevel` inside it, rounded."""
    t = np.clip(d * np.float32(-1 / bevel), 0, 1)
    out: Field = t * (2 - t) * np.float32(rise)
    return out

"""Painters of structural defects: each strikes one part and marks exactly what it changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nano.world.canvas import OVERSAMPLING, UNITS, Canvas, Ground, Paint, Spot
from nano.world.chance import Chance
from nano.world.colours import linear
from nano.world.shapes import Shape, blob, ellipse, path, polygon, turn
from nano.world.stage import Severity, Stage
from tools.types import Mask

DARK = 0.06
"""Linear light below which dark marks would not show."""


@dataclass(frozen=True)
class Blow:
    """Where and how hard a part is struck."""

    canvas: Canvas
    chance: Chance
    part: int
    spot: Spot
    outward: float
    """Direction away from the part's middle, degrees."""
    span: float
    """Smaller side of the part's box, units."""
    force: float
    """In [0, 1]."""
    ground: Ground | None

    def size(self, low: float, high: float, share: float = 0.7) -> float:
        """A length that grows with the force and stays below a share of the part."""
        return max(low * 0.6, min(low + (high - low) * self.force, self.span * share))

    @property
    def light(self) -> float:
        """How light the surface is here, linear, in [0, 1]."""
        k = self.canvas.pixels
        y = min(max(int(self.spot.y * k), 0), self.canvas.side - 1)
        x = min(max(int(self.spot.x * k), 0), self.canvas.side - 1)
        r, g, b = (float(v) for v in self.canvas.albedo[:, y, x])
        return r * 0.3 + g * 0.6 + b * 0.1

    def ink(self, shape: Shape, colour: tuple[float, float, float], opacity: float, gloss: float) -> None:
        """Colours the struck part under a shape, and marks it."""
        self.canvas.draw(shape, self.spot, Paint(linear(colour), gloss), rise=None, opacity=opacity, within=self.part)
        self.canvas.mark(shape, self.spot, self.part)


def _walk(chance: Chance, length: float, steps: int, wander: float) -> list[tuple[float, float]]:
    points, heading = [(0.0, 0.0)], 0.0
    for _ in range(steps):
        heading += chance.uniform(-wander, wander)
        c, s = turn(heading)
        x, y = points[-1]
        points.append((x + c * length / steps, y + s * length / steps))
    mx, my = points[steps // 2]
    return [(x - mx, y - my) for x, y in points]


def scratch(blow: Blow) -> str:
    """A long shallow line."""
    c = blow.chance
    line = path(_walk(c, blow.size(16, 62, 0.9), 3, 12), c.uniform(1.1, 1.5) + blow.force * 0.9)
    bright = blow.light < 0.22
    tone = (0.93, 0.93, 0.9) if bright else (0.12, 0.11, 0.1)
    blow.canvas.press(line, blow.spot, 0.7, 0.8, blow.part)
    blow.ink(line, tone, 0.75 if bright else 0.7, 0.4)
    return "bright" if bright else "dark"


def crack(blow: Blow) -> str:
    """A thin, dark, wandering split that forks."""
    c = blow.chance
    length = blow.size(18, 58, 0.95)
    tone = (0.5, 0.48, 0.46) if blow.light < DARK else (0.07, 0.06, 0.06)
    points = _walk(c, length, 6, 42)
    lines = [path(points, c.uniform(1.2, 1.7) + blow.force * 0.6)]
    branch = [(x + points[3][0], y + points[3][1]) for x, y in _walk(c, length * 0.4, 3, 60)]
    lines.append(path([points[3], *branch[1:]], 1.1))
    for line in lines:
        blow.canvas.press(line, blow.spot, 1.6, 0.8, blow.part)
        blow.ink(line, tone, 0.9, 0.0)
    return "forked" if length > 30 else "fine"


def dent(blow: Blow) -> str:
    """A pressed-in hollow; only the light shows it."""
    radius = blow.size(7, 15, 0.32)
    shape = ellipse(radius, radius * blow.chance.uniform(0.7, 1.0))
    blow.canvas.press(shape, blow.spot, 3.2 + 2.6 * blow.force, radius * 0.8, blow.part)
    blow.ink(shape, (0.1, 0.1, 0.1), 0.26, 0.5)
    return "deep" if blow.force > 0.5 else "shallow"


def hole(blow: Blow) -> str:
    """A hole through the surface."""
    radius = blow.size(3.2, 7.5, 0.25)
    shape = blob(blow.chance, radius, 0.25)
    if blow.light < DARK:
        blow.ink(ellipse(radius + 1.6, radius + 1.6), (0.55, 0.53, 0.5), 0.8, 0.05)
    blow.canvas.press(shape, blow.spot, 5, 1.2, blow.part)
    blow.ink(shape, (0.05, 0.05, 0.05), 0.96, 0.0)
    return "large" if radius > 5.5 else "small"


def stain(blow: Blow) -> str:
    """A flat patch of another colour."""
    c = blow.chance
    radius = blow.size(7, 17, 0.4)
    light = blow.light
    names = {"brown": (0.33, 0.2, 0.08), "dark": (0.1, 0.1, 0.12)}
    pale = {"pale": (0.85, 0.84, 0.74), "yellow": (0.72, 0.62, 0.2)}
    name, colour = c.choice(sorted((names if light > 0.16 else pale).items()))
    shape = blob(c, radius, 0.45, c.uniform(0.8, 1.5))
    inner = blob(c, radius * 0.62, 0.5)
    blow.ink(shape, colour, 0.42, 0.1)
    blow.ink(inner, colour, 0.45, 0.1)
    return name


def contamination(blow: Blow) -> str:
    """Something foreign that lies on top: a fibre or crumbs."""
    c = blow.chance
    light = blow.light
    tone = (0.1, 0.09, 0.09) if light > 0.12 else (0.85, 0.82, 0.7)
    if c.happens(0.5):
        line = path(_walk(c, blow.size(26, 52, 1.2), 6, 45), 1.5 + 0.5 * blow.force)
        blow.canvas.draw(line, blow.spot, Paint(linear(tone), 0.2), rise=None, within=blow.part)
        blow.canvas.press(line, blow.spot, -1.2, 0.7, blow.part)
        blow.canvas.mark(line, blow.spot, blow.part)
        return "fibre"
    for _ in range(c.integer(4, 7)):
        reach = blow.size(6, 14, 0.4)
        here = blow.spot.at(c.uniform(-reach, reach), c.uniform(-reach, reach))
        crumb = blob(c, c.uniform(1.4, 2.6) + blow.force, 0.4, knots=4)
        blow.canvas.draw(crumb, here, Paint(linear(tone), 0.2), rise=None, within=blow.part)
        blow.canvas.press(crumb, here, -1.6, 1.5, blow.part)
        blow.canvas.mark(crumb, here, blow.part)
    return "crumbs"


def rust(blow: Blow) -> str:
    """Orange-brown corrosion in a cluster."""
    c = blow.chance
    reach = blow.size(5, 14, 0.4)
    for step in range(5):
        here = blow.spot if step == 0 else blow.spot.at(c.uniform(-reach, reach), c.uniform(-reach, reach))
        patch = blob(c, c.uniform(0.28, 0.62) * reach + 0.8, 0.5)
        colour = linear((c.uniform(0.5, 0.62), c.uniform(0.24, 0.32), 0.1))
        paint = Paint(colour, 0.02, "speckle", 0.35, 0.3)
        blow.canvas.draw(patch, here, paint, rise=None, opacity=0.8, within=blow.part)
        blow.canvas.mark(patch, here, blow.part)
    return "orange-brown"


def burn(blow: Blow) -> str:
    """A scorched patch, darkest in its middle."""
    c = blow.chance
    radius = blow.size(9, 19, 0.45)
    ash = blow.light < DARK
    tone = (0.5, 0.46, 0.42) if ash else (0.14, 0.09, 0.06)
    for share, opacity in ((1.0, 0.3), (0.75, 0.4), (0.45, 0.5)):
        blow.ink(blob(c, radius * share, 0.35), tone, opacity, 0.02)
    if ash:
        return "ashen"
    return "blackened" if blow.force > 0.5 else "browned"


def burr(blow: Blow) -> str:
    """Slivers of the part's own material that stick out of its edge."""
    c = blow.chance
    k = blow.canvas.pixels
    y, x = int(blow.spot.y * k), int(blow.spot.x * k)
    own = tuple(min(1.0, float(v) * 1.15 + 0.04) for v in blow.canvas.albedo[:, y, x])
    length = blow.size(6, 12, 0.5)
    level = float(blow.canvas.height[y, x])
    for _ in range(3):
        lean = blow.outward + c.uniform(-38, 38)
        width = c.uniform(1.6, 2.8)
        spike = polygon([(-1.5, -width), (length * c.uniform(0.6, 1.0), c.uniform(-0.6, 0.6)), (-1.5, width)])
        here = Spot(blow.spot.x, blow.spot.y, lean)
        paint = Paint((own[0], own[1], own[2]), 0.5)
        blow.canvas.draw(spike, here, paint, level=level * 0.7, rise=1.5, part=blow.part)
        blow.canvas.mark(spike, here)
    return "sharp"


def chip(blow: Blow) -> str:
    """A piece broken out of the edge; what lies below shows."""
    radius = blow.size(5.5, 12, 0.35)
    _lay_open(blow, blob(blow.chance, radius, 0.3, knots=5))
    return "large" if radius > 8.5 else "small"


def tear(blow: Blow) -> str:
    """A ragged opening with pale, frayed lips."""
    c = blow.chance
    length, width = blow.size(16, 36, 0.7), 2.2 + 1.8 * blow.force
    lips = blob(c, width * 1.5, 0.5, length / width / 3, 9)
    blow.ink(lips, (0.86, 0.84, 0.8) if blow.light < 0.4 else (0.4, 0.37, 0.33), 0.6, 0.02)
    _lay_open(blow, blob(c, width, 0.45, length / width / 2.6, 9))
    return "long" if length > 26 else "short"


def _lay_open(blow: Blow, shape: Shape) -> None:
    ground, canvas = blow.ground, blow.canvas
    covered = canvas.cover(shape, blow.spot, blow.part)
    if ground is None or covered is None:
        return
    window, _, _, _, coverage = covered
    canvas.marks[window] |= coverage > 0.25
    for layer, below in ((canvas.height, ground.height), (canvas.gloss, ground.gloss)):
        layer[window] += (below[window] - layer[window]) * coverage
    for channel in range(3):
        layer = canvas.albedo[channel][window]
        layer += (ground.albedo[channel][window] * np.float32(0.8) - layer) * coverage
    canvas.owner[window][coverage > 0.5] = ground.owner[window][coverage > 0.5]


PAINTERS: dict[str, Callable[[Blow], str]] = {
    "scratch": scratch,
    "crack": crack,
    "dent": dent,
    "hole": hole,
    "stain": stain,
    "burn": burn,
    "contamination": contamination,
    "rust": rust,
    "burr": burr,
    "chipping": chip,
    "tear": tear,
}
"""Each paints one defect and returns the adjective that its words use."""

AT_THE_EDGE = {"burr", "chipping"}


def strike(stage: Stage) -> None:
    """Paints the stage's structural defect on one of the parts that may have it."""
    assert stage.defect is not None
    nouns = stage.family.targets[stage.defect]
    seen = {n: int(stage.canvas.mask(n).sum()) for noun in nouns for n in stage.numbers(noun)}
    least = min(60 * stage.canvas.size * stage.canvas.size / (UNITS * UNITS), max(seen.values()))
    candidates = [n for n, pixels in seen.items() if pixels >= least]
    for attempt in range(8):
        part = stage.trouble.choice(candidates)
        chance = stage.trouble.fork("blow", attempt)
        blow = _aim(stage, part, chance)
        before = int(stage.canvas.marks.sum())
        tone = PAINTERS[stage.defect](blow)
        if int(stage.canvas.marks.sum()) - before >= 24 * stage.canvas.pixels:
            break
    noun = stage.actors[part].noun
    stage.blame(f"{tone}|{noun}", noun, severity=severity(blow.force))


def severity(force: float) -> Severity:
    """How bad a blow of that force is."""
    return "minor" if force < 0.3 else "moderate" if force < 0.7 else "severe"


def _aim(stage: Stage, part: int, chance: Chance) -> Blow:
    canvas = stage.canvas
    mask = canvas.mask(part)
    rows, columns = np.nonzero(mask)
    unit = canvas.size / UNITS
    inner = _eroded(mask, 1 if stage.defect in AT_THE_EDGE else max(1, round(2 * unit)))
    pool = mask & ~inner if stage.defect in AT_THE_EDGE else inner
    rim = round(10 * unit)
    pool[:rim], pool[-rim:], pool[:, :rim], pool[:, -rim:] = False, False, False, False
    places = np.flatnonzero(pool if pool.any() else mask)
    place = int(places[chance.integer(0, len(places) - 1)])
    y, x = divmod(place, canvas.size)
    my, mx = int(rows.sum()) / len(rows), int(columns.sum()) / len(columns)
    k = OVERSAMPLING / canvas.pixels
    span = min(int(rows.max() - rows.min()), int(columns.max() - columns.min())) * k
    away = round(math.degrees(math.atan2(y - my, x - mx)), 6)
    angle = away if stage.defect in AT_THE_EDGE else chance.uniform(0, 360)
    spot = Spot((x + 0.5) * k, (y + 0.5) * k, angle)
    return Blow(canvas, chance, part, spot, away, span, chance.uniform(0.12, 1.0), stage.ground)


def _eroded(mask: Mask, times: int) -> Mask:
    for _ in range(times):
        padded = np.pad(mask, 1)
        mask = mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask

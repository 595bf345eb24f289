"""The pin grid: a board of twelve cells, one yellow pin in each."""

from __future__ import annotations

from nano.world.shapes import block, disc, path
from nano.world.stage import At, Stage

COLUMNS, ROWS, PITCH = 4, 3, 52.0


def put_up(stage: Stage) -> None:
    """Draws the board and its pins."""
    c, t = stage.chance, stage.trouble
    stage.bench("grey", "brown", "blue", "green")
    stage.settle(turn=6, shift=9, scale=0.06)
    colour = c.choice(("grey", "black", "white"))
    board = stage.part("board", colour, length=COLUMNS * PITCH + 14, width=ROWS * PITCH + 14)
    paint = stage.paint(colour, "plastic", "board")
    stage.draw(block(COLUMNS * PITCH + 14, ROWS * PITCH + 14, 8), 0, 0, 0, paint, rise=7, bevel=2.5, part=board)
    cells = [((i - 1.5) * PITCH, (j - 1.0) * PITCH) for j in range(ROWS) for i in range(COLUMNS)]
    for x, y in cells:
        stage.canvas.press(block(PITCH - 6, PITCH - 6, 5), stage.pose.at(x, y), 5.5, 2)
    spots = [At(x + c.uniform(-5, 5), y + c.uniform(-5, 5), c.uniform(0, 360)) for x, y in cells]
    odd = t.fork("odd").integer(0, len(cells) - 1)
    for step, at in enumerate(spots):
        _fill(stage, step, at, cells[step], odd=step == odd)


def _fill(stage: Stage, step: int, at: At, cell: tuple[float, float], *, odd: bool) -> None:
    """Puts one pin into its cell, or does to it what the defect asks for."""
    t = stage.trouble
    if odd and stage.wants("missing part"):
        stage.mark(block(PITCH - 6, PITCH - 6, 5), *cell)
        stage.blame("an empty cell without a pin", "pin", saturation=0.3)
        return
    if odd and stage.wants("wrong place"):
        toward = -1 if cell[0] > 0 else 1
        at = At(cell[0] + toward * PITCH / 2, cell[1], t.uniform(-25, 25))
        stage.mark(block(PITCH - 6, PITCH - 6, 5), *cell)
    colour = "yellow"
    if odd and stage.wants("wrong colour"):
        colour = t.choice(("red", "blue", "green", "white"))
    bent = t.sign() * 7.0 if odd and stage.wants("bend") else 0.0
    part = _pin(stage, at, colour, (step,), bent)
    if odd and stage.wants("wrong colour"):
        stage.blame(f"a {colour} pin among the yellow ones", "pin", part)
    if odd and stage.wants("wrong place"):
        stage.blame("a pin across two cells and none in its own", "pin", part, saturation=0.25)
    if odd and stage.wants("bend"):
        stage.blame("bent|pin", "pin", part, severity="moderate")
    if odd and stage.wants("extra part"):
        x, y = cell
        away = At(x + (x - at.x) + 8, y + (y - at.y) + 10, at.angle + t.uniform(60, 120))
        second = _pin(stage, away, "yellow", (step, "second"), 0.0)
        stage.blame("two pins in one cell", "pin", part, second, saturation=0.5)


def _pin(stage: Stage, at: At, colour: str, key: tuple[object, ...], bent: float) -> int:
    """A push pin on its side: needle, collar and knob."""
    part = stage.part("pin", colour, length=37.0, width=14.0)
    frame = stage.pose.at(*at)
    steel = stage.paint("grey", "metal", "needle")
    paint = stage.paint(colour, "gloss", key)
    needle = path([(2, 0), (11, bent * 0.15), (19, bent)], 2.6)
    stage.canvas.draw(needle, frame, steel, level=1, rise=1.8, bevel=1.2, part=part)
    stage.canvas.draw(block(12, 8, 2), frame.at(-7, 0), paint, level=1, rise=5, bevel=4, part=part)
    stage.canvas.draw(block(4.5, 15, 2), frame.at(-15, 0), paint, level=1, rise=6, bevel=3, part=part)
    stage.canvas.draw(block(4, 13, 1.8), frame.at(0, 0), paint, level=1, rise=5.5, bevel=3, part=part)
    stage.canvas.draw(disc(1.6), frame.at(-15, 0), paint, level=6, rise=0.8, bevel=1.4, part=part)
    return part

"""Every regularity that the references share, as rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.induce.colours import colours, shared_colours
from agent.induce.counts import counts, each, wholes
from agent.induce.directions import directions
from agent.induce.mappings import mappings
from agent.induce.places import positions
from agent.induce.prove import proved
from agent.induce.relations import relations
from agent.induce.sizes import proportions, sizes
from agent.induce.spreads import Measuring
from agent.rules import Measured, Rule
from tools.types import Box

BODY = 0.9
"""Share of the box around all parts that the product's own covers."""


def induce(references: Sequence[Measured], measuring: Measuring | None = None) -> tuple[Rule, ...]:
    """The rules that all references obey.

    Args:
        references: parts of good products, one or more.
        measuring: how well things can be measured; cautious values by default.
    """
    if not references:
        return ()
    known = measuring or Measuring()
    labels = sorted({label for m in references for label in m.labels})
    return proved(tuple(_candidates(references, labels, known)), references, known)


def _candidates(references: Sequence[Measured], labels: Sequence[str], measuring: Measuring) -> Iterator[Rule]:
    inner = [label for label in labels if not is_body(references, label)]
    yield from counts(references, labels)
    yield from each(references, inner)
    yield from wholes(references, inner)
    places = tuple(positions(references, inner, measuring))
    yield from places
    areas = tuple(sizes(references, inner, measuring))
    yield from areas
    yield from proportions(references, inner, measuring, areas)
    yield from colours(references, labels, measuring)
    yield from shared_colours(references, labels, measuring)
    yield from directions(references, inner, measuring)
    yield from relations(references, inner, measuring, places)
    yield from mappings(references, labels, measuring)


def is_body(references: Sequence[Measured], label: str) -> bool:
    """Whether a kind is the product itself: one part whose box holds nearly all the others."""
    return all(_covers(m, label) for m in references)


def _covers(measured: Measured, label: str) -> bool:
    own = measured.of(label)
    if len(own) != 1:
        return False
    boxes = [p.region.box for p in measured.parts]
    whole = Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
    return len(boxes) > 1 and own[0].region.box.area >= BODY * whole.area

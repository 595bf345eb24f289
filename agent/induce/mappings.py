"""Mappings that recur: a colour that goes with a count, or with another part's colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from agent.induce.colours import labs
from agent.induce.spreads import Measuring, tolerance
from agent.rules.base import Measured, count_of
from agent.rules.colour import Lab
from agent.rules.match import MatchRule

NEAR = 20.0
"""Colours within this CIELAB distance are one."""
FAR = 30.0
"""Colours beyond this CIELAB distance are two."""


def mappings(references: Sequence[Measured], labels: Sequence[str], measuring: Measuring) -> Iterator[MatchRule]:
    """Colours of one kind that a count or a colour of another decides: two keys or more, one of them seen twice."""
    if len(references) < 3:
        return
    for part, other in permutations(labels, 2):
        colours = [labs(m, part) for m in references]
        if any(len(c) == 0 for c in colours):
            continue
        means = np.stack([c.mean(axis=0) for c in colours])
        counts = [count_of(m, other) for m in references]
        if min(counts) > 0 and _decides(counts, means):
            yield _rule(part, other, "count", [str(c) for c in counts], means, measuring)


def _decides(keys: Sequence[int], colours: NDArray[np.float64]) -> bool:
    """Whether photos of one key share a colour and those of different keys do not; some key must recur."""
    pairs = [(n, m) for n in range(len(keys)) for m in range(n)]
    apart = {(n, m): float(np.linalg.norm(colours[n] - colours[m])) for n, m in pairs}
    alike = [apart[p] for p in pairs if keys[p[0]] == keys[p[1]]]
    unlike = [apart[p] for p in pairs if keys[p[0]] != keys[p[1]]]
    return bool(alike and unlike) and max(alike) < NEAR and min(unlike) > FAR


def _rule(
    part: str, other: str, by: str, keys: Sequence[str], colours: NDArray[np.float64], measuring: Measuring
) -> MatchRule:
    from tools.parts.measure import colour_name

    means: dict[str, NDArray[np.float64]] = {
        k: np.mean([c for key, c in zip(keys, colours, strict=True) if key == k], axis=0) for k in sorted(set(keys))
    }
    labs_of: dict[str, Lab] = {
        k: (round(float(v[0]), 1), round(float(v[1]), 1), round(float(v[2]), 1)) for k, v in means.items()
    }
    off = [c - means[k] for k, c in zip(keys, colours, strict=True)]
    light = tolerance([o[None, :1] for o in off], measuring.lightness, measuring.worth)
    tone = tolerance([o[None, 1:] for o in off], measuring.tone, measuring.worth)
    return MatchRule(
        part=part, other=other, by=by, mapping={k: colour_name(v) for k, v in labs_of.items()},  # type: ignore[arg-type]
        labs=labs_of, lightness=light, tone=tone, origin="induced",
    )  # fmt: skip

"""Induces rules on colours, and on a colour that goes with a count or another part's colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from agent.rules.attributes import ColourRule, Lab, SameRule
from agent.rules.base import MeasuredParts, count_of, surest
from agent.rules.induction.sizes import Measuring, tolerance
from agent.rules.likelihood import Tolerance
from agent.rules.mapping import MatchRule

VAGUE = 14.0
"""A colour whose tone spreads by more than this (CIELAB) is none in particular."""
VAGUE_LIGHT = 20.0
"""The same for lightness."""
ALIKE = 14.0
"""Kinds whose colours differ by less than this (CIELAB) in every photo may be of one colour."""
CHANGES = 12.0
"""A colour changes from photo to photo when its tone spreads by more than this (CIELAB): light alone does less."""
LIVELIER = 2.0
"""A colour is shared when it spreads between photos by so many times what it spreads within."""


def colours(references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring) -> Iterator[ColourRule]:
    """The colour of each kind of part that has one on all references."""
    from tools.parts.measurement import colour_name

    for label in labels:
        found = [labs(m, label) for m in references]
        if any(len(v) == 0 for v in found):
            continue
        mean = np.mean([v.mean(axis=0) for v in found], axis=0)
        light = tolerance([v[:, :1] - mean[:1] for v in found], measuring.lightness, measuring.worth)
        tone = tolerance([v[:, 1:] - mean[1:] for v in found], measuring.tone, measuring.worth)
        if tone.spread > VAGUE or light.spread > VAGUE_LIGHT:
            continue
        lab = (round(float(mean[0]), 1), round(float(mean[1]), 1), round(float(mean[2]), 1))
        yield ColourRule(part=label, colour=colour_name(lab), lab=lab, lightness=light, tone=tone, origin="induced")


def labs(measured: MeasuredParts, label: str) -> NDArray[np.float64]:
    """(m, 3) CIELAB of the parts of a kind."""
    known = [p.measures.lab for p in surest(measured, label) if p.measures is not None]
    return np.asarray(known, dtype=np.float64).reshape(-1, 3)


def shared_colours(
    references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring
) -> Iterator[SameRule]:
    """Kinds whose parts have one colour in each photo, and groups of kinds that share one that changes."""
    groups = _groups(references, labels)
    for group in groups:
        yield _same(references, group, measuring)
    for label in labels:
        if not any(label in group for group in groups) and min(len(labs(m, label)) for m in references) >= 2:
            rule = _same(references, (label,), measuring)
            if max(rule.chroma.spread, rule.hue.spread) <= VAGUE and rule.lightness.spread <= VAGUE_LIGHT:
                yield rule


def _groups(references: Sequence[MeasuredParts], labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Largest sets of kinds of which every two share a changing colour, found by joining pairs."""
    known = [label for label in labels if all(len(labs(m, label)) for m in references)]
    joined: dict[str, set[str]] = {label: {label} for label in known}
    for one, other in combinations(known, 2):
        if _share(references, one, other):
            union = joined[one] | joined[other]
            for label in union:
                joined[label] = union
    unique = {tuple(sorted(group)) for group in joined.values() if len(group) > 1}
    return sorted(unique)


def _share(references: Sequence[MeasuredParts], one: str, other: str) -> bool:
    """Whether two kinds are alike in every photo while both change from photo to photo."""
    if len(references) < 2:
        return False
    a, b = (np.stack([labs(m, label).mean(axis=0) for m in references]) for label in (one, other))
    apart = a - b
    alike = bool((np.linalg.norm(apart[:, 1:], axis=1) < ALIKE).all())
    differing = float(np.sqrt(apart[:, 1:].var(axis=0).sum()))
    changing = min(float(np.sqrt(x[:, 1:].var(axis=0).sum())) for x in (a, b))
    return alike and changing > max(LIVELIER * differing, CHANGES)


def _same(references: Sequence[MeasuredParts], group: tuple[str, ...], measuring: Measuring) -> SameRule:
    """The rule with what each kind differs by, and how far parts spread about the middle of the others."""
    offsets = {}
    if len(group) > 1:
        by_photo = [{label: labs(m, label).mean(axis=0) for label in group} for m in references]
        levels = [{k: np.array([v[0], np.hypot(v[1], v[2])]) for k, v in photo.items()} for photo in by_photo]
        middles = [np.median(list(photo.values()), axis=0) for photo in levels]
        for label in group:
            mean = np.mean([p[label] - middle for p, middle in zip(levels, middles, strict=True)], axis=0)
            offsets[label] = (round(float(mean[0]), 1), round(float(mean[1]), 1))
    rule = SameRule(part=group[0], others=group[1:], offsets=offsets, origin="induced")
    off = [rule.deviations([p for label in group for p in surest(m, label)]) for m in references]
    usual = (measuring.lightness_within, measuring.tone_within, measuring.tone_within)
    light, chroma, hue = (_about_zero([d[:, k : k + 1] for d in off], u, measuring.worth) for k, u in enumerate(usual))
    return rule.model_copy(update={"lightness": light, "chroma": chroma, "hue": hue})


def _about_zero(off: Sequence[NDArray[np.float64]], usual: float, worth: float) -> Tolerance:
    """Spread of deviations whose mean is known to be 0: those that have no sign count to both sides."""
    return tolerance([np.concatenate([d, -d]) for d in off], usual, worth, lost=sum(len(d) for d in off))


NEAR = 20.0
"""Colours within this CIELAB distance are one."""
FAR = 30.0
"""Colours beyond this CIELAB distance are two."""


def mappings(references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring) -> Iterator[MatchRule]:
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
    from tools.parts.measurement import colour_name

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
        part=part,
        other=other,
        by=by,  # type: ignore[arg-type]
        mapping={k: colour_name(v) for k, v in labs_of.items()},
        labs=labs_of,
        lightness=light,
        tone=tone,
        origin="induced",
    )

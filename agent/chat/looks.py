"""Looks again because somebody asked: nearer, beside a good part, or with a question to the vlm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agent.chat.case import BlindError, Case
from agent.chat.records import around, likely, line, worded
from agent.chat.report_answers import meant, no_part, verdict_word
from agent.chat.understanding import Subject, about, strongest, where
from agent.crops import crop_box, crop_pair
from agent.evidence.claims import Sentence
from agent.evidence.types import Action, Hypothesis
from agent.report.model import Finding
from prompts import load_yaml
from tools.types import RGB, Box, Region
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.vlm import LocalVLM

CLEAR = 0.2
"""P(yes) this far from even, after a good photo's, is an answer."""
CHANGED = 0.005
"""A score that moves less is said to stay."""


def zoom(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Looks at a place again by the inspector's own second look, and says what that changes."""
    if subject.unknown is not None and subject.empty:
        return [no_part(case, subject.unknown)]
    target = _target(case, subject, focus)
    if target is None:
        return [line("no_pixels", why=worded("nothing_located"))]
    before = case.report.verdict.score
    found = case.look(target)
    place = where(target.region.box, case)
    if not found:
        noted = case.note(f"looked again, {place}", box=target.region.box, kind=target.kind)
        return [line("looked_nothing", (noted,), place=place)]
    said = [line("looked", (f.id,), place=place, said=_ended(f.what)) for f in found[:3]]
    return [*said, _after(case, before, tuple(f.id for f in found))]


def _after(case: Case, before: float, cites: tuple[str, ...]) -> Sentence:
    """What the verdict is now."""
    score = case.report.verdict.score
    facts = {"verdict": verdict_word(case), "score": f"{score:.2f}", "before": f"{before:.2f}"}
    return line("looked_verdict_same" if abs(score - before) < CHANGED else "looked_verdict_new", cites, **facts)


def _target(case: Case, subject: Subject, focus: Sequence[str]) -> Hypothesis | None:
    """The hypothesis to look at: the one that is meant, the strongest in the place, or the place itself."""
    evidence = [e for e in case.report.evidence if not e.id.startswith("M")]
    if subject.parts:
        label = subject.parts[0]
        of_part = [e for e in evidence if e.part == label]
        box = around(likely(case.parts(), label)[0])
        chosen = max(of_part, key=lambda e: e.llr, default=None)
        if chosen is not None and (box is not None or chosen.box is not None):
            return _hypothesis(case, chosen, box or Box(*(chosen.box or (0, 0, 0, 0))))
        return None if box is None else _fresh(case, f"asked: {label}", box)
    if subject.place is not None and not subject.evidence:
        there = [e for e in evidence if e.kind == "structural" and about(e, subject.words, subject.place, case)]
        best = max(there, key=lambda e: (e.score, e.llr), default=None)
        if best is not None and best.box is not None:
            return _hypothesis(case, best, Box(*best.box))
        return _fresh(case, f"asked: {subject.words}", subject.place)
    placed = [f for f in meant(case, subject, focus) if f.box is not None]
    first = placed[0] if placed else strongest(case, ("structural",))
    if first is None or first.box is None:
        return None
    return _hypothesis(case, first, Box(*first.box))


def _hypothesis(case: Case, finding: Finding, box: Box) -> Hypothesis:
    name = finding.hypothesis or finding.what
    return Hypothesis(name, finding.kind, Region(box, finding.score), finding.llr, _action(case), 0.0, finding.part)


def _fresh(case: Case, name: str, box: Box) -> Hypothesis:
    return Hypothesis(name, "structural", Region(box, 0.5), 0.0, _action(case), 0.0)


def _action(case: Case) -> Action:
    case.state()
    return "compare" if case.good() else "zoom"


def compare(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """The place beside the same place on the most similar good part, in grey levels, and by a second look."""
    state = case.state()
    good = case.good()
    if not good:
        return [line("no_reference")]
    target = _target(case, subject, focus)
    if target is None or state.sample is None:
        return [line("no_pixels", why=worded("nothing_located"))]
    pair = crop_pair(state.sample, crop_box(target.region.box, state.sample), good)
    said: list[Sentence] = []
    if pair.reference is not None and pair.reference_name is not None:
        place = where(target.region.box, case)
        difference = f"{_apart(pair.crop, pair.reference):.0f}"
        what = f"{difference} grey levels from {pair.reference_name}, {place}"
        noted = case.note(what, box=pair.box, kind=target.kind)
        facts = {"place": place[:1].upper() + place[1:], "reference": pair.reference_name, "difference": difference}
        if pair.other is not None and len(good) > 1:
            usual = f"{_apart(pair.reference, pair.other):.0f}"
            said.append(line("difference", (noted,), **facts, usual=usual))
        else:
            said.append(line("difference_one", (noted,), **facts))
    before = case.report.verdict.score
    found = case.look(target)
    said += [line("looked", (f.id,), place=where(target.region.box, case), said=_ended(f.what)) for f in found[:2]]
    return [*said, _after(case, before, tuple(f.id for f in found))] if found else said


def _apart(a: RGB, b: RGB) -> float:
    """Mean absolute difference of two crops, at the size of the smaller one, in grey levels."""
    from PIL import Image

    size = (min(a.shape[1], b.shape[1]), min(a.shape[0], b.shape[0]))
    one, other = (
        np.asarray(Image.fromarray(np.ascontiguousarray(x)).resize(size, Image.Resampling.BOX), dtype=np.float32)
        for x in (a, b)
    )
    return float(np.abs(one - other).mean())


def ask(case: Case, clause: str, vlm: Callable[[], LocalVLM]) -> list[Sentence]:
    """A free yes/no question, by likelihood, beside what is said of a good photo; the answer weighs nothing.

    Only yes or no is read from the model, so that words written on the photo cannot speak through it.
    """
    from agent.chat.understanding import plain

    if plain(clause).split()[0] not in ("is", "are", "does", "do", "has", "have", "can", "was", "were"):
        return [line("asked_open")]
    sample, good = case.sample(), case.good()
    turns = [Turn("user", str(load_yaml("chat_menu")["yes_no"]).format(question=clause), images=1)]
    p = vlm().yes_no([sample.image], turns)
    usual = vlm().yes_no([good[0].image], turns) if good else 0.5
    told = worded("asked_usual", p=f"{usual:.2f}") if good else ""
    noted = case.note(f"language model, P(yes) {p:.2f}: {clause.strip()[:120]}", source="vlm")
    clear = abs(p - 0.5) >= CLEAR and abs(p - usual if good else p - 0.5) >= CLEAR
    if not clear:
        return [line("asked_undecided", (noted,), p=f"{p:.2f}", usual=told)]
    return [line("asked_yes_no", (noted,), answer="yes" if p > 0.5 else "no", p=f"{p:.2f}", usual=told)]


def _ended(what: str) -> str:
    return what if what.endswith(".") else f"{what}."


__all__ = ["BlindError", "ask", "compare", "zoom"]

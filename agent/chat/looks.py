"""Looks again because somebody asked: nearer, beside a good part, or with a question to the vlm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agent.chat.case import BlindError, Case
from agent.chat.records import around, likely
from agent.chat.report_answers import MOST, meant, no_part, verdict_after, verdict_of
from agent.chat.understanding import Subject, about, strongest
from agent.crops import crop_box, crop_pair
from agent.evidence.claims import Sentence
from agent.evidence.fusion import NOTABLE
from agent.evidence.types import Action, Fact, Hypothesis
from agent.report.model import Finding
from prompts import load_yaml
from tools.types import RGB, Box, Region
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.vlm import LocalVLM

CLEAR = 0.2
"""P(yes) this far from even, after a good photo's, is an answer."""


def zoom(case: Case, subject: Subject, focus: Sequence[str]) -> list[Sentence]:
    """Looks at a place again by the inspector's own second look, and says what that changes."""
    if subject.unknown is not None and subject.empty:
        return [no_part(case, subject.unknown)]
    target = _target(case, subject, focus)
    return [case.line("nothing_located")] if target is None else _looked(case, target)


def _looked(case: Case, target: Hypothesis) -> list[Sentence]:
    """What a second look at a place finds, and the verdict after it."""
    before, box = verdict_of(case), target.region.box
    found, place = case.look(target), case.place(target.region.box)
    if not found:
        noted = case.note(case.worded("looked_nothing", place=place), box=box, kind=target.kind)
        return [case.line("looked_nothing", (noted,), place=place)]
    llr, cites = sum(f.llr for f in found), tuple(f.id for f in found)
    key = "looked_open" if abs(llr) < NOTABLE else "looked_confirms" if llr > 0 else "looked_clears"
    return [case.line(key, cites, place=place), verdict_after(case, before, cites)]


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
    """The place beside the same place on the most similar good part, and by a second look."""
    state = case.state()
    good = case.good()
    if not good:
        return [case.line("no_reference")]
    target = _target(case, subject, focus)
    if target is None or state.sample is None:
        return [case.line("nothing_located")]
    told = case.told([f for f in case.report.findings if f.hypothesis == target.name][:1])
    pair = crop_pair(state.sample, crop_box(target.region.box, state.sample), good)
    said, before = [], verdict_of(case)
    if pair.reference is not None and pair.other is not None and pair.reference_name is not None and len(good) > 1:
        difference, usual = _apart(pair.crop, pair.reference), _apart(pair.reference, pair.other)
        place = case.place(target.region.box)
        key = "differs_more" if difference > usual else "differs_less"
        facts: dict[str, Fact] = {"grey_levels": round(difference), "among_references": round(usual)}
        what = case.worded(key, place=place, reference=pair.reference_name)
        noted = case.note(what.rstrip(".。"), box=pair.box, kind=target.kind, facts=facts)
        said.append(case.line(key, (noted,), place=place, reference=pair.reference_name))
    said += _looked(case, target)
    return [*told, *said][:MOST] if verdict_of(case).text == before.text else said


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
        return [case.line("asked_open")]
    sample, good = case.sample(), case.good()
    turns = [Turn("user", str(load_yaml("chat_menu")["yes_no"]).format(question=clause), images=1)]
    p = vlm().yes_no([sample.image], turns)
    usual = vlm().yes_no([good[0].image], turns) if good else 0.5
    facts: dict[str, Fact] = {"p_yes": round(p, 2), **({"p_yes_reference": round(usual, 2)} if good else {})}
    clear = abs(p - 0.5) >= CLEAR and abs(p - usual if good else p - 0.5) >= CLEAR
    key = ("asked_yes" if p > 0.5 else "asked_no") if clear else "asked_undecided"
    noted = case.note(f"{case.worded(key)} ({clause.strip()[:120]})", source="vlm", facts=facts)
    return [case.line(key, (noted,))]


__all__ = ["BlindError", "ask", "compare", "zoom"]

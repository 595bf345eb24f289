"""Changes that a person asks for: something left out of the verdict, or a rule of the product, after a yes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.chat.case import BlindError, Case
from agent.chat.report_answers import verdict_after, verdict_of
from agent.chat.understanding import Subject, called, inside, mentioned, names, plain
from agent.evidence.claims import Sentence, plural, renamed, say_briefly
from agent.evidence.fusion import by_hypothesis
from agent.evidence.types import Claim, Evidence
from agent.products.description import read_words
from agent.products.measurement import find_parts, trusted
from agent.products.spec import PartSpec, ProductSpec
from agent.products.validation import kept_told
from agent.rules import ANY, Rule, contradiction
from agent.rules.base import count_of

FEW = 2
"""So many things that were left out are told; the others are counted."""
_CUE = re.compile(
    r"^(?:please\s+)?remember(?:\s+that)?\s*[:,]?\s*|,?\s*\bfrom now on\b,?\s*|^(?:new\s+)?rule\s*:\s*|"
    r"\bmake it a rule(?: that)?\s*:?\s*",
    re.IGNORECASE,
)
_CALL = re.compile(r"^call (?:the )?(?P<rest>.+)$")
_CALLED = re.compile(r"^(?:the )?(?P<old>.+?) (?:is|are) called (?P<new>.+)$")


@dataclass(frozen=True)
class ChangeAnswer:
    """Sentences, and the specification that waits for a yes, if any."""

    sentences: tuple[Sentence, ...]
    words: str = ""
    spec: ProductSpec | None = None


@dataclass(frozen=True)
class Left:
    """Sentences, and all that is left out of the verdict after them: words by hypothesis."""

    sentences: tuple[Sentence, ...]
    ignored: dict[str, str] = field(default_factory=dict)


def ignore(case: Case, subject: Subject, focus: Sequence[str], ignored: Mapping[str, str]) -> Left:
    """Leaves hypotheses out of the verdict, by evidence against them that says so; nothing is deleted.

    Raises:
        BlindError: the verdict would have to be fused anew and the photo cannot be had.
    """
    state = case.state()
    weighed = {w.name: w for w in by_hypothesis(state.evidence)}
    wanted = _wanted(case, subject, focus)
    fresh = [name for name in wanted if name in weighed and name not in ignored]
    if not fresh:
        if set(wanted) & set(ignored):
            already = _listed(case, [ignored[n] for n in wanted if n in ignored]).rstrip(".。")
            return Left((case.line("ignored_already", what=already),), dict(ignored))
        what = subject.unknown or subject.words or "-"
        return Left((case.line("ignored_none", what=what),), dict(ignored))
    before, lowest = verdict_of(case), min(w.llr for w in weighed.values())
    words = {name: _told(case, name) for name in fresh}
    # Down to the least of all that was weighed: what is left out must neither speak for an anomaly nor outdo others.
    counter = []
    for w in (w for w in weighed.values() if w.name in fresh):
        claim = Claim("left_out", {"what": words[w.name].rstrip(".。")})
        counter.append(Evidence(w.kind, claim, min(lowest, 0.0) - w.llr, "user", w.name, part=w.evidence[0].part))
    cites = case.append(counter)
    against = [w.name for w in weighed.values() if w.name in fresh and w.llr > 0] or fresh
    said = case.line("ignored", cites, what=_listed(case, [words[name] for name in against]))
    return Left((said, verdict_after(case, before, cites)), {**ignored, **words})


def restore(case: Case, subject: Subject, ignored: Mapping[str, str]) -> Left:
    """Counts again what was left out: what was named, or all of it."""
    if not ignored:
        return Left((case.line("restored_none"),), {})
    wanted = set(_wanted(case, subject, ())) & set(ignored) if not subject.empty else set(ignored)
    chosen = wanted or set(ignored)
    state, before = case.state(), verdict_of(case)
    counter = []
    for weighed in by_hypothesis(state.evidence):
        if weighed.name in chosen:
            left = sum(e.llr for e in weighed.evidence if e.source == "user")
            again = case.worded("restored", what=ignored[weighed.name])
            claim = Claim("noted", {"what": again.rstrip(".。"), "said": again})
            counter.append(Evidence(weighed.kind, claim, -left, "user", weighed.name, part=weighed.evidence[0].part))
    cites = case.append(counter)
    said = (
        case.line("restored", cites, what=_listed(case, [ignored[n] for n in ignored if n in chosen]))
        if cites
        else case.line("restored_none")
    )
    rest = {n: w for n, w in ignored.items() if n not in chosen}
    return Left((said, verdict_after(case, before, cites)) if cites else (said,), rest)


def _listed(case: Case, told: Sequence[str]) -> str:
    """The first few sentences, which are the strongest, and how many more."""
    first = " ".join(told[:FEW])
    return first if len(told) <= FEW else case.worded("and_more", what=first, more=len(told) - FEW)


def _wanted(case: Case, subject: Subject, focus: Sequence[str]) -> list[str]:
    """Names of the hypotheses that are meant."""
    evidence = [e for e in case.report.evidence if not e.id.startswith("M") and e.hypothesis]
    if subject.evidence:
        found = [e for e in evidence if e.id in subject.evidence]
    elif subject.parts:
        found = [e for e in evidence if e.part in subject.parts]
    elif subject.place is not None:
        found = [e for e in evidence if inside(e, subject.place) and e.llr > 0]
    elif subject.unknown is not None or subject.defect:
        found = []
    else:
        found = [e for e in evidence if e.id in focus]
    return list(dict.fromkeys(e.hypothesis for e in found))


def _told(case: Case, hypothesis: str) -> str:
    """The sentence of a hypothesis: of what speaks most for it."""
    about = [e for e in case.report.evidence if e.hypothesis == hypothesis and not e.id.startswith("M")]
    return case.report.told(max(about, key=lambda e: e.llr))


def remember(case: Case, clause: str) -> ChangeAnswer:
    """A change of the product's rules or of a part's name, in words, to be confirmed."""
    if case.product is None:
        return ChangeAnswer((case.line("remember_no_product"),))
    spec = case.product.spec
    naming = _names_in(plain(_CUE.sub(" ", clause)).strip(" .!"), case)
    if naming is not None:
        return _naming(case, *naming)
    words = " ".join(_CUE.sub(" ", clause).split()).strip(" .!,")
    told = read_words(words)
    stated = _by_label(told.rules, case)
    if not stated:
        return ChangeAnswer((case.line("remember_unread", words=words),))
    replaced = {rule.name for rule in stated}
    rules = (*stated, *(r for r in spec.rules if r.name not in replaced))
    fault = contradiction(rules)
    if fault is not None:
        # A total that nobody told gives way to what a person says of the single parts.
        rules = tuple(r for r in rules if r.origin == "told" or r.part != ANY)
        fault = contradiction(rules)
    if fault is not None:
        return ChangeAnswer((case.line("remember_contradiction", fault=fault),))
    known = {p.label for p in spec.parts}
    fresh = sorted({label for rule in stated for label in rule.named} - known - {ANY})
    added = tuple(PartSpec(label=n, phrase=n, threshold=case.context.calibration.detection) for n in fresh)
    parts = (*spec.parts, *added)
    after = ProductSpec.model_validate(spec.model_copy(update={"rules": rules, "parts": parts}).model_dump())
    uncounted = _uncounted(case, spec.model_copy(update={"rules": (), "parts": added}), stated)
    differs = _differences(case, spec, after)
    if uncounted or not differs:
        said = (
            case.line("remember_uncountable", parts=case.listed(plural(part) for part in uncounted))
            if uncounted
            else case.line("remember_same")
        )
        return ChangeAnswer((said,))
    proposed = "; ".join(differs)
    sentences = [case.line("remember_left", words=left) for left in told.left]
    sentences += [case.line("remember_unknown", part=label) for label in fresh]
    sentences += _on_references(case, [rule.part for rule in stated if rule.kind == "count"])
    return ChangeAnswer((*sentences, case.line("remember_ask", changes=proposed)), proposed, after)


def _uncounted(case: Case, added: ProductSpec, stated: Sequence[Rule]) -> list[str]:
    """Parts that were never learned and that the references do not show in the stated number.

    Args:
        case: its product is meant.
        added: specification of those parts alone.
        stated: rules that a person stated.
    """
    labels = {part.label for part in added.parts}
    rules = [rule for rule in stated if rule.kind == "count" and rule.part in labels]
    if not rules or case.product is None:
        return []
    if not case.product.references:
        return [] if case.context.calibration.measuring.words else [rule.part for rule in rules]
    photos = case.product.references
    measured = [trusted(find_parts(case.context.toolbox, photo, added), added) for photo in photos]
    return [rule.part for rule in kept_told(rules, measured)[1]]


def _differences(case: Case, before: ProductSpec, after: ProductSpec) -> list[str]:
    """What differs between the rules of two specifications, in a few words each."""
    old, new = (
        {rule.name: say_briefly(renamed(rule.claim, spec.called), case.language) for rule in spec.rules}
        for spec in (before, after)
    )
    said = [case.worded("rule_changed", old=old[n], new=told) for n, told in new.items() if n in old and old[n] != told]
    said += [case.worded("rule_added", new=told) for n, told in new.items() if n not in old]
    return said + [case.worded("rule_dropped", old=told) for n, told in old.items() if n not in new]


def _by_label(rules: Sequence[Rule], case: Case) -> tuple[Rule, ...]:
    """Rules that speak of the product's own labels, where a person used other names or other letters for them."""
    known = names(case)

    def named(value: object) -> object:
        if isinstance(value, str):
            return known.get(value.lower(), value)
        return tuple(named(v) for v in value) if isinstance(value, tuple) else value

    fields = ("part", "other", "others")
    return tuple(
        rule.model_copy(update={f: named(getattr(rule, f)) for f in fields if hasattr(rule, f)}) for rule in rules
    )


def _on_references(case: Case, labels: Sequence[str]) -> list[Sentence]:
    """What the good photos show of parts whose number is to change, so that nobody agrees blindly."""
    measured = case.product.parts if case.product is not None else ()
    said = []
    for label in labels:
        if label != ANY and measured and any(m.of(label) for m in measured):
            found = ", ".join(str(count_of(m, label)) for m in measured)
            name = called(case, label)
            said.append(case.line("remember_references", count=len(measured), numbers=found, found="", part=name))
    return said


def _names_in(words: str, case: Case) -> tuple[str, str] | None:
    """(part, new name) of "call part A rice" or "part A is called rice"; None where nothing is named."""
    called_so = _CALLED.match(words)
    if called_so is not None:
        return called_so["old"], _bare(called_so["new"])
    call = _CALL.match(words)
    if call is None:
        return None
    known = next((n for n in names(case) if call["rest"].startswith(f"{n} ")), call["rest"].split()[0])
    return known, _bare(call["rest"][len(known) :])


def _bare(name: str) -> str:
    return re.sub(r"^(?:an?|the) ", "", name.strip(" '\".!"))


def _naming(case: Case, old: str, new: str) -> ChangeAnswer:
    if case.product is None:
        return ChangeAnswer((case.line("remember_no_product"),))
    spec, known = case.product.spec, names(case)
    labels = [label for label in mentioned(old, known) if label in {p.label for p in spec.parts}]
    if not labels or not new:
        return ChangeAnswer(
            (case.line("no_part", asked=old, parts=", ".join(p.called or p.label for p in spec.parts) or "-"),)
        )
    if known.get(new, labels[0]) != labels[0]:
        return ChangeAnswer((case.line("call_taken", name=new),))
    parts = tuple(p.model_copy(update={"called": new}) if p.label == labels[0] else p for p in spec.parts)
    after = spec.model_copy(update={"parts": parts})
    said = case.line("call_ask", part=labels[0], name=new)
    return ChangeAnswer((said,), case.worded("call_change", part=labels[0], name=new), after)


def settle(case: Case, words: str, spec: ProductSpec) -> tuple[Sentence, ...]:
    """Carries out what was agreed on; the photo is inspected by the new rules where it can be had."""
    if case.product is None:
        return (case.line("remember_no_product"),)
    before, rules = verdict_of(case), case.product.spec.rules
    product = replace(case.product, spec=spec)
    done = case.line("confirmed", changes=words)
    if spec.rules == rules:
        case.product = product
        return (done,)
    try:
        case.renew(product)
    except BlindError:
        case.product = product
        return (done,)
    cites = tuple(f.id for f in case.report.findings) or tuple(e.id for e in case.report.evidence)
    return (done, verdict_after(case, before, cites))


__all__ = ["ChangeAnswer", "Left", "ignore", "remember", "restore", "settle"]

"""What a finding may mean: likely type, cause and consequence, and what to do; always marked as inferred."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from agent.crops import CropPair
from agent.evidence.claims import Sentence, SentenceRole, say, strongest, tell
from agent.evidence.fusion import WeighedHypothesis
from agent.evidence.types import Claim, Evidence
from agent.products.spec import Product
from agent.report.check import faults
from prompts import in_language, load_yaml, questions
from tools.types import Sample
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.vlm import LocalVLM

_KINDS = {
    "presence": "missing",
    "place": "place",
    "turn": "direction",
    "heading": "direction",
    "size": "size",
    "ranks": "size",
    "colour": "colour",
    "same": "colour",
    "match": "colour",
    "beside": "place",
    "touching": "contact",
    "level": "contact",
    "whole": "broken",
    "proportion": "proportion",
}
"""What a claim's topic is about, in prompts/report/inferences.yaml."""
_DIFFERS = {
    "missing": "missing",
    "extra": "extra",
    "place": "place",
    "size": "size",
    "shape": "size",
    "colour": "colour",
}
"""The same for how a part differs from its counterpart on a reference."""


@dataclass(frozen=True)
class Inference:
    """What lies behind a finding and what comes of it, each a clause or nothing."""

    cause: str | None = None
    consequence: str | None = None
    advice: str | None = None


def kind_of(evidence: Evidence) -> str | None:
    """What a finding is about: "missing", "extra", ...; None for a place that nobody has named."""
    claim = evidence.claim
    if claim.aspect is not None:
        return _DIFFERS.get(claim.aspect)
    if claim.topic in ("count", "total", "each"):
        found, expected = str(claim.facts.get("found", "")), str(claim.facts.get("expected", ""))
        digits = [word for word in expected.split() if word.isdigit()]
        if not found.isdigit() or not digits:
            return None
        return "missing" if int(found) < int(digits[0]) else "extra"
    return None if claim.topic is None else _KINDS.get(claim.topic)


def story_of(kind: str | None, language: str) -> Inference:
    """The usual story of a kind of finding; empty for one that has none."""
    known = cast("dict[str, dict[str, str]]", in_language("report/inferences", language))
    return Inference(**known[kind]) if kind in known else Inference()


def tell_inferred(weighed: WeighedHypothesis, story: Inference, language: str) -> Iterator[Sentence]:
    """Type, cause, consequence and advice, each marked, each citing the finding that it is inferred from."""
    named = [e for e in weighed.evidence if e.claim.topic == "defect_name"]
    yield from (Sentence(say(e.claim, language), (e.id,), "type") for e in named)
    cites = strongest(weighed.evidence)
    told: tuple[tuple[SentenceRole, str | None], ...] = (
        ("cause", story.cause),
        ("consequence", story.consequence),
        ("advice", story.advice),
    )
    for role, text in told:
        if text:
            yield Sentence(tell(role, {role: text}, language), cites, role)


SURE = 0.5
"""A name is given from this probability on."""


def name_of(vlm: LocalVLM, pair: CropPair, product: Product) -> Claim | None:
    """What the language model takes a defect for, or None where it is not sure."""
    options: list[str] = [*load_yaml("defects")["structural"], *product.spec.defects]
    turns = [Turn("user", questions()["describe_defect"].format(product=product.spec.product), images=1)]
    ranked = sorted(vlm.choose([pair.crop], turns, options).items(), key=lambda item: -item[1])
    (first, p), (second, p_second) = ranked[0], ranked[1]
    if p < SURE:
        return None
    article = "an" if first[0] in "aeiou" else "a"
    facts = {"article": article, "name": first, "p": f"{p:.2f}", "second": second, "p_second": f"{p_second:.2f}"}
    return Claim("looks_like", dict(facts), "defect_name")


def story_in_words(
    vlm: LocalVLM,
    product: Product,
    sample: Sample,
    evidence: Sequence[Evidence],
    found: str,
    usual: Inference,
    language: str,
) -> Inference:
    """Cause, consequence and advice in the language model's words; what fails the check is asked for once more.

    Args:
        vlm: one that knows the product.
        product: named in the questions.
        sample: the photo.
        evidence: of the finding; what is said must not go beyond it.
        found: the finding as a sentence, which the language model is told.
        usual: what is said where the language model fails twice.
        language: the code of the language to answer in.
    """
    usually = {"cause": usual.cause, "consequence": usual.consequence, "advice": usual.advice}
    asked = {
        key: _checked(vlm, product, sample, evidence, (found, usually[key] or ""), question, language)
        for key, question in (("cause", "cause"), ("consequence", "consequence"), ("advice", "advise"))
    }
    return Inference(**{key: text or usually[key] for key, text in asked.items()})


def is_about(answer: str, subject: str, names: Sequence[str]) -> bool:
    """Whether an answer has a word of substance in common with what it should be about, besides the names of things.

    >>> is_about("the tool drew a scratch", "a scratch of 40 px", ["tool"])
    True
    >>> is_about("the plank was forgotten", "a hole in the plank", ["plank"])
    False
    """
    return bool((_words(answer) & _words(subject)) - _words(" ".join(names)))


def _words(text: str) -> set[str]:
    """Words of four letters and more, and pairs of characters where a script has no spaces."""
    plain = text.casefold()
    pairs = (run[n : n + 2] for run in re.findall(r"[\u3040-\u9fff]{2,}", plain) for n in range(len(run) - 1))
    return {*re.findall(r"[^\W\d_\u3040-\u9fff]{4,}", plain), *pairs}


def _checked(
    vlm: LocalVLM,
    product: Product,
    sample: Sample,
    evidence: Sequence[Evidence],
    subject: tuple[str, str],
    question: str,
    language: str,
) -> str | None:
    """An answer without a fault about the subject (the finding, what is usually said), or None after two tries."""
    words = questions()
    found, usually = subject
    told = words["evidence"].format(evidence=found)
    asked = words[question] if language == "en" else f"{words[question]} {words['in_language'].format(code=language)}"
    turns = [Turn("user", f"{told} {asked}", images=1)]
    parts = [part.label for part in product.spec.parts]
    names = [product.spec.product, product.name, *parts]
    for _ in range(2):
        answer = vlm.answer([sample.image], turns, max_new_tokens=40)
        wrong = faults(answer, evidence, anomalous=True, parts=parts)
        if not wrong and not is_about(answer, f"{found} {usually}", names):
            wrong = ["it is not about what was found"]
        if not wrong:
            return answer.strip()
        mend = words["mend"].format(faults="; ".join(wrong))
        turns = [*turns, Turn("assistant", answer), Turn("user", mend)]
    return None

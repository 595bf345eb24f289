"""The report of one inspection: what a user, a file and an eval all read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from agent.crops import CropPair, crop_box, crop_pair
from agent.evidence.claims import SentenceRole, place_in_words, say_at, say_briefly
from agent.evidence.fusion import by_hypothesis, carrying, probability
from agent.evidence.types import LESSONS, Claim, Evidence, Fact, Kind, Look, Option, Status, Told, Topic, Verdict, Word
from agent.report.examination import notes_on
from agent.report.regions import plain_region_in_words
from agent.state import Glance, InspectionState, OutOfOrderError, need_glance, need_product, need_sample
from tools.describe import DescribedRegion
from tools.mask_encoding import encode_rle
from tools.types import Box, Region, Sample


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class VerdictOut(_Frozen):
    """Good or not, and how sure."""

    anomalous: bool
    score: float = Field(ge=0, le=1)
    confidence: float = Field(ge=0, le=1)
    kinds: tuple[Kind, ...]
    threshold: float = Field(default=0.5, ge=0, le=1)
    """The score above which a part is called anomalous."""
    word: Word = "unsure"
    """The verdict in a word; "unsure" where the evidence is thin, `anomalous` says on which side it is even then."""
    told: Told | None = None
    """The same as the explanation tells it, such as "probably_good"; None in reports of before it was recorded."""
    unchecked: tuple[str, ...] = ()
    """What a person stated of good parts and this inspection did not check, such as "number of screws"."""

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictOut:
        """The plain data of a verdict."""
        return cls(
            anomalous=verdict.anomalous,
            score=verdict.score,
            confidence=verdict.confidence,
            kinds=verdict.kinds,
            threshold=verdict.threshold,
            word=verdict.word,
            told=verdict.told,
            unchecked=verdict.unchecked,
        )


class Finding(_Frozen):
    """One piece of evidence, as people and programs read it."""

    id: str
    kind: Kind
    part: str | None
    what: str
    box: tuple[float, float, float, float] | None
    """xyxy in pixels of the upright photo; None where the evidence has no place (a part that is missing)."""
    mask: dict[str, Any] | None
    """COCO run-length encoding of the whole photo, or None."""
    absent: bool = False
    """Whether box and mask are those of a part that is missing, where it belongs."""
    score: float = Field(ge=0, le=1)
    """Probability of its hypothesis, taken alone."""
    llr: float
    source: str
    look: str | None
    hypothesis: str = ""
    """What it speaks about; evidence of one hypothesis adds up."""
    claim: str = ""
    """Name of its sentence; empty in reports of before it was recorded, as are topic, status and facts."""
    topic: Topic | None = None
    """What it is about."""
    status: Status | None = None
    """Whether a rule or the arrangement of parts holds; None for what is no such check."""
    facts: dict[str, Fact] = {}
    """What was measured, as its words state it."""
    attributes: dict[str, str | int] = {}
    """What the place looks like (shape, brightness, edge, ...), where the explanation tells of it."""
    type: str | None = None
    """The likeliest type of defect by the examples that were taught; None without examples."""
    type_probability: float | None = None
    """Of that type among the taught ones."""
    nearest_lesson: str | None = None
    """File name of the photo whose example is most like it."""

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        llr: float,
        language: str = "en",
        *,
        masked: bool = True,
        examined: DescribedRegion | None = None,
        typed: Mapping[str, Fact] | None = None,
    ) -> Finding:
        """The plain data of evidence.

        Args:
            evidence: with its id.
            llr: log-likelihood ratio of its hypothesis.
            language: of the words.
            masked: whether its mask is encoded too.
            examined: its place, bounded tightly, which is stated in place of its own.
            typed: what was found on the type of its place.
        """
        described = examined is not None and evidence.region is not None and evidence.claim.topic == "patch"
        region = examined.region if examined is not None and described else evidence.region
        stated = examined.description.stated() if examined is not None and described else {}
        mask = region.mask if region is not None and masked else None
        return cls(
            id=evidence.id,
            kind=evidence.kind,
            part=evidence.part,
            what=say_briefly(evidence.claim, language),
            box=_rounded(region),
            mask=dict(encode_rle(mask)) if mask is not None else None,
            absent=region is not None and region.absent,
            score=round(probability(llr), 6),
            llr=round(evidence.llr, 4),
            source=evidence.source,
            look=evidence.look,
            hypothesis=evidence.hypothesis,
            claim=evidence.claim.key,
            topic=evidence.claim.topic,
            status=evidence.claim.status,
            facts=evidence.claim.facts,
            attributes={name: attribute.value for name, attribute in stated.items()},
            type=str(typed["name"]) if typed else None,
            type_probability=float(typed["p"]) if typed else None,
            nearest_lesson=str(typed["lesson"]) if typed else None,
        )


class SentenceOut(_Frozen):
    """One sentence and the ids that it cites."""

    text: str
    cites: tuple[str, ...]
    role: SentenceRole | None = None
    """What it is for; None in reports of before it was recorded."""
    certain: bool = False
    """Whether it is stated as a fact."""


class OptionOut(_Frozen):
    """One way to look again, as it stood on the menu."""

    action: str
    value: float
    """Expected change of the verdict's probability per second."""
    p: float | None
    """How likely the language model was to choose it; None where it was not asked."""

    @classmethod
    def of(cls, option: Option) -> OptionOut:
        """The plain data of an option."""
        return cls(action=option.action, value=round(option.value, 5), p=option.p)


class LookOut(_Frozen):
    """One second look."""

    id: str
    hypothesis: str
    action: str
    box: tuple[float, float, float, float]
    question: str
    p_yes: float
    p_yes_debiased: float
    reference: str | None
    llr: float
    answer: float = 0.0
    """What was measured, in the look's own unit."""
    menu: tuple[OptionOut, ...] = ()
    """What could have been done at that moment."""
    calls: int = 0
    """Runs of a model that it took."""
    seconds: float = 0.0

    @classmethod
    def of(cls, look: Look) -> LookOut:
        """The plain data of a look."""
        return cls(
            id=look.id,
            hypothesis=look.hypothesis,
            action=look.action,
            box=look.box,
            question=look.question,
            p_yes=round(look.p_yes, 4),
            p_yes_debiased=round(look.p_yes_debiased, 4),
            reference=look.reference,
            llr=round(look.llr, 4),
            answer=round(look.answer, 4),
            menu=tuple(OptionOut.of(option) for option in look.menu),
            calls=look.calls,
            seconds=round(look.seconds, 4),
        )


class InspectionReport(_Frozen):
    """Everything that an inspection says about one photo."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_: Literal["looktwice/1"] = Field(default="looktwice/1", alias="schema")
    image: str
    size: tuple[int, int]
    product: str
    profile: str
    references: tuple[str, ...]
    verdict: VerdictOut
    findings: tuple[Finding, ...]
    """What speaks for an anomaly, strongest first."""
    evidence: tuple[Finding, ...]
    """All evidence, in the order of finding; every citation points here."""
    explanation: tuple[SentenceOut, ...]
    looks: tuple[LookOut, ...]
    answer: str | None
    notes: tuple[str, ...]
    models: dict[str, dict[str, Any]]
    seconds: dict[str, float]
    language: str = "en"
    """Of the explanation."""
    photo_notes: tuple[str, ...] = ()
    """Those of the notes that are about this photo, such as that only its first page was inspected."""
    value_range: tuple[float, float] | None = None
    """The pixel values that became black and white; None of a photo of 8 bits."""
    smallest_px: float | None = None
    """Side of the smallest defect that can be relied on to be seen, in pixels of the photo."""
    _sample: Sample | None = PrivateAttr(default=None)
    _glance: Glance | None = PrivateAttr(default=None)
    _good: tuple[Sample, ...] = PrivateAttr(default=())
    _state: InspectionState | None = PrivateAttr(default=None)

    @classmethod
    def of_state(
        cls,
        state: InspectionState,
        *,
        models: dict[str, dict[str, Any]],
        profile: str,
        language: str = "en",
        smallest_px: float | None = None,
    ) -> InspectionReport:
        """The report of a finished inspection."""
        sample, product, verdict = need_sample(state), need_product(state), state.verdict
        if verdict is None:
            raise OutOfOrderError("a report needs `judge` to have run")
        strong = carrying(state.evidence) if verdict.anomalous else ()
        worth = {w.name: w.llr for w in by_hypothesis(state.evidence)}
        seconds = {"total": sum(state.seconds.values()), **state.seconds}

        types = {e.hypothesis: e.claim.facts for e in state.evidence if e.source == LESSONS}

        def stated(evidence: Evidence) -> Finding:
            name = evidence.hypothesis
            return Finding.of(evidence, worth[name], language, examined=state.examined.get(name), typed=types.get(name))

        about_photo = tuple(notes_on(sample, smallest_px))
        report = cls(
            image=str(sample.path or sample.name),
            size=sample.size,
            product=product.name,
            profile=profile,
            references=tuple(r.name for r in product.references),
            verdict=VerdictOut.of(verdict),
            findings=tuple(stated(e) for w in strong for e in w.evidence if e.llr > 0),
            evidence=tuple(stated(e) for e in state.evidence),
            explanation=tuple(
                SentenceOut(text=s.text, cites=s.cites, role=s.role, certain=s.certain) for s in state.explanation
            ),
            looks=tuple(LookOut.of(look) for look in state.looks),
            answer=state.answer,
            notes=(*about_photo, *product.notes),
            photo_notes=about_photo,
            value_range=sample.value_range,
            smallest_px=smallest_px,
            models=models,
            seconds={k: round(v, 4) for k, v in seconds.items()},
            language=language,
        )
        report._sample = sample
        report._glance = need_glance(state)
        report._good = product.references
        report._state = state
        return report

    def __repr__(self) -> str:
        """One line: the photo, the verdict and how much was found."""
        verdict = f"{self.verdict.word}, {self.verdict.score:.3f}"
        return f"<InspectionReport of {self.image}: {verdict}, {len(self.findings)} findings>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The report's page, for notebooks; the sentences alone where the report was read from a file."""
        from html import escape

        from agent.report.files import draw_report, page

        if self._sample is not None:
            return f'<iframe srcdoc="{escape(page(self, draw_report(self)))}" width="100%" height="700"></iframe>'
        return "".join(f"<p>{escape(sentence.text)}</p>" for sentence in self.explanation)

    def to_json(self) -> str:
        """One line of JSON; what UTF-8 cannot hold is an escape."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True), ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    @property
    def sample(self) -> Sample:
        """The photo; only on a report that was just made, not on one read from a file.

        Raises:
            RuntimeError: the report was read from a file.
        """
        if self._sample is None:
            raise RuntimeError("this report was read from a file and has no pixels; inspect the photo again")
        return self._sample

    @property
    def glance(self) -> Glance:
        """What the first look measured; raises like `sample`."""
        if self._glance is None:
            raise RuntimeError("this report was read from a file and has no pixels; inspect the photo again")
        return self._glance

    @property
    def good(self) -> tuple[Sample, ...]:
        """The references; empty where there were none."""
        return self._good

    def with_pixels_of(self, other: InspectionReport) -> InspectionReport:
        """The same report, with the photo, the references and the state of another one of the same photo."""
        made = self.model_copy()
        made._sample, made._glance, made._good, made._state = other._sample, other._glance, other._good, other._state
        return made

    def told(self, finding: Finding) -> str:
        """The sentence that tells of a finding: of the explanation, else made from its box, or from its claim."""
        for sentence in self.explanation:
            if sentence.role == "finding" and finding.id in sentence.cites:
                return sentence.text
        if finding.topic == "patch" and finding.llr > 0 and finding.box is not None:
            return plain_region_in_words(Box(*finding.box), self.size, self.language)
        if not finding.claim:
            return finding.what
        placed = finding.box is not None and finding.llr > 0
        place = place_in_words(Box(*(finding.box or ())), *self.size) if placed else None
        return say_at(Claim(finding.claim, finding.facts, finding.topic), place, self.language)

    def beside_reference(self, finding: Finding) -> CropPair:
        """The place of a finding, which has a box, beside the same place on the reference that matches it best.

        The reference is turned, scaled and shifted as the photo where the place was examined and the two are alike.

        Raises:
            RuntimeError: the report was read from a file.
        """
        box = crop_box(Box(*(finding.box or (0.0, 0.0, *self.size))), self.sample)
        pair = crop_pair(self.sample, box, self.good)
        examined = None if self._state is None else self._state.examined.get(finding.hypothesis)
        counterpart = None if examined is None else examined.counterpart(box)
        if examined is None or examined.reference is None or counterpart is None:
            return pair
        return replace(pair, reference=counterpart, reference_name=examined.reference.name)

    @property
    def state(self) -> InspectionState | None:
        """What the inspection found out, for looking again; None on a report that was read from a file."""
        return self._state

    def save(self, folder: Path | str) -> Path:
        """Writes report.json, report.html and overlay.png into a folder, and returns it."""
        from agent.report.files import write_report

        return write_report(self, Path(folder))


def _rounded(region: Region | None) -> tuple[float, float, float, float] | None:
    if region is None:
        return None
    x0, y0, x1, y1 = (round(v, 1) for v in region.box)
    return x0, y0, x1, y1

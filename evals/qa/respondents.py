"""Who answers the questions of a benchmark: the vision-language model alone, or the whole agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from agent import InspectionReport, Inspector, Product
from evals.datasets.questions import BenchmarkQuestion, Kind, PhotoQuestions
from evals.metrics.answers import yes_or_no
from prompts import load_yaml, questions
from tools.profiles import resolve_profile
from tools.toolbox import Toolbox
from tools.types import RGB, Sample
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.vlm import LocalVLM


class AnsweredQuestion(BaseModel):
    """One question as it was answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    topic: str
    question: str
    truth: str | None
    text: str
    parsed: str | None
    """What was understood: yes, no or a letter; None where the answer is none, or is one in words."""
    score: float | None = None
    """P(anomalous), where it was asked."""
    options: dict[str, str] = Field(default_factory=dict)


class Conversation(BaseModel):
    """One line of predictions.jsonl."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    id: str
    replies: tuple[AnsweredQuestion, ...]
    seconds: float


By = Literal["vlm", "agent"]
LONGEST = 1024
"""Longer side of a photo in pixels; VisA-D&R scales larger ones down."""
TOKENS = 512
"""Longest answer in words; the yes or no, or the letter, is looked for in all of it."""
SHORT_TOKENS = 64


@dataclass(frozen=True)
class GivenAnswer:
    """An answer as it was given."""

    text: str
    score: float | None = None
    """P(anomalous), where the question was whether there is a defect."""


class Respondent(Protocol):
    """Anybody who can be asked about photos."""

    @property
    def name(self) -> By:
        """As results name it."""
        ...

    def meet(self, item: PhotoQuestions) -> QuestionSession:
        """Sees a photo, and its templates where there are any.

        Raises:
            tools.errors.InputError: a photo cannot be read.
        """
        ...


class QuestionSession(Protocol):
    """Questions about one photo, in turn."""

    def answer(self, question: BenchmarkQuestion) -> GivenAnswer:
        """The answer, with what was said before in mind where the benchmark's protocol has it so."""
        ...


@dataclass(frozen=True, eq=False)
class BareVLM:
    """The profile's vision-language model alone, greedily, as the published rows were measured."""

    vlm: LocalVLM
    name: By = "vlm"

    def meet(self, item: PhotoQuestions) -> QuestionSession:
        """Sees the photos, scaled down to 1024 pixels where they are larger."""
        return _Spoken(self.vlm, [fitted(p()) for p in (*item.templates, item.photo)], [])


@dataclass(eq=False)
class _Spoken:
    """The language model's conversation; its own replies are in the history of questions answered in words."""

    vlm: LocalVLM
    images: list[RGB]
    told: list[Turn]

    def answer(self, question: BenchmarkQuestion) -> GivenAnswer:
        shown = self.images
        if question.kind == "detect":
            turns = [Turn("user", question.text, images=len(shown))]
            text = self.vlm.answer(shown, turns, SHORT_TOKENS)
            return GivenAnswer(text, self.vlm.yes_no(shown, turns))
        if question.kind == "choose":
            turns = [Turn("user", choice_text(question, templates=len(shown) - 1), images=len(shown))]
            return GivenAnswer(self.vlm.answer(shown, turns, SHORT_TOKENS))
        self.told.append(Turn("user", question.text, images=0 if self.told else len(shown)))
        text = self.vlm.answer(shown, self.told, TOKENS)
        self.told.append(Turn("assistant", text))
        return GivenAnswer(text)


@dataclass(eq=False)
class WholeAgent:
    """The inspector: it looks first, and answers from its evidence, by its chat as users have it."""

    inspector: Inspector
    name: By = "agent"
    _products: dict[tuple[str, ...], Product] = field(default_factory=dict)

    def meet(self, item: PhotoQuestions) -> QuestionSession:
        """Inspects the photo; it knows the product's noun and the templates, if any, and nothing else."""
        photo = item.photo()
        good = [template() for template in item.templates]
        known = (item.product, *(sample.digest for sample in good))
        if known not in self._products:
            # The photos of a class come one after another: only its product is kept.
            self._products = {known: self.inspector.learn(item.category, good, product=item.product)}
        product = self._products[known]
        report = self.inspector.inspect(photo, product=product)
        return _Inspected(self.inspector, report, product, [*good, photo])


@dataclass(eq=False)
class _Inspected:
    """The agent's conversation about one report."""

    inspector: Inspector
    report: InspectionReport
    product: Any
    photos: list[Sample]
    chat: Any = None

    def answer(self, question: BenchmarkQuestion) -> GivenAnswer:
        verdict = self.report.verdict
        yes = "Yes" if verdict.anomalous else "No"
        if question.kind == "detect":
            return GivenAnswer(yes, verdict.score)
        if question.kind == "choose":
            return GivenAnswer(self._chosen(question, yes.lower()))
        if self.chat is None:
            self.chat = cast("Any", self.inspector).chat(self.report, product=self.product)
        return GivenAnswer(str(self.chat.ask(question.text).text))

    def _chosen(self, question: BenchmarkQuestion, yes: str) -> str:
        """Whether there is a defect by the verdict; else the likeliest letter, given the evidence."""
        if question.topic == "Anomaly Detection":
            fitting = [letter for letter, text in question.options.items() if yes_or_no(text) == yes]
            if len(fitting) == 1:
                return fitting[0]
        told = " ".join(sentence.text for sentence in self.report.explanation)
        text = f"{questions()['evidence'].format(evidence=told)} {choice_text(question, len(self.photos) - 1)}"
        shown = [fitted(photo) for photo in self.photos]
        likely = self.inspector.context.toolbox.vlm.choose(
            shown, [Turn("user", text, images=len(shown))], list(question.options)
        )
        return max(likely, key=lambda letter: likely[letter])


def choice_text(question: BenchmarkQuestion, templates: int = 0) -> str:
    """A multiple-choice question as it is put to a model."""
    words = load_yaml("benchmarks")["mmad"]
    options = "\n".join(words["option"].format(letter=k, text=v) for k, v in question.options.items())
    asked = str(words["choice"].format(question=question.text, options=options))
    return f"{words['template']}\n{asked}" if templates else asked


def fitted(photo: Sample) -> RGB:
    """The photo, scaled down until its longer side has at most 1024 pixels."""
    if max(photo.size) <= LONGEST:
        return photo.image
    scale = LONGEST / max(photo.size)
    size = (round(photo.size[0] * scale), round(photo.size[1] * scale))
    return np.asarray(Image.fromarray(photo.image).resize(size, Image.Resampling.BICUBIC))


def respondent(by: By, profile: str, device: str, looks: int) -> Respondent:
    """Opens the language model or the agent of a profile.

    Raises:
        tools.errors.ModelError: a checkpoint is missing.
    """
    if by == "agent":
        return WholeAgent(Inspector(profile, device=device, looks=looks))
    return BareVLM(Toolbox.open(resolve_profile(profile), device).vlm)


def replies_of(respondent: Respondent, item: PhotoQuestions) -> Sequence[GivenAnswer]:
    """Asks an item's questions in turn."""
    conversation = respondent.meet(item)
    return [conversation.answer(question) for question in item.questions]

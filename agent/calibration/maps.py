"""From raw scores to log-likelihood ratios, in two stages and without a test label.

First the product's own references standardise a score; then a monotone map per matcher, learned once on
the world's training families (`python -m evals.fit.matcher_maps`), says what a standardised score is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from agent.calibration.levels import ProductDistance, ScoreLevels
from agent.evidence.types import Action, Kind
from agent.rules.induction.sizes import Measuring
from tools.parts.parameters import AssignmentCosts, PartParameters, PartSimilarity

LEAST = 1e-3
"""Patch scores of good parts are taken to be at least so large, where references do not differ at all."""
_FOLDER = Path(__file__).parent
FLOOR = 0.25
"""Share of a good part's score below which places are all equally usual: a log would tell them apart without end."""

FAR = 5.0
"""Standard deviations from good parts that hardly any score exceeds."""


class ScoreScale(BaseModel):
    """What good parts score, as far as a product's own references do not say so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float = 0.0
    """Of a good part's raw score, where there are no references to say so."""
    spread: float = Field(default=1.0, gt=0)
    """Standard deviation among good parts; references move it as they become many."""
    worth: float = Field(default=4.0, gt=0)
    """How many references the stored spread counts for."""

    def standardise(self, raw: float, references: Sequence[float]) -> float:
        """Standard deviations by which a raw score lies above those of good parts.

        Args:
            raw: the photo's score, in the matcher's own unit.
            references: leave-one-out scores of the references, in the same unit; may be empty.
        """
        n = len(references)
        if not n:
            return (raw - self.mean) / self.spread
        mean = math.fsum(references) / n
        scatter = math.fsum((r - mean) ** 2 for r in references)
        variance = (scatter + self.worth * self.spread**2) / (n - 1 + self.worth)
        return (raw - mean) / math.sqrt(variance * (1 + 1 / n))


class MatcherMap(ScoreScale):
    """What one matcher's score is worth."""

    slope: float = Field(default=1.0, ge=0)
    """Log-likelihood ratio for one standard deviation more."""
    offset: float = 0.0
    """Log-likelihood ratio of a score at the mean."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Of anomalies, those that this matcher can see at all; the others leave its score like a good part's."""
    limit: float = Field(default=6.0, gt=0)
    """Where the ratio flattens; it never quite stops rising, so that order is kept."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the ratio beside the other matchers, which may say the same (`python -m evals.fit.fusion_weights`)."""

    def llr(self, standardised: float) -> float:
        """Log-likelihood ratio of a standardised score.

        Linear near 0 and flattening towards `limit` for the share of anomalies that the matcher sees, mixed with the
        others: log(1 - share + share * exp(linear)). A low score can therefore say at most log(1 - share). All of it is
        then multiplied by the weight.
        """
        linear = self.slope * standardised + self.offset
        seen = linear / (1 + abs(linear) / self.limit)
        return self.weight * math.log1p(self.share * math.expm1(seen))

    @property
    def largest(self) -> float:
        """The larger of the ratios, for and against an anomaly, of scores `FAR` standard deviations from good parts."""
        return max(abs(self.llr(FAR)), abs(self.llr(-FAR)))


class LookMap(BaseModel):
    """What the answer of a second look is worth, given all that the first look said; fitted on the same products."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slope: float = Field(default=0.0, ge=0)
    """Log-likelihood ratio for one unit more of the answer."""
    offset: float = 0.0
    """Log-likelihood ratio of an answer of 0."""
    limit: float = Field(default=3.0, gt=0)
    """Where it flattens."""
    sure: float = Field(default=0.5, ge=0.5, lt=1)
    """How well the answer tells a defect from none among places that the first look could not tell apart: AUROC."""
    seconds: float = Field(default=0.3, gt=0)
    """What one such look takes, on the machine that fitted the maps; they are compared with each other alone."""

    def llr(self, answer: float) -> float:
        """Log-likelihood ratio of an answer: linear near 0, flattening towards `limit`; it never falls."""
        linear = self.slope * answer + self.offset
        return linear / (1 + abs(linear) / self.limit)

    @property
    def gain(self) -> float:
        """Expected change of the probability of something that is as likely as not, in [0, 0.5).

        For an answer that is right with probability s it is s - 1/2, and an AUROC of two normal distributions of one
        spread is Phi(d / sqrt 2), where s is Phi(d / 2).

        >>> LookMap(sure=0.5).gain, round(LookMap(sure=0.92).gain, 2)
        (0.0, 0.34)
        """
        normal = NormalDist()
        return normal.cdf(normal.inv_cdf(self.sure) / math.sqrt(2)) - 0.5


class Leaning(BaseModel):
    """How a language model's leaning is taken out of its yes and no, as log-odds of a defect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(default=1.0, ge=0, le=1)
    """Share that is taken off of what it says where its answer should carry no news: all of it of a language model of
    which nothing is known; none where one such answer tells of its own noise alone, and then it is not asked for."""
    alone: float = 0.0
    """What it usually says of an image without content."""
    beside: float = 0.0
    """What it usually says of a good part beside a good part."""

    def taken_out(self, said: float, empty: float, *, beside: bool) -> float:
        """The log-odds without the leaning, at the level that the language model usually speaks at.

        >>> Leaning().taken_out(1.5, 1.0, beside=True), Leaning(weight=0.5, beside=1.0).taken_out(1.5, 1.0, beside=True)
        (0.5, 1.5)
        """
        return said - self.weight * (empty - (self.beside if beside else self.alone))


class Looks(BaseModel):
    """The maps of all second looks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zoom: LookMap = LookMap()
    """Change of the tracer's log-odds when the mean over other views takes the place of one."""
    near: LookMap = LookMap()
    """Standard deviations of the enlarged place above the differences among good ones there."""
    compare: LookMap = LookMap()
    """The language model's log-odds of a defect beside a good part, debiased."""
    ask: LookMap = LookMap()
    """The same on the crop alone."""
    recount: LookMap = LookMap()
    """Change of a rule's log-odds of "broken" when the parts are found anew."""

    def without_vlm(self) -> Looks:
        """The same, with answers of the language model worth nothing."""
        return self.model_copy(update={"compare": LookMap(), "ask": LookMap()})

    def used(self, action: Action, kind: Kind) -> tuple[LookMap, ...]:
        """The maps by which a way to look again weighs its answers; what says nothing is not asked."""
        near = (self.near,) if kind == "structural" else ()
        maps = {
            "zoom": (self.zoom,),
            "compare": (self.compare, *near),
            "ask": (self.ask,),
            "recount": (self.recount,),
        }
        return tuple(m for m in maps[action] if m.gain > 0)

    def gain(self, action: Action, kind: Kind) -> float:
        """Expected change of an even probability by one look, in [0, 0.5)."""
        return max((m.gain for m in self.used(action, kind)), default=0.0)

    @property
    def most(self) -> float:
        """The largest gain of any look, in [0, 0.5)."""
        return max(m.gain for m in (self.zoom, self.near, self.compare, self.ask, self.recount))

    def seconds(self, action: Action, kind: Kind) -> float:
        """What one look takes; above 0 where it is used at all."""
        return math.fsum(m.seconds for m in self.used(action, kind))


class Fused(BaseModel):
    """What a fused log-likelihood ratio amounts to, and what good parts then score."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float = 0.0
    """Of good parts."""
    spread: float = Field(default=1.0, gt=0)
    slope: float = Field(default=1.0, gt=0)
    """What the fused ratio is multiplied by, since matchers that agree say less together than their sum."""
    offset: float = 0.0
    """What is then added, since the worst of many places stands out even on a good part."""

    def worth(self, llr: float) -> float:
        """The log-likelihood ratio that a fused one amounts to; the order is kept."""
        return self.slope * llr + self.offset

    def threshold(self, false_alarm: float) -> float:
        """The log-likelihood ratio that a share `false_alarm` of good parts exceeds, were they distributed normally.

        >>> round(Fused(mean=-1.0, spread=2.0).threshold(0.5), 6)
        -1.0
        """
        return NormalDist(self.mean, self.spread).inv_cdf(1 - false_alarm)


class Calibration(BaseModel):
    """The maps of all matchers for one profile."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    text: MatcherMap = MatcherMap()
    reference: MatcherMap = MatcherMap()
    tracer: MatcherMap = MatcherMap(slope=0.0)
    differ: MatcherMap = MatcherMap(slope=0.0)
    """Of surfaces beside the references as a whole."""
    layout: MatcherMap = MatcherMap(slope=0.0)
    """Of parts beside them."""
    rule: MatcherMap = MatcherMap()
    lone: MatcherMap = MatcherMap(slope=0.0)
    """Of rules that a single reference gave: how far good ones depart from them it cannot say, so that they are worth
    nothing where no fit says otherwise."""
    parts: MatcherMap = MatcherMap(slope=0.0)
    vlm: MatcherMap = Field(default=MatcherMap(), validation_alias=AliasChoices("vlm", "narrator"))
    matchers: dict[str, MatcherMap] = Field(default_factory=dict)
    """Of further matchers, by name."""
    leaning: Leaning = Leaning()
    looks: Looks = Looks()
    fused: Fused = Fused()
    alone: Fused | None = None
    """Of a product without references, where other matchers speak; `fused` where nothing else says so."""
    tracer_levels: ScoreLevels | None = None
    """Of the tracer, by which parts are found and damage is seen; None where nobody has fitted them."""
    product_distance: ProductDistance | None = None
    """What photos of something else are told by; None where nobody has fitted it."""
    measuring: Measuring = Measuring()
    """How well parts can be measured with this profile's tools, and how often what looks fixed is not."""
    near: ScoreScale = ScoreScale(spread=0.4)
    """Of the logarithms of an enlarged place's scores beside the same place on the references."""
    prose: bool = True
    """Whether the language model's own sentences on cause, consequence and advice are told, or the usual ones."""
    detection: float = Field(default=0.5, gt=0, lt=1)
    """The grounder's score that is worth one half, for parts that no reference has shown."""
    reference_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the reference matcher's evidence that counts beside a tracer that is trusted."""
    part_similarity: PartSimilarity = Field(default_factory=lambda: _default_parts().similarity)
    """How likely two segments are of one part type; by default as in default.yaml."""
    assignment_costs: AssignmentCosts = Field(default_factory=lambda: _default_parts().costs)
    """Costs of differences between parts, and of missing and extra parts; by default as in default.yaml."""

    def map_of(self, name: str, default: MatcherMap | None = None) -> MatcherMap:
        """The map of a matcher, whether it has an entry of its own or one in `matchers`.

        Args:
            name: of the matcher.
            default: for a matcher that has none.

        Raises:
            KeyError: there is none, and no default.

        >>> Calibration(matchers={"colour": MatcherMap(limit=2.0)}).map_of("colour").limit
        2.0
        """
        own = getattr(self, name, None)
        if isinstance(own, MatcherMap):
            return own
        return self.matchers[name] if default is None else self.matchers.get(name, default)

    def with_maps(self, maps: Mapping[str, MatcherMap]) -> Calibration:
        """The same with other maps of some matchers, by name.

        >>> Calibration().with_maps({"text": MatcherMap(limit=2.0), "colour": MatcherMap()}).map_of("text").limit
        2.0
        """
        own = {name: worth for name, worth in maps.items() if isinstance(getattr(self, name, None), MatcherMap)}
        more = {name: worth for name, worth in maps.items() if name not in own}
        return self.model_copy(update={**own, "matchers": {**self.matchers, **more}})

    @property
    def part_parameters(self) -> PartParameters:
        """What the tools need that discover and assign parts."""
        return PartParameters(self.part_similarity, self.assignment_costs)

    def trust(self, tracer_scores: Sequence[float], uncertainty: Sequence[float] = ()) -> float:
        """How much the evidence of the tracer, and of the parts that it finds, counts on a product, in [0, 1].

        Args:
            tracer_scores: of the product's references.
            uncertainty: of the tracer on them, as `ScoreLevels.trust` takes it.
        """
        return 1.0 if self.tracer_levels is None else self.tracer_levels.trust(tracer_scores, uncertainty)

    def reference_trust(self, tracer_scores: Sequence[float]) -> float:
        """How much the evidence of the reference matcher counts, in (0, 1]: all of it unless a tracer is trusted.

        Args:
            tracer_scores: of the product's references.
        """
        if self.tracer_levels is None or not tracer_scores:
            return 1.0
        return 1.0 - (1.0 - self.reference_share) * self.trust(tracer_scores)

    def fusion(self, references: int) -> Fused:
        """What a fused ratio amounts to with so many references.

        >>> Calibration(fused=Fused(slope=2.0), alone=Fused(slope=0.5)).fusion(0).slope
        0.5
        """
        return self.alone if self.alone is not None and not references else self.fused

    @classmethod
    def of_profile(cls, profile: str) -> Calibration:
        """The stored maps of a profile; a profile without its own is treated like `default`."""
        import yaml

        known = {path.stem: path for path in _FOLDER.glob("*.yaml")}  # a profile's name is no path
        stored = known.get(profile, known["default"])
        return cls.model_validate(yaml.safe_load(stored.read_text(encoding="utf-8")))


def _default_parts() -> PartParameters:
    """The parameters of parts in default.yaml, for a calibration that has none of its own."""
    return Calibration.of_profile("default").part_parameters


def log_of_excess(raw: float, references: Sequence[float]) -> float:
    """Patch scores are compared as ratios to what good parts score: the log of one is what gets standardised.

    Args:
        raw: of a photo or a place, in the memory's own unit; below 0 where a place is more usual than its photo.
        references: leave-one-out scores of the references, at least one, in the same unit.

    >>> round(log_of_excess(0.3, [0.1, 0.1]) - log_of_excess(0.1, [0.1, 0.1]), 3)
    0.956
    """
    level = max(math.fsum(references) / len(references), LEAST)
    return math.log(max(raw, 0.0) / level + FLOOR)

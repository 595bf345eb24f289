"""How evidence adds up: within a hypothesis log-likelihood ratios add, between hypotheses they mix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.evidence.types import Evidence, Kind

BOTH = 0.1
"""Prior share of anomalous parts that are both structurally and logically anomalous."""

WHOLE = "layout"
"""The hypothesis that the parts as a whole are not those of a good one, whichever rule that breaks."""

BESIDE = 0.7
"""A rule that the references obey and a photo breaks counts so much beside what its parts cost as a whole: one slip of
the part finder breaks a rule, and costs little where parts lie as on good ones."""

NOTABLE = 0.5
"""A hypothesis is told on its own from this log-likelihood ratio on."""


@dataclass(frozen=True)
class WeighedHypothesis:
    """One hypothesis and what all its evidence is worth together."""

    name: str
    kind: Kind
    llr: float
    evidence: tuple[Evidence, ...]


def by_hypothesis(evidence: Iterable[Evidence]) -> tuple[WeighedHypothesis, ...]:
    """Groups evidence by what it speaks about, strongest hypothesis first."""
    groups: dict[str, list[Evidence]] = {}
    for item in evidence:
        groups.setdefault(item.hypothesis, []).append(item)
    weighed = (
        WeighedHypothesis(name, items[0].kind, math.fsum(e.llr for e in items), tuple(items))
        for name, items in groups.items()
    )
    return tuple(sorted(weighed, key=lambda w: -w.llr))


def carrying(evidence: Iterable[Evidence]) -> tuple[WeighedHypothesis, ...]:
    """The hypotheses that speak for an anomaly: the notable ones, or at least the strongest.

    Of a photo that does not show the product nothing else is told.
    """
    weighed = by_hypothesis(evidence)
    return not_product(weighed) or tuple(w for w in weighed if w.llr >= NOTABLE) or weighed[:1]


def not_product(weighed: Iterable[WeighedHypothesis]) -> tuple[WeighedHypothesis, ...]:
    """The hypotheses that say that the photo does not show the product."""
    return tuple(w for w in weighed if w.evidence[0].claim.topic == "photo" and w.llr >= NOTABLE)


def anomaly_llr(evidence: Sequence[Evidence]) -> float:
    """Log-likelihood ratio of "some anomaly" against "good".

    An anomaly is structural, logical, or (rarely) both, and sits in one place of its kind. The strongest
    hypothesis therefore speaks for its kind, and the kinds mix by their prior shares instead of adding:
    that the count of bolts is right says nothing against a scratch. What parts cost as a whole and the rules that
    the same references obey say one thing in two ways, and add; a rule that they break is a person's will and stands
    on its own. A layout that is unlike that of good ones speaks for every rule that may be broken and is added to the
    strongest; one that is not is no news. Of a kind that nothing was measured about, since there are neither
    references nor words, nothing is known: its ratio is even, and the part is never surely good.
    """
    said = by_hypothesis(evidence)
    whole = max((w.llr for w in said if w.name == WHOLE), default=0.0)
    structural = max((w.llr for w in said if w.kind == "structural"), default=0.0)
    logical = _logical([w for w in said if w.kind == "logical" and w.name != WHOLE]) + max(0.0, whole)
    return log_mix([structural, logical, structural + logical], [(1 - BOTH) / 2, (1 - BOTH) / 2, BOTH])


def _logical(said: Sequence[WeighedHypothesis]) -> float:
    """The strongest of what stands alone and of what the references show, where broken rules count beside costs."""
    own = [w.llr for w in said if not w.evidence[0].shown]
    rules, costs = (
        [w for w in said if w.evidence[0].shown and w.evidence[0].source == source] for source in ("rule", "parts")
    )
    counted = [w.llr for w in costs if not _left_out(w)]
    if rules and counted:
        return max([*own, max(counted) + BESIDE * max(0.0, *(w.llr for w in rules))])
    return max([*own, *(w.llr for w in rules + costs)], default=0.0)


def _left_out(weighed: WeighedHypothesis) -> bool:
    """Whether a person asked that a hypothesis be ignored."""
    return math.fsum(e.llr for e in weighed.evidence if e.source == "user") < 0


def log_mix(values: Sequence[float], weights: Sequence[float]) -> float:
    """log(sum of weight * exp(value)), without overflow.

    >>> round(log_mix([0.0, 0.0], [0.5, 0.5]), 6) + 0.0
    0.0
    """
    top = max(values)
    return top + math.log(math.fsum(w * math.exp(v - top) for v, w in zip(values, weights, strict=True)))


def probability(llr: float) -> float:
    """The probability whose log-odds are `llr`.

    >>> probability(0.0)
    0.5
    """
    return 1 / (1 + math.exp(-llr)) if llr >= 0 else math.exp(llr) / (1 + math.exp(llr))


def log_odds(probability: float, floor: float = 1e-3) -> float:
    """Natural log-odds, with the probability kept `floor` away from 0 and 1 (no measurement is that sure)."""
    p = min(max(probability, floor), 1 - floor)
    return math.log(p / (1 - p))

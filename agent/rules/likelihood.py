"""How unusual a measurement is among good products, and what that is worth as evidence.

The references are few, so every spread is an estimate: what the next good product measures follows a Student-t
distribution, whose tails say honestly how little four photos know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

ALTERNATIVE = 0.2
"""Parameter of Beta(a, 1), how tail probabilities of broken rules are distributed; below 1 they gather near 0."""
SMALLEST = 1e-12
"""No measurement is more surprising than this."""
AGREES = 0.5
"""How often a property that varies agrees with the reference before."""


class Tolerance(BaseModel):
    """How far good products lie from what is expected: the scale of a Student-t distribution."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spread: float = Field(gt=0)
    """Standard deviation to be expected of the next good product, in the unit of what is measured."""
    freedom: float = Field(default=30.0, gt=0)
    """Degrees of freedom: how much that spread can be relied on; few references, few degrees."""

    def tail(self, difference: float) -> float:
        """Probability that a good product differs by at least so much, to either side.

        >>> round(Tolerance(spread=1.0, freedom=3).tail(3.0), 3)
        0.058
        """
        from scipy.special import stdtr

        return max(SMALLEST, 2 * float(stdtr(self.freedom, -abs(difference) / self.spread)))

    def beyond(self, excess: float) -> float:
        """Probability that a good product goes so far beyond a limit; 1 where it does not.

        >>> Tolerance(spread=1.0).beyond(-0.5)
        1.0
        """
        return self.tail(excess) if excess > 0 else 1.0


def log_odds_of(tail: float) -> float:
    """Log-likelihood ratio of "broken" against "good" for a tail probability among good products.

    Tail probabilities of good products are uniform, those of broken rules Beta(a, 1): log a - (1 - a) log tail
    (Sellke, Bayarri and Berger, "Calibration of p values", The American Statistician 2001, section 3.3). It rises
    with every surprise, so that order is kept.

    >>> log_odds_of(1.0) < 0 < log_odds_of(0.05) < log_odds_of(0.001)
    True
    """
    return math.log(ALTERNATIVE) - (1 - ALTERNATIVE) * math.log(max(tail, SMALLEST))


def unless_mistaken(tail: float, sure: float) -> float:
    """The tail probability of a measurement that is of a real part only with probability `sure`.

    >>> unless_mistaken(0.01, 1.0), unless_mistaken(0.01, 0.0)
    (0.01, 1.0)
    """
    return tail * sure + (1 - sure)


def worst_of(tails: Iterable[float]) -> float:
    """Probability that the most surprising of so many good parts surprises as much (Sidak).

    >>> round(worst_of([0.5, 0.01]), 4), worst_of([])
    (0.0199, 1.0)
    """
    found = list(tails)
    if not found:
        return 1.0
    return max(SMALLEST, -math.expm1(len(found) * math.log1p(-min(*found, 1 - 1e-9))))


def doubt(agreeing: int, varies: float) -> float:
    """Probability that the next good product breaks a rule that so many references obey, however well measured.

    A property that is fixed agrees always, one that varies agrees by chance; each reference that agrees makes the
    latter less likely.

    Args:
        agreeing: references that obey the rule.
        varies: prior share of such properties that look fixed on one product and are not, in [0, 1].

    >>> doubt(1, 0.2) > doubt(4, 0.2) > doubt(8, 0.2)
    True
    """
    by_chance = varies * AGREES ** max(0, agreeing - 1)
    return (1 - AGREES) * by_chance / (by_chance + 1 - varies)


def doubtful(tail: float, doubt: float, far: float = 0.0) -> float:
    """The tail probability of a measurement whose rule may be none at all.

    Args:
        tail: if the rule is one.
        doubt: probability that it is none.
        far: how far the measurement is off in units of what properties vary by that are not fixed, 0 or more; they
            too go so far only with probability exp(-far).

    >>> doubtful(0.0, 0.01), doubtful(1.0, 0.01)
    (0.01, 1.0)
    """
    return doubt * math.exp(-far) + (1 - doubt) * tail

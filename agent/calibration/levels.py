"""Levels of scores on references, by which a product is known and a model is trusted on it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field


class ProductDistance(BaseModel):
    """Median distances of patches from the references above which a photo does not show the product."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: float = Field(gt=0)
    """With several references, however alike they are."""
    factor: float = Field(ge=1)
    """Of the largest distance of a reference from the others."""
    alone: float = Field(gt=0)
    """With a single reference."""

    def limit(self, references: Sequence[float]) -> float:
        """The limit for references with these median distances from each other; none for a single one."""
        return max(self.least, self.factor * max(references)) if references else self.alone


class ScoreLevels(BaseModel):
    """Scores of reference photos of products on which a model is reliable: those that its calibration was fitted on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float
    """Mean over products of the mean score of a product's references."""
    spread: float = Field(gt=0)
    """Its standard deviation over products."""
    log_sd: float
    """Mean over products of the logarithm of the standard deviation among a product's references."""
    log_sd_spread: float = Field(gt=0)
    """Its standard deviation over products."""
    uncertainty: float = 0.0
    """Mean over products of the model's uncertainty on a reference."""
    uncertainty_spread: float = Field(default=1.0, gt=0)
    """Its standard deviation over products."""

    def trust(self, references: Sequence[float], uncertainty: Sequence[float] = ()) -> float:
        """How much of a model's evidence counts on a product, in [0, 1].

        1 where its references score as those of reliable products do; it falls with the square of the deviations above
        the mean, the first one of each free, as a normal density does. A single reference has no standard deviation:
        the model's own uncertainty on it takes its place.

        Args:
            references: scores of the product's references; with none, nothing is known and all counts.
            uncertainty: of the model on each of them; may be empty.

        >>> levels = ScoreLevels(mean=-6.0, spread=1.0, log_sd=-0.5, log_sd_spread=0.5)
        >>> levels.trust([-6.0, -6.5]), round(levels.trust([-4.0, -4.2]), 2), round(levels.trust([5.0, 6.0]), 2)
        (1.0, 0.67, 0.0)
        """
        if not references:
            return 1.0
        level = math.fsum(references) / len(references)
        above = [(level - self.mean) / self.spread]
        if len(references) > 1:
            scatter = math.fsum((r - level) ** 2 for r in references) / (len(references) - 1)
            above.append((0.5 * math.log(max(scatter, 1e-6)) - self.log_sd) / self.log_sd_spread)
        elif uncertainty:
            above.append((uncertainty[0] - self.uncertainty) / self.uncertainty_spread)
        return math.exp(-0.5 * math.fsum(max(0.0, a - 1.0) ** 2 for a in above))

"""What a run is configured with, apart from what it finds out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agent.calibrate import Calibration
from agent.fuse import anomaly_llr

if TYPE_CHECKING:
    from agent.evidence import Evidence
    from agent.familiar import Familiar
    from agent.product import Product
    from tools.toolbox import Toolbox

Policy = Literal["none", "fixed", "chosen"]
"""No second look; the one worth most; or what the narrator chooses, by likelihood, of those worth their time."""
POLICIES: tuple[Policy, ...] = ("none", "fixed", "chosen")


@dataclass(frozen=True)
class Budget:
    """How much looking again may cost."""

    looks: int = 3
    """Second looks at most."""
    seconds: float = 30.0
    """No second look starts after so many seconds of inspecting."""
    decided: float = 4.0
    """A log-odds this far from the threshold is not worth another look."""


@dataclass(frozen=True)
class Context:
    """Tools, calibration and limits of one inspector; the same for all of its photos."""

    toolbox: Toolbox
    calibration: Calibration
    budget: Budget = Budget()
    prior: float = 0.5
    """Probability of an anomaly before looking, in (0, 1)."""
    false_alarm: float | None = None
    """Share of good parts that may be called anomalous, in (0, 1); by default what is likelier anomalous is."""
    policy: Policy = "fixed"
    """How second looks are chosen."""
    debias: bool = True
    """Whether the narrator's leaning is taken out of its yes and no; only measuring what that is worth turns it off."""
    language: str = "en"
    """Of the explanation."""
    profile: str = ""
    """Name of the profile that the tools are from."""
    familiar: dict[str, Familiar] = field(default_factory=dict)
    """Whether the narrator knows a product, by its words and its first reference, so that a batch asks once."""
    products: dict[str, Product] = field(default_factory=dict)
    """Products proposed on the way, by digest of references and words, so that a batch learns once."""

    @property
    def prior_log_odds(self) -> float:
        """What is added to all that the evidence says."""
        return math.log(self.prior / (1 - self.prior))

    def log_odds(self, evidence: Sequence[Evidence], product: Product) -> float:
        """Log-odds of an anomaly by all evidence."""
        fused = self.calibration.fusion(len(product.references))
        return fused.worth(anomaly_llr(evidence)) + self.prior_log_odds

    def threshold(self, product: Product) -> float:
        """Log-odds of an anomaly above which a part is called anomalous."""
        if self.false_alarm is None:
            return 0.0
        return self.calibration.fusion(len(product.references)).threshold(self.false_alarm) + self.prior_log_odds

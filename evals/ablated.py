"""What an ablation notes of each photo, and the figures that come of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from evals.datasets.base import Label
from evals.metrics import ranking_metrics
from evals.reliability import calibration_error
from evals.summary import means

COLUMNS = (
    "image_auroc", "image_auroc_logical", "image_auroc_structural", "f1_max", "f1", "accuracy", "ece", "true_sentences",
    "looks_per_image", "seconds_per_image",
)  # fmt: skip
"""Of the table, in their order."""


class Judgement(BaseModel):
    """What one way to judge said of one photo."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: float
    anomalous: bool
    looks: int
    seconds: float
    """The first look, shared by all ways, and what followed it."""
    true: int
    """Checkable sentences that are true."""
    false: tuple[str, ...]
    """Those that are not."""


class PhotoLine(BaseModel):
    """One photo, judged in every way."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    id: str
    label: Label
    rows: dict[str, Judgement]
    """By the name of the way."""


def metrics_of(lines: Sequence[PhotoLine], row: str) -> dict[str, float]:
    """The figures of one way to judge, in [0, 1], seconds and numbers of looks apart.

    Ranking and decisions are means over the categories, as `looktwice eval` has them; the others are over all photos.
    Calibration is that of the score as a probability of "anomalous".
    """
    by_category: dict[str, list[PhotoLine]] = defaultdict(list)
    for line in lines:
        by_category[line.category].append(line)
    found = means(
        {
            name: ranking_metrics(
                [x.label for x in some], [x.rows[row].score for x in some], [x.rows[row].anomalous for x in some]
            )
            for name, some in by_category.items()
        }
    )
    said = [line.rows[row] for line in lines]
    true, false = sum(s.true for s in said), sum(len(s.false) for s in said)
    return found | {
        "ece": calibration_error([s.score for s in said], [line.label != "good" for line in lines]),
        "looks_per_image": sum(s.looks for s in said) / len(said),
        "seconds_per_image": sum(s.seconds for s in said) / len(said),
        **({"true_sentences": true / (true + false)} if true + false else {}),
    }

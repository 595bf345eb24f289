"""How well scores rank anomalous images above good ones, and how good the decisions are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
)


def ranking_metrics(labels: Sequence[str], scores: Sequence[float], decisions: Sequence[bool]) -> dict[str, float]:
    """Image metrics by name, in [0, 1]; those that need a class that is absent are left out.

    Args:
        labels: "good", "logical" or "structural", one an image.
        scores: higher is more anomalous.
        decisions: the verdict at the inspector's own threshold.

    >>> ranking_metrics(["good", "logical"], [0.1, 0.9], [False, True])["image_auroc"]
    1.0
    """
    gt_label = np.array([label != "good" for label in labels])
    pred_score = np.asarray(scores, dtype=np.float64)
    decision = np.asarray(decisions, dtype=np.bool_)
    metrics: dict[str, float] = {"accuracy": float(accuracy_score(gt_label, decision))}
    if gt_label.all() or not gt_label.any():
        return metrics
    precision, recall, f1, _ = precision_recall_fscore_support(gt_label, decision, average="binary", zero_division=0)
    best, threshold = f1_max(gt_label, pred_score)
    metrics |= {
        "image_auroc": auroc(gt_label, pred_score),
        "image_ap": float(average_precision_score(gt_label, pred_score)),
        "f1_max": best,
        "f1_max_threshold": threshold,
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }
    for kind in ("logical", "structural"):
        chosen = np.array([label in ("good", kind) for label in labels])
        if gt_label[chosen].any():
            metrics[f"image_auroc_{kind}"] = auroc(gt_label[chosen], pred_score[chosen])
            metrics[f"f1_max_{kind}"], _ = f1_max(gt_label[chosen], pred_score[chosen])
    return metrics


def auroc(gt_label: NDArray[np.bool_], pred_score: NDArray[np.float64]) -> float:
    """Area under the ROC curve; ties count half."""
    return float(roc_auc_score(gt_label, pred_score))


def f1_max(gt_label: NDArray[np.bool_], pred_score: NDArray[np.float64]) -> tuple[float, float]:
    """Largest F1 over all thresholds, max of 2PR / (P + R), and the threshold: anomalous is what reaches it.

    The threshold is found on the labels, so that it says what the ranking could give and is never used to decide.

    >>> f1_max(np.array([False, True]), np.array([0.2, 0.1]))
    (0.6666666666666666, 0.1)
    """
    precision, recall, thresholds = precision_recall_curve(gt_label, pred_score)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    best = int(f1[:-1].argmax())
    return float(f1[best]), float(thresholds[best])

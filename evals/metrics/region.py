"""How well a map finds the anomalous pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tools.types import FloatMap, Mask


def pixel_auroc(truths: Sequence[Mask], maps: Sequence[FloatMap]) -> float | None:
    """Area under the ROC curve over all pixels of all images, (H, W) each; None without both classes."""
    from sklearn.metrics import roc_auc_score

    truth = np.concatenate([t.ravel() for t in truths]) if truths else np.zeros(0, dtype=np.bool_)
    if truth.size == 0 or truth.all() or not truth.any():
        return None
    return float(roc_auc_score(truth, np.concatenate([m.ravel() for m in maps])))

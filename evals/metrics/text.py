"""How near an answer in words is to the reference answer: ROUGE-L, and cosine of sentence embeddings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from rouge_score.rouge_scorer import RougeScorer

from tools.errors import ModelError

SBERT = "sentence-transformers/all-MiniLM-L6-v2"
"""Named in every result: the benchmark's paper does not say which it used."""


def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004, section 3.1), by rouge-score with stemming.

    >>> round(rouge_l("a dark scratch", "There is a dark scratch."), 3)
    0.75
    """
    return float(_rouge().score(reference, answer)["rougeL"].fmeasure)


@cache
def _rouge() -> RougeScorer:
    return RougeScorer(["rougeL"], use_stemmer=True)


@dataclass(frozen=True, eq=False)
class Sbert:
    """A sentence encoder that is on disk."""

    model: Any
    name: str

    @classmethod
    def open(cls, source: str = SBERT) -> Sbert:
        """Loads a folder or what the Hub's cache holds; nothing is downloaded.

        Raises:
            tools.errors.ModelError: the library or the weights are not there; says how to get them.
        """
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ModelError(
                "SBERT needs sentence-transformers; install it by `pip install 'looktwice[text]'`."
            ) from error
        from tools.models.logging_filters import quiet  # imports transformers, as sentence_transformers does

        try:
            with quiet():
                model = SentenceTransformer(
                    os.fspath(source), local_files_only=True, trust_remote_code=False, device="cpu"
                )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise ModelError(
                f"SBERT {source}: its weights are not on disk; run `hf download {source}`, or name a folder by --sbert."
            ) from error
        return cls(model, source)

    def cosines(self, answers: Sequence[str], references: Sequence[str]) -> list[float]:
        """Cosine of each answer with its reference, in [-1, 1]."""
        if not answers:
            return []
        both = self.model.encode(
            [*answers, *references], normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        left, right = np.split(np.asarray(both, dtype=np.float64), 2)
        return [float(v) for v in (left * right).sum(axis=1)]

"""Keeps the vocabulary that a training began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nano.recipes.words import build_tokenizer


def kept_tokenizer(folder: Path, length: int, *, frame: bool, start: Path | None = None) -> Any:
    """The tokenizer of the first run: a resumed one must not fit another vocabulary to texts that have changed.

    Args:
        folder: where the checkpoints of the training are.
        length: longest text in tokens.
        frame: whether texts are put between the start and the end token.
        start: a finished checkpoint whose vocabulary a first run takes over.
    """
    kept = folder / "tokenizer"
    if not kept.exists():
        made = build_tokenizer(length, frame=frame) if start is None else _local(start)
        made.save_pretrained(kept)
    return _local(kept)


def _local(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)  # nosec B615  # a folder on disk

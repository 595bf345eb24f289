"""The vocabulary and captions that the nano models are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 2048
PAD, START, IMAGE, END = "<pad>", "<start>", "<image>", "<end>"
ROOT = Path(__file__).parent.parent.parent


def texts() -> Iterator[str]:
    """What the vocabulary is fitted on: the prompts, the world's words, and the documents' plain English."""
    for folder, pattern in (("prompts", "*.yaml"), ("nano/world", "*.yaml"), (".", "*.md")):
        for path in sorted((ROOT / folder).glob(pattern)):
            yield path.read_text(encoding="utf-8")


def build_tokenizer(length: int, *, frame: bool) -> PreTrainedTokenizerFast:
    """A tokenizer whose end token has the highest id, as OWL-ViT's pooling needs.

    Args:
        length: longest text in tokens.
        frame: whether texts are put between the start and the end token.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 1,
        min_frequency=2,
        special_tokens=[PAD, START, IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    tokenizer.add_special_tokens([END])
    if frame:
        ids = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        model_max_length=length,
        additional_special_tokens=[IMAGE],
        clean_up_tokenization_spaces=False,
    )


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
    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)  # nosec B615  # a folder on disk

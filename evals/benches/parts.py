"""Parts: what boxes and masks of 1, 10 and 40 parts cost, beside masks of everything on SAM's automatic grid."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    PreTrainedTokenizerFast,
    SamConfig,
    SamImageProcessor,
    SamModel,
    SamProcessor,
)

from tools.images import sample_from_array
from tools.models.loading import Loaded, resolve_device
from tools.parts import EncodedImage, Grounder, Segmenter
from tools.profiles.specification import ModelSpec
from tools.types import Box

COUNTS = (1, 10, 40)
"""Parts whose boxes are decoded."""
SMALL = 256
"""Side in pixels of what models see that only try the bench; a multiple of 256."""
GRID = 32
"""Points along each side of the automatic grid, as SAM's own generator and LogSAD have it."""
TIMED = 4
"""Of the grid every so many-th row of points is decoded, and the time taken so many times: points cost alike."""
ENOUGH = 15.0
"""Seconds after which nothing is repeated: on a slow machine once is enough."""
PHRASES = ("hex nut", "bolt", "washer", "cable", "label")
"""What the random photo is asked for; speed does not depend on it."""
MARKS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")
SEED = 0


@dataclass(frozen=True)
class PartRow:
    """One way to masks."""

    name: str
    parts: int
    seconds: float
    """For one photo, encoding included: the fastest repetition of either."""
    encodings: int
    """Times that the vision encoder ran."""
    peak_mib: float
    """Most memory that the process had held until then (on CUDA: that this path took)."""


@dataclass(frozen=True)
class PartBench:
    """What `bench_parts` measured."""

    segmenter: str
    grounder: str
    device: str
    threads: int
    ground_seconds: float
    """Boxes of five phrases on one photo."""
    encode_seconds: float
    """The photo by the segmenter's vision encoder, once for all its masks."""
    rows: tuple[PartRow, ...]
    ratio: float
    """Time of the automatic grid over that of the most boxes."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def bench_parts(
    *,
    repeat: int = 3,
    device: str = "auto",
    small: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> PartBench:
    """Times the checkpoints of the `edge` profile at full size, with random weights.

    Args:
        repeat: repetitions at most, of which the fastest counts; what takes longer than 15 s in all is not repeated.
        device: "auto", "cpu", "cuda", ...
        small: shrinks the models, to try the bench itself.
        say: told what is being measured.

    Raises:
        InputError: no such device.
    """
    place = resolve_device(device)
    photo = sample_from_array(np.random.default_rng(SEED).integers(0, 255, (768, 1024, 3), dtype=np.uint8))
    say("the grounder")
    grounder = Grounder(random_dino(place, small))
    ground, _, _ = _timed(lambda: grounder.ground(photo, PHRASES), repeat, place)
    loaded = random_sam(place, small)
    segmenter = Segmenter(loaded)
    say("the photo's encoding")
    encoded = segmenter.encode(photo)
    encode, _, _ = _timed(lambda: segmenter.encode(photo), repeat, place)
    rows = []
    for count in COUNTS:
        say(f"masks of {count} boxes")
        run = partial(_boxed, segmenter, encoded, count)
        rows.append(_row(f"boxes, {count}", count, encode, loaded, run, repeat, place))
    say("the automatic grid")
    side = 4 if small else GRID
    points = [((i + 0.5) * 1024 / side, (j + 0.5) * 768 / side) for j in range(0, side, TIMED) for i in range(side)]
    part = _row("", side * side, 0.0, loaded, lambda: segmenter.everything(encoded, points), 1, place)
    grid = replace(part, name=f"automatic grid, {side} x {side}", seconds=encode + TIMED * part.seconds)
    return PartBench(
        loaded.name,
        "grounding-dino-tiny",
        place,
        torch.get_num_threads(),
        ground,
        encode,
        (*rows, grid),
        grid.seconds / rows[-1].seconds,
    )


def random_sam(device: str, small: bool = False) -> Loaded:
    """SAM ViT-B as transformers configures it by default, with random weights, as the tools take it."""
    torch.manual_seed(SEED)
    config, images = SamConfig(), SamImageProcessor()
    if small:
        vision = {"num_hidden_layers": 2, "global_attn_indexes": [1], "hidden_size": 192, "num_attention_heads": 3}
        prompts = {"image_size": SMALL, "image_embedding_size": SMALL // config.vision_config.patch_size}
        config = SamConfig(vision_config={**vision, "image_size": SMALL}, prompt_encoder_config=prompts)
        images = SamImageProcessor(size={"longest_edge": SMALL}, pad_size={"height": SMALL, "width": SMALL})
    return _loaded(SamModel(config), SamProcessor(images), "sam-vit-base", device)


def random_dino(device: str, small: bool = False) -> Loaded:
    """Grounding DINO tiny as transformers configures it by default, with random weights and a plain vocabulary."""
    torch.manual_seed(SEED)
    fewer: dict[str, Any] = {"encoder_layers": 1, "decoder_layers": 2, "num_queries": 100} if small else {}
    model = GroundingDinoForObjectDetection(GroundingDinoConfig(**fewer))
    sizes: dict[str, Any] = {"size": {"shortest_edge": SMALL, "longest_edge": 2 * SMALL}} if small else {}
    processor = GroundingDinoProcessor(GroundingDinoImageProcessor(**sizes), tokenizer=_tokenizer())
    return _loaded(model, processor, "grounding-dino-tiny", device)


def _tokenizer() -> Any:
    """Word pieces of single letters, with the separators at the ids that Grounding DINO has fixed."""
    fixed = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    free = iter([*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")])
    names = {n: fixed.get(n) or next(free, f"[unused{n}]") for n in range(1030)}
    marks = dict(zip(("unk_token", "pad_token", "cls_token", "sep_token", "mask_token"), MARKS, strict=True))
    made = Tokenizer(models.WordPiece({word: n for n, word in names.items()}, unk_token=MARKS[0]))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=256, **marks)


def _loaded(model: Any, processor: Any, name: str, device: str) -> Loaded:
    return Loaded(
        model=model.eval().to(device),
        processor=processor,
        device=device,
        dtype=torch.float32,
        name=name,
        digest="random",
        spec=ModelSpec(source=name),
    )


def _boxed(segmenter: Segmenter, encoded: EncodedImage, count: int) -> Sequence[Any]:
    random = np.random.default_rng(SEED)
    corners = random.uniform(0, 600, (count, 2))
    boxes = [Box(x, y, x + 90, y + 70) for x, y in corners.tolist()]
    return segmenter.segment(encoded, boxes)


def _row(
    name: str, parts: int, encode: float, loaded: Loaded, run: Callable[[], Any], repeat: int, device: str
) -> PartRow:
    """Masks of one encoded photo; whatever encodes it again is counted."""
    with _encodings(loaded.model) as seen:
        seconds, peak, runs = _timed(run, repeat, device)
    return PartRow(name, parts, encode + seconds, 1 + round(len(seen) / runs), peak)


@contextmanager
def _encodings(model: Any) -> Iterator[list[int]]:
    """Collects one entry for each run of the vision encoder; its hook is gone afterwards."""
    seen: list[int] = []
    handle = model.vision_encoder.register_forward_hook(lambda *_: seen.append(1))
    try:
        yield seen
    finally:
        handle.remove()


def _timed(run: Callable[[], Any], repeat: int, device: str) -> tuple[float, float, int]:
    """(seconds of the fastest run, peak memory in MiB, runs)."""
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    taken: list[float] = []
    while len(taken) < repeat and (not taken or sum(taken) < ENOUGH):
        start = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    held = torch.cuda.max_memory_allocated() if cuda else _resident()
    return min(taken), held / 2**20, len(taken)


def _resident() -> float:
    """Most bytes that this process has held; the system states kibibytes, on macOS bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)

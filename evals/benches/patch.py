"""Patch scoring: our paths and a peer's, in images a second and as a share of what this machine can multiply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tools.anomaly import PatchScorer
from tools.anomaly.clip_windows import window_embeddings
from tools.anomaly.features import input_format, to_pixels
from tools.errors import InputError, ModelError
from tools.images import sample_from_array
from tools.models.loading import ClipProcessor, Loaded, resolve_device
from tools.models.logging_filters import quiet
from tools.models.onednn import linear, quicken
from tools.profiles.specification import Path, ScorerSpec

if TYPE_CHECKING:
    from tools.types import Sample

PRODUCT = "metal nut"
"""What the random photos are said to show; any noun costs the same."""
MATRIX = 2048
"""Side of the square matrices whose product states the machine's peak."""


@dataclass(frozen=True)
class PatchTiming:
    """One path at one batch size."""

    name: str
    batch: int
    seconds: float
    """For one image: the fastest repetition's time over its images."""
    gflop: float
    """For one image, as counted by torch: matrix products and attention."""
    of_peak: float
    """gflop / seconds over the machine's peak, in [0, 1]."""


@dataclass(frozen=True)
class PatchBench:
    """What `bench_patch` measured."""

    model: str
    device: str
    threads: int
    peak_gflops: float
    """The best of square float32 products, in 1e9 operations a second."""
    rows: tuple[PatchTiming, ...]
    parity: float | None
    """Largest difference of a window's unit embedding from the peer's; None where the peer is not installed."""
    peer: str
    """Which peer, or why there is none."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def bench_patch(
    model: str = "ViT-B-16-plus-240",
    *,
    batch: int = 4,
    repeat: int = 3,
    device: str = "auto",
    say: Callable[[str], None] = lambda _: None,
) -> PatchBench:
    """Times the path of windows and the dense path on an open_clip model with random weights.

    Args:
        model: name of an open_clip architecture with a VisionTransformer.
        batch: images at once, beside one at a time.
        repeat: repetitions, of which the fastest counts.
        device: "auto", "cpu", "cuda", ...
        say: told what is being measured.

    Raises:
        InputError: no such architecture or device.
        ModelError: an architecture without windows.
    """
    loaded = random_clip(model, device)
    say("the machine's peak")
    peak = _peak(loaded.device, repeat)
    photos = _photos(loaded, batch)
    peer, peer_name = _peer(loaded)
    rows: list[PatchTiming] = []
    with torch.inference_mode():
        for name, run in _paths(loaded, peer):
            for count in dict.fromkeys((1, batch)):
                say(f"{name}, {count} at once")
                shown = photos[:count]
                seconds = _fastest(partial(run, shown), repeat, loaded.device) / count
                gflop = _gflop(partial(run, shown)) / count
                rows.append(PatchTiming(name, count, seconds, gflop, gflop / seconds / peak))
        parity = _parity(loaded, peer, _pixels(loaded, photos)) if peer is not None else None
    return PatchBench(model, loaded.device, torch.get_num_threads(), peak, tuple(rows), parity, peer_name)


def random_clip(name: str, device: str = "auto") -> Loaded:
    """An open_clip model of full size with random weights, as the tools take it.

    Raises:
        InputError: no such architecture or device.
    """
    if name not in open_clip.list_models():
        raise InputError(f"model '{name}': open_clip has no such architecture; try ViT-B-16-plus-240 or ViT-L-14-336.")
    there = resolve_device(device)
    torch.manual_seed(0)
    with quiet():
        model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=None)
        tokenizer = open_clip.get_tokenizer(name)
    model.eval().requires_grad_(requires_grad=False).to(there)
    quicken(model)
    return Loaded(model, ClipProcessor(preprocess, tokenizer), there, torch.float32, "", name, ScorerSpec(source=name))


def _paths(loaded: Loaded, peer: Any) -> Iterator[tuple[str, Callable[[list[Sample]], object]]]:
    """Each path as a function of photos, from their pixels to the maps."""
    paths: tuple[Path, ...] = ("dense", "windows")
    for path in paths:
        scorer = PatchScorer(loaded, path=path)
        yield f"looktwice, {path}", partial(_scored, scorer)
    if peer is not None:
        yield "anomalib, WinClipModel", partial(_of_peer, peer, loaded)


def _scored(scorer: PatchScorer, photos: list[Sample]) -> object:
    return scorer.score(scorer.encode(photos), PRODUCT)


def _of_peer(peer: Any, loaded: Loaded, photos: list[Sample]) -> object:
    return peer(_pixels(loaded, photos))


def _photos(loaded: Loaded, count: int) -> list[Sample]:
    """Random photos of the side that the model wants."""
    rng = np.random.default_rng(0)
    shape = (*input_format(loaded).size, 3)
    return [sample_from_array(rng.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count)]


def _pixels(loaded: Loaded, photos: list[Sample]) -> torch.Tensor:
    return to_pixels([p.image for p in photos], input_format(loaded), loaded)


def _peak(device: str, repeat: int) -> float:
    """GFLOP/s of the best square product by either library: the yardstick, so it gets more repetitions."""
    a, b = (torch.rand(MATRIX, MATRIX, device=device) for _ in range(2))
    with torch.inference_mode():
        seconds = min(_fastest(run, 4 * repeat, device) for run in (lambda: a @ b, lambda: linear(a, b)))
    return 2 * MATRIX**3 / 1e9 / seconds


def _fastest(run: Callable[[], object], repeat: int, device: str) -> float:
    """Seconds of the fastest of `repeat` runs, after one that does not count."""

    def once() -> float:
        start = time.perf_counter()
        run()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - start

    once()
    return min(once() for _ in range(repeat))


def _gflop(run: Callable[[], object]) -> float:
    with FlopCounterMode(display=False, custom_mapping={torch.ops.mkldnn._linear_pointwise: _flop}) as counter:
        run()
    return float(counter.get_total_flops()) / 1e9


def _flop(x: Sequence[int], weight: Sequence[int], *_: object, **__: object) -> int:
    """Operations of a product (..., C) by (D, C), which torch does not count where oneDNN does it."""
    return 2 * prod(x) * weight[0]


def _peer(loaded: Loaded) -> tuple[Any, str]:
    """anomalib's WinClipModel around the same weights and texts, or None and why."""
    if find_spec("anomalib") is None:
        return None, "anomalib is not installed; `pip install anomalib` in this environment to time it beside ours"
    torch_model: Any = import_module("anomalib.models.image.winclip.torch_model")
    torch_model.BACKBONE, torch_model.PRETRAINED = loaded.name, None
    try:
        peer = torch_model.WinClipModel(class_name=PRODUCT)
    except (RuntimeError, ValueError, AttributeError) as error:
        raise ModelError(f"{loaded.name}: anomalib cannot build it ({error}); choose ViT-B-16-plus-240.") from error
    peer.clip.load_state_dict(loaded.model.state_dict())
    peer.to(loaded.device).eval()
    peer.setup(class_name=PRODUCT)
    _sequence_first(peer)
    return peer, f"anomalib {version('anomalib')}"


def _sequence_first(peer: Any) -> None:
    """Has the peer's windows attend within themselves.

    It hands them over sequence first, as open_clip before 2.26 took them; a newer one would mix them up.
    """
    transformer, of_windows = peer.clip.visual.transformer, peer._get_window_embeddings

    def windows(tokens: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        transformer.batch_first = False
        try:
            found: torch.Tensor = of_windows(tokens, masks)
        finally:
            transformer.batch_first = True
        return found

    peer._get_window_embeddings = windows


def _parity(loaded: Loaded, peer: Any, pixels: torch.Tensor) -> float:
    """Largest difference between our windows' unit embeddings and the peer's, over all scales."""
    _, theirs, _ = peer.encode_image(pixels)
    pairs = zip(window_embeddings(loaded.model.visual, pixels), theirs, strict=True)
    return max(float((functional.normalize(a, dim=-1) - functional.normalize(b, dim=-1)).abs().max()) for a, b in pairs)

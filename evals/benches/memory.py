"""Whether scoring patches leaves anything behind: the process's peak memory after few photos and after many."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from evals.benches.patch import PRODUCT, random_clip

WARM = 0.1
"""Share of the photos after which what is kept on purpose (embeddings, work space) has been kept."""
PRODUCTS = 40
"""Names that take turns, so that the cache of texts is used as a line with many products uses it."""
SIZES = ((320, 240), (512, 512), (1024, 768))
"""Sizes of the photos, (width, height), in turn."""


@dataclass(frozen=True)
class MemoryBench:
    """What `bench_memory` measured."""

    model: str
    device: str
    images: int
    warm_mib: float
    """Peak memory of the process after a tenth of the photos, in MiB."""
    end_mib: float
    """After all of them."""
    seconds: float

    @property
    def growth_mib(self) -> float:
        """What the other nine tenths added."""
        return self.end_mib - self.warm_mib

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "growth_mib": self.growth_mib}


def bench_memory(
    model: str = "ViT-B-16-plus-240",
    *,
    images: int = 1000,
    device: str = "auto",
    say: Callable[[str], None] = lambda _: None,
) -> MemoryBench:
    """Scores photos by words and against references, each photo seen once.

    Args:
        model: name of an open_clip architecture with a VisionTransformer; its weights are random.
        images: so many photos.
        device: "auto", "cpu", "cuda", ...
        say: told how far it is.

    Raises:
        InputError: no such architecture or device.
    """
    import numpy as np

    from tools.images import sample_from_array
    from tools.patches import PatchMemory, PatchScorer, peaks

    loaded = random_clip(model, device)
    scorer, memory = PatchScorer(loaded), PatchMemory(loaded)
    rng = np.random.default_rng(0)

    def photo(number: int) -> Any:
        width, height = SIZES[number % len(SIZES)]
        return sample_from_array(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))

    bank = memory.bank([photo(0) for _ in range(4)])
    start, warm = time.perf_counter(), 0.0
    for number in range(images):
        sample = photo(number)
        (by_words,) = scorer.score(scorer.encode([sample]), f"{PRODUCT} {number % PRODUCTS}")
        peaks(by_words)
        peaks(memory.score(sample, bank))
        if number + 1 == max(1, round(WARM * images)):
            warm = peak_mib()
            say(f"{number + 1} photos, {warm:.0f} MiB")
    return MemoryBench(model, loaded.device, images, warm, peak_mib(), time.perf_counter() - start)


def peak_mib() -> float:
    """The most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10

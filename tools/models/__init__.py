"""Models: where checkpoints are, how they are fetched, checked, placed and loaded."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tools.models.loading import Loaded, load_model, resolve_device
    from tools.models.memory import free, gpu_gib, is_out_of_memory, ladder, load_lightest_needed
    from tools.models.open_clip_config import check_clip, clip_model, clip_preprocess, clip_tokenizer
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "loading": ["Loaded", "load_model", "resolve_device"],
            "memory": ["free", "gpu_gib", "is_out_of_memory", "ladder", "load_lightest_needed"],
            "open_clip_config": ["check_clip", "clip_model", "clip_preprocess", "clip_tokenizer"],
        },
    )

__all__ = [
    "Loaded",
    "check_clip",
    "clip_model",
    "clip_preprocess",
    "clip_tokenizer",
    "free",
    "gpu_gib",
    "is_out_of_memory",
    "ladder",
    "load_lightest_needed",
    "load_model",
    "resolve_device",
]

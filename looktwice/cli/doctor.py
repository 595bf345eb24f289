"""`looktwice doctor`: what this machine has, and which profiles are ready."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console

import looktwice
from looktwice.cli.output import say_profiles
from tools.errors import ModelError
from tools.profiles.selection import best_profile

LIBRARIES = ("torch", "transformers", "accelerate", "bitsandbytes", "open_clip_torch", "langgraph", "pillow")


def doctor() -> None:
    """Show device, memory, versions, which profiles are ready and what is missing."""
    console = Console(highlight=False)
    console.print(f"looktwice {looktwice.__version__}, Python {platform.python_version()}, {platform.platform()}")
    console.print(f"device: {_device()}, {os.cpu_count()} CPU cores, memory: {_memory()}")
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} MISSING (pip install {name})")
    console.print(", ".join(versions))
    say_profiles()
    try:
        console.print(f"auto: {best_profile().why}")
    except ModelError as error:
        console.print(f"auto: {error}")


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return f"cuda ({torch.cuda.get_device_name(0)}, {memory:.0f} GiB)"
    return "cpu"


def _memory() -> str:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        free = os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{pages * size / 2**30:.0f} GiB, {free * size / 2**30:.0f} GiB free"

"""`looktwice doctor`: what this machine has, and which profiles are ready."""

from __future__ import annotations

import typer

LIBRARIES = ("torch", "transformers", "accelerate", "bitsandbytes", "open_clip_torch", "langgraph", "pillow")


def doctor() -> None:
    """Show device, memory, versions, which profiles are ready and what is missing."""
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from rich.console import Console
    from rich.table import Table

    import looktwice
    from tools.profiles import available_profiles, load_profile, readiness, resolve_profile

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
    table = Table("profile", "role", "checkpoint", "state")
    for name in available_profiles():
        for state in readiness(load_profile(name)):
            table.add_row(name, state.role, state.source, "ready" if state.ready else state.missing)
    console.print(table)
    chosen = resolve_profile("auto")
    console.print(f"auto: {chosen.name}")
    typer.Exit(0)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return f"cuda ({torch.cuda.get_device_name(0)}, {memory:.0f} GiB)"
    return "cpu"


def _memory() -> str:
    import os

    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        free = os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{pages * size / 2**30:.0f} GiB, {free * size / 2**30:.0f} GiB free"

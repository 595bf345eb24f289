"""What `looktwice bench models` prints."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable

import typer


def show_models(profile: str, device: str, json: bool, say: Callable[[str], None]) -> None:
    """Measures a profile at full size and prints what it takes."""
    from rich.console import Console
    from rich.table import Table

    from evals.benches.models import bench_models

    found = bench_models(profile, device=device, say=say)
    if json:
        typer.echo(json_format.dumps([variant.as_dict() for variant in found]))
        return
    out = Console(highlight=False)
    for variant in found:
        out.print(
            f"[bold]{variant.profile}[/], narrator {variant.variant}, {variant.device}, {variant.threads} threads"
        )
        table = Table("role", "checkpoint", "bits", "parameters", "weights MiB", "s to load")
        for cost in variant.roles:
            table.add_row(
                cost.role, cost.source, cost.quantisation, f"{cost.parameters / 1e6:.0f} M", f"{cost.weights_mib:.0f}",
                f"{cost.load_seconds:.1f}",
            )  # fmt: skip
        out.print(table)
        steps = Table("step", "s")
        steps.add_row("learn (2 references)", f"{variant.learn_seconds:.1f}")
        for step, seconds in variant.steps.items():
            steps.add_row(step, f"{seconds:.2f}")
        out.print(steps)
        out.print(
            f"{variant.inspections_per_minute:.2f} inspections/min; {variant.tokens_per_second:.1f} tokens/s, "
            f"{variant.of_bandwidth:.0%} of what {variant.bandwidth_gbs:.0f} GB/s allow; "
            f"at most {variant.peak_mib:.0f} MiB"
        )

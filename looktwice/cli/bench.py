"""`looktwice bench`: speed and memory on this machine, and other systems on the same photos."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from agent import Inspector
from looktwice.cli.options import Device
from looktwice.examples import examples
from tools.errors import InputError

if TYPE_CHECKING:
    from evals.benches.parts import PartBench
    from evals.benches.patch import PatchBench


def show_models(profile: str, device: str, json: bool, say: Callable[[str], None]) -> None:
    """Measures a profile at full size and prints what it takes."""
    from evals.benches.models import bench_models

    found = bench_models(profile, device=device, say=say)
    if json:
        typer.echo(json_format.dumps([variant.as_dict() for variant in found]))
        return
    out = Console(highlight=False)
    for variant in found:
        out.print(
            f"[bold]{variant.profile}[/], language model {variant.variant}, {variant.device}, {variant.threads} threads"
        )
        table = Table("role", "checkpoint", "bits", "parameters", "weights MiB", "s to load")
        for cost in variant.roles:
            table.add_row(
                cost.role,
                cost.source,
                cost.quantisation,
                f"{cost.parameters / 1e6:.0f} M",
                f"{cost.weights_mib:.0f}",
                f"{cost.load_seconds:.1f}",
            )
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


@dataclass(frozen=True)
class BenchSize:
    """What is timed, and how often."""

    model: Annotated[
        str,
        typer.Option(
            help="An open_clip architecture; its weights are random, speed does not depend on them. For loop: large "
            "adds a language model of LLaVA-OneVision 0.5 B's size, none leaves it out."
        ),
    ] = "ViT-B-16-plus-240"
    batch: Annotated[int, typer.Option(min=1, help="Images at once, beside one at a time.")] = 4
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions, of which the fastest counts.")] = 3
    images: Annotated[int, typer.Option(min=10, help="Photos of the benches of memory and soak.")] = 1000
    workers: Annotated[int, typer.Option(min=1, help="Processes of the bench of batches.")] = 2
    ray: Annotated[str | None, typer.Option(help="The processes are a Ray cluster's: its address, or local.")] = None
    turns: Annotated[int, typer.Option(min=0, help="Questions of the soak.")] = 500


@dataclass(frozen=True)
class PeerOptions:
    """The bench of peers: on which weights and photos, and beside which environment."""

    profile: Annotated[str, typer.Option(help="Of the bench of peers: whose weights everybody runs on.")] = "nano"
    limit: Annotated[int, typer.Option(min=1, help="Photos of each split of the bench of peers.")] = 40
    seed: Annotated[int, typer.Option(help="Of the photos of the bench of peers.")] = 20261125
    shots: Annotated[int, typer.Option(min=1, help="References of each product of the bench of peers.")] = 4
    peer: Annotated[str | None, typer.Option(help="Python of an environment with anomalib; this one by default.")] = (
        None
    )
    out: Annotated[Path | None, typer.Option(help="Folder for peers.md and peers.json.")] = None


def show_peers(options: PeerOptions, *, json: bool, device: str, say: Callable[[str], None]) -> None:
    """Measures and prints; with `out` both forms are written there as well.

    Raises:
        tools.errors.LookTwiceError: as `bench_peers`; or `out` cannot be written.
    """
    from evals.benches.peers import bench_peers

    out = options.out
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be made a folder ({error}); give another --out.") from error
    found = bench_peers(
        options.profile,
        limit=options.limit,
        seed=options.seed,
        shots=options.shots,
        device=device,
        peer=options.peer or sys.executable,
        say=say,
    )
    plain, table = json_format.dumps(found.as_dict(), indent=2), found.markdown()
    if out is not None:
        (out / "peers.json").write_text(plain + "\n", encoding="utf-8")
        (out / "peers.md").write_text(table, encoding="utf-8")
    typer.echo(plain if json else table)


def bench(
    name: Annotated[
        Literal["patch", "memory", "parts", "models", "loop", "soak", "batch", "peers"],
        typer.Argument(
            help="patch: scoring patches by words. memory: whether many photos leave anything behind. parts: boxes by "
            "words and masks by boxes. models: a whole profile at full size, named by --model (edge by default). "
            "loop: an inspection step by step, and a second question about a photo. soak: whether many inspections "
            "leave anything behind. batch: a folder in several processes, "
            "beside one photo at a time. peers: accuracy "
            "and speed beside anomalib's PatchCore and WinCLIP, LogSAD's rules and the bare vlm."
        ),
    ] = "patch",
    *,
    size: BenchSize,
    peers: PeerOptions,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    device: Device = "auto",
) -> None:
    """Time the parts of an inspection; a peer is timed beside them where it is installed."""
    progress, shown = Console(stderr=True), Console()

    def say(what: str) -> None:
        progress.print(f"measuring {what} ...")

    if name == "models":
        show_models("edge" if size.model == "ViT-B-16-plus-240" else size.model, device, json, say)
    elif name == "peers":
        show_peers(peers, json=json, device=device, say=say)
    elif name == "loop":
        _loop(size.model, size.repeat, device, json, say)
    elif name == "parts":
        from evals.benches.parts import bench_parts

        parts = bench_parts(repeat=size.repeat, device=device, say=say)
        _told(json, parts.as_dict(), lambda: _show_parts(shown, parts))
    elif name == "batch":
        _batch(size.images, size.workers, size.ray, device, json, progress)
    elif name == "soak":
        _soak(size.images, size.turns, device, json, progress)
    elif name == "memory":
        _memory(size.model, size.images, device, json, progress)
    else:
        from evals.benches.patch import bench_patch

        patch = bench_patch(size.model, batch=size.batch, repeat=size.repeat, device=device, say=say)
        _told(json, patch.as_dict(), lambda: _show_patch(shown, patch))


def _loop(model: str, repeat: int, device: str, json: bool, say: Callable[[str], None]) -> None:
    """Inspects the shipped photos of a product that has parts."""
    from evals.benches.loop import bench_loop

    example = examples()[0]
    found = bench_loop(
        example.photos,
        lambda inspector: inspector.learn(example.name, example.references, describe=example.normal),
        size="none" if model == "none" else "large",
        device=device,
        repeat=repeat,
        say=say,
    )
    if json:
        typer.echo(json_format.dumps(found.as_dict()))
        return
    out = Console()
    steps = Table("step", "s", "in models", "in search", "calls")
    for row in found.steps:
        steps.add_row(
            row.name, f"{row.seconds:.3f}", f"{row.model_seconds:.3f}", f"{row.search_seconds:.3f}", str(row.calls)
        )
    out.print(steps)
    out.print(
        f"{found.photos} photos on {found.device}, {found.threads} threads: {found.seconds:.2f} s an inspection, "
        f"{found.search:.1%} of it the search among the references' patches, {found.outside:.1%} neither that nor in "
        "models"
    )
    asked = Table("vlm", "tokens", "first s", "further s", "ratio", "nothing kept", "first answer", "next", "differs")
    for q in found.questions:
        asked.add_row(
            q.model,
            str(q.tokens),
            f"{q.first:.3f}",
            f"{q.second:.3f}",
            f"{q.ratio:.2f}",
            f"{q.uncached:.3f}",
            f"{q.answer_first:.3f}",
            f"{q.answer_second:.3f}",
            f"{q.differs:.0e}",
        )
    out.print(asked)


def _told(json: bool, values: dict[str, Any], show: Callable[[], None]) -> None:
    if json:
        typer.echo(json_format.dumps(values))
    else:
        show()


def _show_parts(out: Console, found: PartBench) -> None:
    table = Table("path", "s a photo", "encodings", "peak MiB")
    for row in found.rows:
        table.add_row(row.name, f"{row.seconds:.2f}", str(row.encodings), f"{row.peak_mib:.0f}")
    out.print(table)
    out.print(
        f"{found.segmenter} on {found.device}, {found.threads} threads; {found.grounder} finds boxes of five phrases "
        f"in {found.ground_seconds:.2f} s; the grid takes {found.ratio:.1f} times as long as the most boxes"
    )


def _show_patch(out: Console, found: PatchBench) -> None:
    table = Table("path", "at once", "s an image", "images/s", "GFLOP an image", "of the peak")
    for row in found.rows:
        table.add_row(
            row.name,
            str(row.batch),
            f"{row.seconds:.3f}",
            f"{1 / row.seconds:.2f}",
            f"{row.gflop:.0f}",
            f"{row.of_peak:.0%}",
        )
    out.print(table)
    out.print(f"{found.model} on {found.device}, {found.threads} threads; peak {found.peak_gflops:.0f} GFLOP/s")
    differs = f"; windows differ by at most {found.parity:.1e}" if found.parity is not None else ""
    out.print(f"peer: {found.peer}{differs}")


def _batch(images: int, workers: int, ray: str | None, device: str, json: bool, console: Console) -> None:
    from looktwice.batch.benchmark import bench_batch

    opener = partial(Inspector, "nano", device=device)
    found = bench_batch(opener, images=images, workers=workers, ray=ray, say=console.print)
    if json:
        typer.echo(json_format.dumps(found.as_dict()))
        return
    whole = sum(found.seconds.values())
    stages = ", ".join(f"{k} {v / whole:.0%}" for k, v in sorted(found.seconds.items(), key=lambda item: -item[1]))
    typer.echo(
        f"{found.profile}, {found.images} photos: {found.single:.2f} a second one at a time, {found.batch:.2f} in "
        f"{found.workers} processes of one thread, {found.ratio:.2f} times as many; {found.alone:.2f} in one of them, "
        f"efficiency {found.efficiency:.2f} (load {found.load:.1f}); {stages}"
    )


def _soak(images: int, turns: int, device: str, json: bool, console: Console) -> None:
    from evals.benches.memory import bench_soak

    found = bench_soak(images=images, turns=turns, device=device, say=console.print)
    if json:
        typer.echo(json_format.dumps(found.as_dict()))
        return
    typer.echo(
        f"{found.profile}: {found.images} inspections and {found.turns} questions in {found.seconds:.0f} s; memory "
        f"{found.warm_mib:.0f} to {found.end_mib:.0f} MiB ({found.growth:+.1%}), open files {found.warm_files} to "
        f"{found.end_files}, an inspection {found.warm_seconds:.2f} to {found.end_seconds:.2f} s of computing "
        f"({found.slowdown:+.1%}), a question {found.warm_turn_seconds * 1000:.0f} to "
        f"{found.end_turn_seconds * 1000:.0f} ms"
    )


def _memory(model: str, images: int, device: str, json: bool, console: Console) -> None:
    from evals.benches.memory import bench_memory

    found = bench_memory(model, images=images, device=device, say=console.print)
    if json:
        typer.echo(json_format.dumps(found.as_dict()))
        return
    typer.echo(
        f"{found.model} on {found.device}: {found.warm_mib:.0f} MiB at most after {max(1, found.images // 10)} photos, "
        f"{found.end_mib:.0f} MiB after {found.images}: {found.growth_mib:+.0f} MiB, {found.seconds:.0f} s"
    )

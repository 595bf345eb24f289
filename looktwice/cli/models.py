"""`looktwice models`: what each profile needs, and whether the embedded models are what they say."""

from __future__ import annotations

import typer

models = typer.Typer(help="What each profile needs, and whether it is on disk and sound.", no_args_is_help=True)


@models.command("list")
def list_models() -> None:
    """List the checkpoints of every profile, and what is missing."""
    from looktwice.cli.say import say_profiles

    say_profiles()


@models.command()
def check(profile: str = typer.Argument("nano", help="nano, or a profile whose checkpoints are on disk.")) -> None:
    """Load each checkpoint of a profile; of nano's, measure the stored figure again."""
    from nano.recipes.check import check as measure
    from nano.recipes.check import shipped
    from tools.errors import ModelError
    from tools.profiles import load_profile
    from tools.toolbox import Toolbox

    if profile != "nano":
        toolbox = Toolbox.open(load_profile(profile))
        for tool in ("scorer", "memory", "grounder", "segmenter", "narrator", "tracer"):
            getattr(toolbox, tool)
            typer.echo(f"{tool}: loads")
        return
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

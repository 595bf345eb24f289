"""Puts the commands together and turns errors into one sentence and an exit status."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from looktwice.batch.naming import readable
from looktwice.cli.bench import bench
from looktwice.cli.chat import chat
from looktwice.cli.demo import demo
from looktwice.cli.doctor import doctor
from looktwice.cli.eval import evaluate
from looktwice.cli.inspect import command_line, inspect
from looktwice.cli.learn import learn
from looktwice.cli.models import models
from looktwice.cli.ui import ui
from looktwice.cli.world import world
from tools.errors import LookTwiceError

SPINS = "2000"
"""How long a thread that waits for another keeps its core. OpenMP's own choice, many times longer, makes small models
thirty times slower as soon as another program wants a core as well."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        import looktwice

        typer.echo(f"looktwice {looktwice.__version__}")
        raise typer.Exit


@app.callback()
def everything(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """A visual inspector that explains itself: good or not, where, which rule is broken, why, how sure."""


app.command()(demo)
app.command()(inspect)
app.command()(learn)
app.command()(chat)
app.command("eval")(evaluate)
app.command()(bench)
app.command()(world)
app.command()(doctor)
app.command()(ui)
app.add_typer(models, name="models")


def main() -> None:
    """Runs the command line; exit status 0 good, 1 anomalous, 2 wrong call or input, 130 interrupted."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    try:
        app(command_line())
    except LookTwiceError as error:
        sys.stderr.write(f"looktwice: {readable(str(error))}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("looktwice: stopped; what was finished is kept.\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)

"""Puts the commands together; importing it imports every command, but nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import looktwice
from looktwice.cli.bench import bench
from looktwice.cli.chat import chat
from looktwice.cli.demo import demo
from looktwice.cli.doctor import doctor
from looktwice.cli.eval import evaluate
from looktwice.cli.inspect import inspect
from looktwice.cli.learn import learn
from looktwice.cli.models import models
from looktwice.cli.options import grouped
from looktwice.cli.ui import ui
from looktwice.cli.world import world


class PassedError(Exception):
    """Carries an exception past the parser, which would turn it into exit status 1, that of an anomalous photo."""

    def __init__(self, cause: BaseException) -> None:
        """Take what was raised."""
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def _passing() -> Iterator[None]:
    try:
        yield
    except (EOFError, BrokenPipeError, KeyboardInterrupt, SystemExit) as error:
        raise PassedError(error) from error


class _Commands(TyperGroup):
    """The group of all commands; it hides from the parser what the parser would handle wrongly."""

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        """Parse the arguments."""
        with _passing():
            return super().make_context(*arguments, **keywords)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _passing():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
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
app.command()(grouped(inspect))
app.command()(grouped(learn))
app.command()(grouped(chat))
app.command("eval")(grouped(evaluate))
app.command()(grouped(bench))
app.command()(world)
app.command()(doctor)
app.command()(grouped(ui))
app.add_typer(models, name="models")

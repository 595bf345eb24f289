"""A dataclass that a command takes becomes options of the command line, with their defaults and limits."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from looktwice.cli.options import ModelOptions, grouped


@dataclass(frozen=True)
class Colours:
    """Options of a command that exists in this test alone."""

    shade: Annotated[str, typer.Option(help="A shade.")] = "red"
    tint: Annotated[list[int] | None, typer.Option(min=0)] = None
    plain: Annotated[bool, typer.Option("--plain")] = False


@pytest.fixture
def called():
    """Calls the command with words, and returns what it was given and how the parser ended."""
    given = []

    def paint(wall: Annotated[str, typer.Argument()], *, colours: Colours, models: ModelOptions, coats: int = 1):
        given.append((wall, colours, models, coats))

    app = typer.Typer(add_completion=False)
    app.command()(grouped(paint))
    return lambda *words: (CliRunner().invoke(app, words), given)


def test_what_is_not_given_keeps_the_defaults_of_its_group(called):
    ended, given = called("north")
    assert ended.exit_code == 0, ended.output
    assert given == [("north", Colours(), ModelOptions(), 1)]


def test_options_of_several_groups_come_in_any_order(called):
    words = ("--tint", "3", "--looks", "0", "north", "--plain", "--tint", "4", "--coats", "2", "--shade", "blue")
    ended, given = called(*words)
    assert ended.exit_code == 0, ended.output
    assert given == [("north", Colours("blue", [3, 4], True), ModelOptions(looks=0), 2)]


@pytest.mark.parametrize("words", [("north", "--looks", "-1"), ("north", "--tint", "-3"), ("north", "--nosuch"), ()])
def test_what_a_field_does_not_accept_is_refused_by_the_parser(called, words):
    ended, given = called(*words)
    assert ended.exit_code == 2
    assert given == []


def test_the_help_lists_every_field(called):
    ended, _ = called("--help")
    assert {word for word in ended.output.split() if word.startswith("--")} >= {
        "--shade",
        "--tint",
        "--plain",
        "--profile",
        "--device",
        "--looks",
        "--coats",
    }

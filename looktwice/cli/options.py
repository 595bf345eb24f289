"""Groups of options: a command takes dataclasses, whose fields are its options on the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

Profile = Annotated[
    str, typer.Option(help="nano, edge, standard, auto (the best on disk), or your own profile's YAML file.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
Looks = Annotated[int, typer.Option(min=0, help="Second looks at most, for each photo.")]
FalseAlarm = Annotated[
    float | None,
    typer.Option(help="Share of good parts that may be called anomalous, such as 0.02; else what is likelier."),
]
Range = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--range",
        metavar="LOW HIGH",
        help="Pixel values that become black and white, of photos of more than 8 bits: 0 4095.",
    ),
]
KEYWORD = inspect.Parameter.KEYWORD_ONLY
Language = Annotated[str, typer.Option(help="Of the explanation: en, de or zh.")]


@dataclass(frozen=True)
class ModelOptions:
    """Which models inspect, where they run, and how often they look again."""

    profile: Profile = "auto"
    device: Device = "auto"
    looks: Looks = 3


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command as Typer reads it: each field of a dataclass that it takes is an option of its own.

    Args:
        command: its parameters are dataclasses, or annotated for Typer as the dataclasses' fields are.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    options: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            options += _options(groups[parameter.name])
        else:
            options.append(parameter.replace(kind=KEYWORD, annotation=hints[parameter.name]))

    @wraps(command)
    def expanded(**given: Any) -> None:
        made = {name: group(**{f.name: given.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        command(**given, **made)

    # The options themselves carry annotations, so Typer needs nothing from the command that is wrapped.
    expanded.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    expanded.__annotations__ = {option.name: option.annotation for option in options}
    return expanded


def _options(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(field.name, KEYWORD, default=default, annotation=hints[field.name])

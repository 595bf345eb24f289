"""The one reader of YAML and JSON that comes from outside: bounded in size, depth, fields and numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import yaml
from yaml import Event, Node

from tools.errors import InputError
from tools.files import read_text

MAX_BYTES = 1_000_000
"""Words and numbers of the largest product file fit many times."""
MAX_DEPTH = 12
"""No field of a product file or profile lies deeper than this."""
MAX_FIELDS = 50_000
"""Scalars and collections of one document."""
MAX_DIGITS = 30
"""Digits of one number."""

Lines = dict[tuple[str | int, ...], int]
"""By path of keys and positions: the line of a field, from 1."""


def read_yaml(
    path: Path, *, what: str = "YAML file", limit: int = MAX_BYTES, depth: int = MAX_DEPTH
) -> tuple[Any, Lines]:
    """Read a YAML file as plain data: no tags, no anchors, no key twice, no NaN or infinity.

    Args:
        path: the file.
        what: what the caller expects, for messages.
        limit: largest accepted size in bytes.
        depth: deepest accepted nesting.

    Returns:
        The data, and the line of each field.

    Raises:
        InputError: the file cannot be read, is too large or too deep, or is not plain YAML.
    """
    text = read_text(path, limit=limit, what=what)
    lines: Lines = {}
    try:
        _check_events(text, path, depth)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _note_lines(node, (), lines, path)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: is not valid YAML ({reason}); correct that place and try again.") from error
    _check_numbers(data, path)
    return data, lines


def read_json(
    path: Path, *, what: str = "JSON file", limit: int = MAX_BYTES, depth: int = 64, digits: int = MAX_DIGITS
) -> Any:
    """Read a JSON file; NaN, infinity and numbers of more than `digits` digits are refused.

    Raises:
        InputError: the file cannot be read, is too large or too deep, or is not JSON.
    """
    return parse_json(read_text(path, limit=limit, what=what), str(path), depth=depth, digits=digits)


def parse_json(text: str, name: str, *, depth: int = 64, digits: int = MAX_DIGITS) -> Any:
    """Parse JSON text that came from outside.

    Args:
        text: the document.
        name: the file or field it came from, for messages.
        depth: deepest accepted nesting.
        digits: of the longest accepted number.

    Raises:
        InputError: it is not JSON, nested deeper than `depth`, or holds NaN, infinity or a number that is too long.
    """

    def number(found: str) -> int:
        if len(found) > digits:
            raise ValueError(f"a number of {len(found)} digits, at most {digits} are accepted")
        return int(found)

    def fraction(found: str) -> float:
        value = float(found)
        if not math.isfinite(value):
            raise ValueError(f"the number {found[:40]} is too large")
        return value

    def constant(found: str) -> float:
        raise ValueError(f"{found} is not a number of JSON")

    try:
        data = json.loads(text, parse_int=number, parse_float=fraction, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: is not valid JSON ({reason}); correct that place and try again.") from error
    if _deeper(data, depth):
        raise InputError(f"{name}: is nested deeper than {depth} levels; give a flatter document.")
    return data


def _check_events(text: str, path: Path, deepest: int) -> None:
    """Refuse anchors, which unfold a short file into a huge one, and documents that are too deep or too large."""
    depth = fields = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(
                f"{path}: line {_line(event)}: anchors and aliases (& and *) are not accepted; write the value out."
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        fields += isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if depth > deepest:
            raise InputError(f"{path}: line {_line(event)}: nested deeper than the {deepest} levels accepted.")
        if fields > MAX_FIELDS:
            raise InputError(f"{path}: line {_line(event)}: holds more than the {MAX_FIELDS:,} fields accepted.")
        if isinstance(event, yaml.ScalarEvent) and _long_number(event.value):
            raise InputError(
                f"{path}: line {_line(event)}: a number of {len(event.value)} digits; at most {MAX_DIGITS} are "
                "accepted."
            )


def _long_number(value: str) -> bool:
    return len(value) > MAX_DIGITS and value.lstrip("+-").replace("_", "").replace(":", "").isdigit()


def _line(event: Event) -> int:
    """Line of an event, from 1."""
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _note_lines(node: Node, at: tuple[str | int, ...], lines: Lines, path: Path) -> None:
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _note_lines(item, (*at, number), lines, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*at, str(key.value))
            if below in lines:
                raise InputError(
                    f"{path}: line {key.start_mark.line + 1}: field {key.value} is given twice (first in line "
                    f"{lines[below]}); keep one."
                )
            _note_lines(value, below, lines, path)
            lines[below] = key.start_mark.line + 1


def _check_numbers(data: Any, path: Path, at: str = "") -> None:
    """Refuse NaN and infinity anywhere."""
    if isinstance(data, float) and not math.isfinite(data):
        raise InputError(f"{path}: field {at or 'file'}: found {data}; give a finite number.")
    if isinstance(data, dict):
        for key, value in data.items():
            _check_numbers(value, path, f"{at}.{key}" if at else str(key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _check_numbers(value, path, f"{at}.{index}" if at else str(index))


def _deeper(data: Any, depth: int) -> bool:
    level = [data]
    for _ in range(depth + 1):
        level = [v for d in level if isinstance(d, dict | list) for v in (d.values() if isinstance(d, dict) else d)]
        if not level:
            return False
    return True

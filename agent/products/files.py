"""Reads and writes product files: YAML that people edit, with messages that name line and field."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.text_limits import NAME, checked_text
from prompts import ready_made
from tools.documents import Lines, read_yaml
from tools.errors import InputError
from tools.files import is_device_name, write_atomic

if TYPE_CHECKING:
    from pydantic import ValidationError

    from agent.products.spec import ProductSpec
    from agent.rules import Rule


PRODUCTS = Path("products")
"""Where learned products are kept: a folder that can stand under version control."""


def product_file(name: str, products: Path = PRODUCTS) -> Path:
    """The file of a product by name, by its own path, or ready-made.

    Raises:
        InputError: no such product.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else named_file(name, products)
    if not os.path.exists(path):  # noqa: PTH110  # a Path raises where a name is too long
        if name in ready_made():
            return ready_made()[name]
        known = ", ".join(sorted(p.stem for p in products.glob("*.yaml"))) or "none"
        raise InputError(
            f"product '{name}': {path} does not exist (known: {known}; ready-made: {', '.join(ready_made())}); "
            f"learn it first: looktwice learn {name} GOOD_PHOTO..."
        )
    return path


def named_file(name: str, products: Path) -> Path:
    """The file of a product in a folder; a name cannot lead out of the folder.

    Raises:
        InputError: the name is empty, too long, or has signs that a file name should not have.
    """
    checked_text("product name", name, NAME)
    if not name.strip() or not all(c.isalnum() or c in " ._-" for c in name) or name.startswith("."):
        raise InputError(f"product name {name!r}: use letters, digits, spaces, '.', '_' and '-', such as 'tray-7'.")
    if is_device_name(name):
        raise InputError(f"product name {name!r}: means a device on Windows; give another, such as '{name}-1'.")
    return products / f"{name}.yaml"


def lessons_file(product: Path) -> Path:
    """The file of a product's lessons, beside its own: tray.defects.safetensors for tray.yaml."""
    return product.with_name(f"{product.stem}.defects.safetensors")


def read_spec(path: Path) -> ProductSpec:
    """A product's specification.

    Raises:
        InputError: no such file, too large, not YAML, or a field is wrong; the message names line and field.
    """
    from pydantic import ValidationError

    from agent.products.spec import ProductSpec

    data, lines = read_yaml(path, what="product file")
    if not isinstance(data, dict):
        raise InputError(
            f"{path}: field file: found {type(data).__name__} where a mapping belongs (name: ..., product: ...); "
            "give the path of a product's YAML file."
        )
    try:
        return ProductSpec.model_validate(data)
    except ValidationError as error:
        raise InputError(_first(error, path, lines)) from error


def _first(error: ValidationError, path: Path, lines: Lines) -> str:
    """The first fault in a sentence with its line and field."""
    fault = error.errors(include_url=False)[0]
    loc = tuple(x for x in fault["loc"] if not _is_tag(x, fault["loc"]))
    known = loc
    while known and known not in lines:
        known = known[:-1]
    field = ".".join(str(x) for x in loc) or "file"
    line = f"line {lines[known]}: " if known in lines and known else ""
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "union_tag_invalid":
        message = f"unknown kind {fault['ctx']['tag']}; kinds are {fault['ctx']['expected_tags']}"
    found = (
        "" if isinstance(fault["input"], dict | list) or fault["type"] == "missing" else f" (found {fault['input']!r})"
    )
    return f"{path}: {line}field {field}: {message}{found}; mend it and try again."


def _is_tag(item: str | int, loc: tuple[str | int, ...]) -> bool:
    """Whether an item of a location is the kind of a rule, which pydantic puts between its number and its fields."""
    at = loc.index(item)
    return at == 2 and loc[0] == "rules" and isinstance(item, str)


def _relative(reference: Path, file: Path) -> Path:
    """A reference as a product file names it: relative to the file, where both lie in one project.

    A project is the folder that holds the folder of product files; it can be moved with its photos.
    """
    folder = file.absolute().parent
    below = reference.is_absolute() and reference.is_relative_to(folder.parent)
    return Path(Path(os.path.relpath(reference, folder)).as_posix()) if below else reference


def write_spec(spec: ProductSpec, path: Path) -> None:
    """Writes a specification; each rule stands under a line that says it in words.

    Absolute references are written relative to the file where they lie below the folder that holds the file's folder.

    Raises:
        InputError: the file cannot be written.
    """
    references = tuple(_relative(reference, path) for reference in spec.references)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, in_yaml(spec.model_copy(update={"references": references})))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another folder.") from error


def in_yaml(spec: ProductSpec) -> str:
    """The text of a product file; what has its default is left out, and reading it gives the same specification."""
    whole = spec.model_dump(mode="json", exclude_defaults=True, exclude={"rules", "unchecked"})
    order = (
        "version",
        "name",
        "product",
        "normal",
        "unruled",
        "parts",
        "defects",
        "rules",
        "unchecked",
        "references",
        "value_range",
        "good_scores",
        "named_scores",
    )
    whole["version"] = spec.version
    texts = []
    for key in order:
        rules = {"rules": spec.rules, "unchecked": spec.unchecked}.get(key)
        if rules:
            texts.append(f"{key}:\n" + "".join(_rules(rules)))
        elif key in whole:
            texts.append(_dumped({key: whole[key]}))
    return "".join(texts)


def _rules(rules: tuple[Rule, ...]) -> Iterator[str]:
    from agent.evidence.claims import say

    for rule in rules:
        fields = {"kind": rule.kind, "part": rule.part, **rule.model_dump(mode="json", exclude_defaults=True)}
        said = say(rule.claim)
        proof = "told" if rule.origin == "told" else f"{rule.origin}, {rule.support} references obey it"
        lines = "".join(_dumped({k: v}) for k, v in fields.items()).rstrip("\n").replace("\n", "\n    ")
        yield f"  # {' '.join(said.split())} ({proof})\n  - {lines}\n"


def _dumped(data: dict[str, Any]) -> str:
    import yaml

    plain = not any(isinstance(value, dict | list) for value in data.values())
    style = False if plain else None
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=style, width=110)
    return text

"""Writes the pages that come from the code: rules, the Python API, and the examples within the pages on extending.

    python docs/generate.py            # writes them
    python docs/generate.py --check    # says which are out of date, and fails

A test runs the check, so that no page tells what the code no longer does.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

DOCS = Path(__file__).parent
GENERATED = "<!-- Written by `python docs/generate.py`; do not edit. -->\n"
SHARED = ("part", "origin", "support", "doubt")
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "length at least"}


def main() -> None:
    """Writes, or checks."""
    stale = [path for path, text in pages() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(DOCS)} is out of date; run `python docs/generate.py`\n")
        sys.exit(bool(stale))
    for path, text in pages():
        path.write_text(text, encoding="utf-8")


def pages() -> Iterator[tuple[Path, str]]:
    """Every generated page and its text."""
    yield DOCS / "rules.md", rules_page()
    yield DOCS / "api.md", api_page()
    for path in sorted((DOCS / "extend").glob("*.md")):
        yield path, with_examples(path.read_text(encoding="utf-8"))


def with_examples(page: str) -> str:
    """A page with each example as its file stands now: the block after a line `<!-- example: NAME -->`."""

    def filled(match: re.Match[str]) -> str:
        name = match.group(1)
        text = (DOCS / "examples" / name).read_text(encoding="utf-8").rstrip("\n")
        return f"<!-- example: {name} -->\n```{'yaml' if name.endswith('.yaml') else 'python'}\n{text}\n```"

    return re.sub(r"<!-- example: (\S+) -->\n```.*?\n```", filled, page, flags=re.DOTALL)


def rules_page() -> str:
    """All kinds of rules with their fields, ranges and an example."""
    from agent.rules import Rule
    from agent.rules.base import RuleBase
    from agent.rules.likelihood import Tolerance
    from agent.rules.placement import Zone

    kinds = get_args(get_args(Rule)[0])
    examples = yaml.safe_load((DOCS / "rules_examples.yaml").read_text(encoding="utf-8"))
    lines = [
        GENERATED,
        "# Rules\n",
        "What may stand under `rules:` in a product file. Where rules come from and what a broken one is worth: "
        "[how rules are weighed](../agent/rules/README.md). Places are in the product's own coordinates: its centre is "
        "(0, 0), its sides are about 1 long, whichever way it lies on the photo.\n",
        "Every rule has these fields:\n",
        *_fields(RuleBase, SHARED),
        "",
    ]
    for kind in kinds:
        name = kind.model_fields["kind"].default
        rule: Any = TypeAdapter(Rule).validate_python(examples[name])
        own = [n for n in kind.model_fields if n not in (*SHARED, "kind")]
        lines += [f"## {name}\n", f"{_sentence(kind)}\n", *_fields(kind, own), "", *_example(rule), ""]
    lines += ["## Shared values\n"]
    for shared in (Tolerance, Zone):
        lines += [f"**{shared.__name__}**. {_sentence(shared)}\n", *_fields(shared, list(shared.model_fields)), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _example(rule: Any) -> list[str]:
    from agent.products.files import in_yaml
    from agent.products.spec import PartSpec, ProductSpec

    labels = [label for label in rule.named if label != "any"]
    parts = tuple(PartSpec(label=label) for label in dict.fromkeys(labels))
    text = in_yaml(ProductSpec(name="x", product="x", parts=parts, rules=(rule,)))
    shown = textwrap.dedent(text.split("rules:\n")[1].split("\nreferences")[0]).rstrip("\n")
    return ["```yaml", shown.replace(" (told)", ""), "```"]


def _fields(model: type[BaseModel], names: Any) -> list[str]:
    told = _told(model)
    rows = ["| field | values | default | meaning |", "|---|---|---|---|"]
    for name in names:
        field = model.model_fields[name]
        default = "required" if field.is_required() else _default(field)
        rows.append(f"| `{name}` | {_values(field)} | {default} | {told.get(name, '')} |")
    return rows if len(rows) > 2 else ["No fields of its own."]


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return f"`{{{', '.join(f'{k}: {v}' for k, v in value.model_dump().items())}}}`"
    return "none" if value is None or value in ((), {}) else f"`{value}`"


def _values(field: FieldInfo) -> str:
    bounds = [
        f"{words} {getattr(m, key)}"
        for m in field.metadata
        for key, words in BOUNDS.items()
        if getattr(m, key, None) is not None
    ]
    text = not (field.annotation is str and bounds == ["length at least 1"])
    return ", ".join([_type(field.annotation), *(bounds if text else ())])


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{a}`" for a in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(a) for a in arguments if a is not type(None))
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"list of {_type(arguments[0])}"
        return f"{len(arguments)} x {_type(arguments[0])}"
    if origin is dict:
        return f"{_type(arguments[0])} to {_type(arguments[1])}"
    return {str: "text", int: "whole number", float: "number"}.get(annotation, getattr(annotation, "__name__", "any"))


def _told(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each field in the code, of the class and of those that it extends."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if part in (BaseModel, object) or not part.__module__.startswith("agent"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        assert isinstance(body, ast.ClassDef)
        for before, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and _is_text(after):
                found[before.target.id] = " ".join(after.value.value.split()).replace("|", "\\|")  # type: ignore[attr-defined]
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _sentence(of: Any) -> str:
    """The whole docstring, a paragraph a line."""
    return "\n\n".join(" ".join(p.split()) for p in (inspect.getdoc(of) or "").split("\n\n"))


def api_page() -> str:
    """The public classes, their methods and attributes, by their docstrings."""
    import looktwice
    from agent.chat import Chat
    from agent.products.spec import PartSpec, ProductSpec
    from agent.report.model import Finding, VerdictOut
    from tools.errors import InputError, LookTwiceError, ModelError

    names = [n for n in looktwice.__all__ if not n.startswith("_")]
    public = [
        getattr(looktwice, name) for name in sorted(names, key=["Inspector", "Product", "InspectionReport"].index)
    ]
    lines = [
        GENERATED,
        "# Python API\n",
        "`from looktwice import " + ", ".join(c.__name__ for c in public) + "`. Importing costs nothing: what is heavy "
        "is loaded when it is first used. What is not on this page may change.\n",
    ]
    for item in public:
        lines += _class(item)

    for item in (VerdictOut, Finding, Chat, ProductSpec, PartSpec):
        lines += _class(item)
    lines += [
        "# Errors\n",
        *(f"**`{e.__name__}`**. {_sentence(e)}\n" for e in (LookTwiceError, InputError, ModelError)),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def _class(item: Any) -> list[str]:
    lines = [f"## {item.__name__}\n", f"{_sentence(item)}\n"]
    fields = getattr(item, "model_fields", None)
    if fields:
        lines += [*_fields(item, list(fields)), ""]
    for name, member in vars(item).items():
        if isinstance(member, property) and not name.startswith("_"):
            lines += [f"- **`.{name}`**: {_sentence(member.fget)}"]
    for name, member in vars(item).items():
        function = member.__func__ if isinstance(member, classmethod) else member
        public = name == "__init__" or not name.startswith(("_", "model_"))
        if inspect.isfunction(function) and public and function.__doc__:
            shown = item.__name__ if name == "__init__" else f"{item.__name__}.{name}"
            lines += [
                f"\n### `{shown}{'(...)' if name == '__init__' else ''}`\n",
                "```python",
                _signature(shown, function),
                "```\n",
                *_google(function),
                "",
            ]
    return [*lines, ""]


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    kept = [p for n, p in signature.parameters.items() if n not in ("self", "cls")]
    # Annotations are kept as text, which the signature shows in quotes.
    text = re.sub(r"(: |-> )'((?:[^'\\]|\\.)*)'", r"\1\2", str(signature.replace(parameters=kept)))
    if len(name) + len(text) <= 100:
        return f"{name}{text}"
    inside, _, after = text[1:].rpartition(")")
    return f"{name}(\n    {_split(inside)},\n){after}"


def _split(arguments: str) -> str:
    """Arguments on lines of their own: at commas that are inside of no bracket."""
    depth, out = 0, []
    for letter in arguments:
        depth += (letter in "([{") - (letter in ")]}")
        out.append(",\n   " if letter == "," and depth == 0 else letter)
    return "".join(out)


def _google(function: Any) -> list[str]:
    """A docstring in Google's form as Markdown."""
    lines: list[str] = []
    for line in (inspect.getdoc(function) or "").split("\n"):
        if line in ("Args:", "Raises:", "Returns:"):
            lines += ["", f"*{line.rstrip(':')}*", ""]
        elif re.match(r"    \S+: ", line):
            name, _, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}")
        else:
            lines.append(f"  {line.strip()}" if line.startswith("    ") else line)
    return lines


if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))
    main()

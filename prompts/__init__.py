"""Every word that is sent to a model or a person, as data (YAML and Jinja), and the loader that reads it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


@cache
def load_yaml(name: str) -> Any:
    """The data of one YAML file of this room, such as "states" or "products/tray".

    Raises:
        FileNotFoundError: no such prompt file.
    """
    import yaml

    return yaml.safe_load((_HERE / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def in_language(name: str, language: str) -> dict[str, Any]:
    """A file of words in a language, such as "report/telling"; what it lacks there is taken from the English one.

    The English file has the plain name (telling.yaml), another language its code before the ending (telling.zh.yaml).
    """
    words: dict[str, Any] = dict(load_yaml(name)) if (_HERE / f"{name}.yaml").exists() else {}
    if language != "en" and (_HERE / f"{name}.{language}.yaml").exists():
        words |= load_yaml(f"{name}.{language}")
    return words


def languages_of(name: str) -> tuple[str, ...]:
    """The languages in which a file of words is there, English first."""
    found = (path.name.split(".")[1] for path in (_HERE / f"{name}.yaml").parent.glob(f"{Path(name).name}.*.yaml"))
    return ("en", *sorted(found))


def questions() -> dict[str, str]:
    """Questions to the language model by name; placeholders are in `str.format` braces."""
    data: dict[str, str] = load_yaml("questions")
    return data


def strings(language: str = "en") -> dict[str, str]:
    """Words shown to people, by key, in one language."""
    data: dict[str, str] = load_yaml(f"strings/{language}")
    return data


def ready_made() -> dict[str, Path]:
    """Product files that were written by hand and ship with this room, by name."""
    return {path.stem: path for path in sorted((_HERE / "products").glob("*.yaml"))}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(_HERE),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html", "html.jinja")),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **values: object) -> str:
    """One Jinja template of this room, such as "report/page.html.jinja", filled in; HTML is escaped.

    Raises:
        jinja2.TemplateNotFound: no such template.
        jinja2.UndefinedError: a value that the template needs is missing.
    """
    return _environment().get_template(name).render(**values)


__all__ = ["in_language", "languages_of", "load_yaml", "questions", "ready_made", "render", "strings"]

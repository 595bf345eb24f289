"""`looktwice learn`: references in, a product file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from looktwice.cli.options import Device, Profile

if TYPE_CHECKING:
    from agent import Inspector, Product

PRODUCTS = Path("products")
"""Where learned products are kept: a folder that can stand under version control."""


def learn(
    name: Annotated[str, typer.Argument(help="Name of the product.")],
    references: Annotated[list[Path], typer.Argument(help="Photos of good ones, or folders of them.")],
    describe: Annotated[str, typer.Option(help="What good means: 'two bolts, three nuts'.")] = "",
    products: Annotated[Path, typer.Option(help="Folder of product files.")] = PRODUCTS,
    profile: Profile = "auto",
    device: Device = "auto",
) -> None:
    """Learn a product from photos of good ones and write it to products/NAME.yaml."""
    from agent import Inspector
    from tools.images import find_images

    target = _file_of(name, products)
    found = [f for path in references for f in (find_images(path) if path.is_dir() else [path])]
    inspector = Inspector(profile, device=device)
    product = inspector.learn(name, [f.resolve() for f in found], describe=describe)
    product.save(target)
    typer.echo(f"{target}: {len(found)} references, {len(product.spec.rules)} rules")
    for rule in product.spec.rules:
        expected = f" {rule.expected}" if rule.kind == "count" else ""
        typer.echo(f"  {rule.kind} of '{rule.part}'{expected} ({rule.origin}, held on {rule.support} references)")
    for note in product.notes:
        typer.echo(f"  note: {note}")


def load_product(inspector: Inspector, name: str, products: Path = PRODUCTS) -> Product:
    """A product by name, or by the path of its file.

    Raises:
        tools.errors.InputError: no such product.
    """
    from tools.errors import InputError

    path = Path(name) if name.endswith((".yaml", ".yml")) else _file_of(name, products)
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in products.glob("*.yaml"))) or "none"
        raise InputError(
            f"product '{name}': {path} does not exist (known: {known}); "
            f"learn it first: looktwice learn {name} GOOD_PHOTO..."
        )
    return inspector.load(path)


def _file_of(name: str, products: Path) -> Path:
    """The file of a product; a name cannot lead out of the folder.

    Raises:
        tools.errors.InputError: the name is empty or has signs that a file name should not have.
    """
    from tools.errors import InputError

    if not name.strip() or not all(c.isalnum() or c in " ._-" for c in name) or name.startswith("."):
        raise InputError(f"product name {name!r}: use letters, digits, spaces, '.', '_' and '-', such as 'tray-7'.")
    return products / f"{name}.yaml"

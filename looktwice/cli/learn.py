"""`looktwice learn`: references in, a product file out; and the file edited, tested and revised."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from agent import Inspector, Product
from agent.evidence.claims import renamed, say_briefly
from agent.photo_input import expanded_paths
from agent.products.files import PRODUCTS, named_file, product_file
from agent.products.revision import changes
from agent.products.spec import ProductSpec
from agent.text_limits import DESCRIPTION
from looktwice.cli.options import Device, Profile, Range
from looktwice.cli.output import given_text, stage_printer
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import exclusive, write_atomic

SHOWN = 5
"""Rules that are listed for a photo on which none fires."""


@dataclass(frozen=True)
class LearnAction:
    """What is done instead of learning a new product, and what replaces an old one."""

    edit: Annotated[bool, typer.Option("--edit", help="Open the product's file in $EDITOR and check it.")] = False
    test: Annotated[bool, typer.Option("--test", help="Say which rules fire on the photos, and why.")] = False
    add: Annotated[bool, typer.Option("--add", help="False alarms: take the photos as references.")] = False
    reject: Annotated[bool, typer.Option("--reject", help="Misses: learn what is wrong with the photos.")] = False
    force: Annotated[bool, typer.Option("--force", help="Replace a product of that name; keeps it as .bak.")] = False
    defect: Annotated[str, typer.Option(help="The photos show this type of defect: 'scratch'.")] = ""
    mask: Annotated[
        list[Path] | None, typer.Option(help="With --defect: a file that marks the defect, one for each photo.")
    ] = None
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of product files.")] = False

    @property
    def revises(self) -> bool:
        """Whether the product's file is there already and takes photos."""
        return self.test or self.add or self.reject or bool(self.defect)


def learn(
    name: Annotated[str, typer.Argument(help="Name of the product.")] = "",
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Photos of good ones, or folders of them; with --test, --add, --reject, --defect those."),
    ] = None,
    describe: Annotated[str, typer.Option(help="What good means: 'two bolts, three nuts'.")] = "",
    product: Annotated[str | None, typer.Option(help="The noun models are told: 'compartment tray'.")] = None,
    *,
    action: LearnAction,
    products: Annotated[Path, typer.Option(help="Folder of product files.")] = PRODUCTS,
    value_range: Range = None,
    profile: Profile = "auto",
    device: Device = "auto",
) -> None:
    """Learn a product from photos of good ones (or from words alone) and write it to products/NAME.yaml."""
    if action.schema:
        typer.echo(ProductSpec.schema_text())
        return
    if sum((action.edit, action.test, action.add, action.reject, bool(action.defect))) > 1:
        raise InputError("--edit, --test, --add, --reject and --defect exclude each other; give one of them.")
    if action.mask and not action.defect:
        raise InputError("--mask marks the region of a defect; say which type of defect with --defect.")
    target = named_file(name, products)
    describe = given_text("--describe", describe, DESCRIPTION)
    if action.edit:
        _edit(target)
        return
    found = [path.resolve() for path in expanded_paths(photos or [])]
    if action.revises and not found and not (action.reject and describe):
        raise InputError("no photo was given; name one or more after the product's name.")
    if not (action.revises or found or describe):
        raise InputError("nothing to learn from; give photos of good ones, or say what good means with --describe.")
    inspector = Inspector(profile, device=device, value_range=value_range)
    if action.test:
        _test(inspector, load_product(inspector, name, products), found)
        return
    _make_folder(target)
    if action.revises:
        with exclusive(target):
            known = load_product(inspector, name, products)
            changed, said = _revised(inspector, known, action, found, describe)
            changed.save(target)
        _say([f"{target}: revised", *(f"  {line}" for line in said)])
        return
    # The lock is held while learning, so that a second call for the same name ends at once instead of being lost.
    with exclusive(target, seconds=0):
        _refuse_overwriting(target, action.force)
        learned = inspector.learn(name, found, describe=describe, product=product, on_stage=stage_printer(len(found)))
        if target.exists():
            write_atomic(_backup_of(target), target.read_bytes())
        learned.save(target)
    _summarise(learned, target)


def _revised(
    inspector: Inspector, known: Product, action: LearnAction, found: list[Path], describe: str
) -> tuple[Product, tuple[str, ...]]:
    """The product with what a person corrects, and what changed."""
    if action.defect:
        return inspector.teach(known, action.defect, found, action.mask or ())
    return inspector.add(known, found) if action.add else inspector.reject(known, found, describe)


def _make_folder(target: Path) -> None:
    """Make the folder of a product file.

    Raises:
        tools.errors.InputError: it cannot be made.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target.parent}: cannot be made ({error.strerror}); give another --products.") from error


def _refuse_overwriting(target: Path, force: bool) -> None:
    """Refuse to learn a product anew over the file of an earlier one.

    Raises:
        tools.errors.InputError: there is one, and --force was not given.
    """
    if target.exists() and not force:
        raise InputError(
            f"{target}: exists already, {_contents(target)}, which would be lost; learn under another name, add photos "
            f"to it with --add, or give --force to replace it (the old file is then kept as {_backup_of(target).name})."
        )


def _backup_of(target: Path) -> Path:
    """Where the file of an earlier product is kept: under a name that nothing bears."""
    backup, number = target.with_name(f"{target.name}.bak"), 1
    while os.path.lexists(backup):
        number += 1
        backup = target.with_name(f"{target.name}.bak{number}")
    return backup


def _contents(target: Path) -> str:
    """What a product file holds, in a few words."""
    try:
        spec = ProductSpec.load(target)
    except InputError:
        return "with content that cannot be read as a product"
    return f"with {len(spec.rules)} rules from {len(spec.references)} references and what was edited in it"


def _summarise(product: Product, target: Path) -> None:
    spec = product.spec
    lines = [f"{target}: {len(product.references)} references, {len(spec.rules)} rules"]
    for rule in spec.rules:
        proof = "told" if rule.origin == "told" else rule.origin
        held = f", held on {rule.support} references" if product.references else ""
        lines.append(f"  {say_briefly(renamed(rule.claim, spec.called))} ({proof}{held})")
    _say([*lines, *(f"  note: {note}" for note in product.notes)])


def _test(inspector: Inspector, product: Product, photos: list[Path]) -> None:
    """For each photo the rules that fire, or the nearest to it."""
    for photo in photos:
        checks = inspector.check(photo, product)
        firing = [c for c in checks if c.fires]
        typer.echo(f"{display_text(photo.name)}: {len(firing)} of {len(checks)} rules fire")
        for c in firing or checks[:SHOWN]:
            mark = "fires" if c.fires else "holds"
            typer.echo(display_text(f"  {mark}: {c.rule} ({c.log_odds:+.1f}): {c.sentence}"))


def _edit(target: Path) -> None:
    """Opens a product's file, and says whether it still reads.

    Raises:
        tools.errors.InputError: no such file, no editor, or the edited file has a fault; it is kept as edited.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not target.exists():
        raise InputError(f"{target} does not exist; learn it first: looktwice learn {target.stem} GOOD_PHOTO...")
    if not editor:
        raise InputError(f"no editor is set; set EDITOR (export EDITOR=nano), or edit {target} in any editor.")
    before = ProductSpec.load(target)
    try:
        subprocess.run([*shlex.split(editor), str(target)], check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"the editor '{editor}' failed ({error}); set EDITOR to one that runs here.") from error
    after = ProductSpec.load(target)
    _say([f"{target}: reads well, {len(after.rules)} rules", *(f"  {line}" for line in changes(before, after))])


def _say(lines: list[str]) -> None:
    for line in lines:
        typer.echo(display_text(line))


def load_product(inspector: Inspector, name: str, products: Path = PRODUCTS) -> Product:
    """A product by name, by the path of its file, or ready-made; raises like `product_file`."""
    return inspector.load(product_file(name, products))

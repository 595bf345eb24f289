"""The products that are kept: files that the command line reads as well, and their good photos beside them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.products.spec import ProductSpec
from prompts import ready_made
from tools.documents import MAX_BYTES
from tools.errors import InputError
from tools.files import exclusive, is_device_name, read_text, write_atomic

if TYPE_CHECKING:
    from agent import Product
LONGEST_NAME = 60


class ProductStore:
    """A folder of product files; every visitor sees the same ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Names of the products that were learned here, sorted; after them those that ship ready-made."""
        learned = sorted(p.stem for p in self.folder.glob("*.yaml"))
        return [*learned, *(name for name in ready_made() if name not in learned)]

    def path(self, name: str) -> Path:
        """The file of a product; no name leads out of the folder.

        Raises:
            tools.errors.InputError: the name is empty, long, or has signs that a file name should not have.
        """
        name = name.strip()
        if (
            not name
            or len(name) > LONGEST_NAME
            or name.startswith(".")
            or is_device_name(name)
            or not all(c.isalnum() or c in " ._-" for c in name)
        ):
            raise InputError(
                f"product name {name[:80]!r}: use at most {LONGEST_NAME} letters, digits, spaces, '.', '_' and '-', "
                "such as 'tray-7'."
            )
        return self.folder / f"{name}.yaml"

    def file(self, name: str) -> Path:
        """The file of a product that was learned here, or else ships ready-made.

        Raises:
            tools.errors.InputError: no such product.
        """
        path = self.path(name)
        if path.is_file():
            return path
        if name not in ready_made():
            raise InputError(
                f"product '{name}' is not kept here; learn it first (products: {', '.join(self.names())})."
            )
        return ready_made()[name]

    def changed_at(self, name: str) -> float:
        """When the file was last written; raises like `file`."""
        return self.file(name).stat().st_mtime

    def text(self, name: str) -> str:
        """The product's file as it stands; raises like `file`."""
        return read_text(self.file(name), limit=MAX_BYTES, what="product file")

    def read(self, name: str) -> ProductSpec:
        """The specification of a product."""
        return parse(self.text(name), name)

    def refuse_known(self, name: str) -> None:
        """Refuses the name of a product that is kept.

        Raises:
            tools.errors.InputError: it is kept, or no product can have that name.
        """
        if self.path(name).exists():
            raise InputError(f"product '{name}' is kept already; choose another name, or edit its file on the page.")

    def write(self, name: str, text: str, *, new: bool = False) -> ProductSpec:
        """Keeps an edited or uploaded file once it reads well.

        Args:
            name: of the product.
            text: of the file.
            new: whether no product of that name may be kept yet.

        Raises:
            tools.errors.InputError: it has a fault, names photos that are not this product's, or the name is taken.
        """
        target = self.path(name)
        spec = parse(text, name)
        self.refuse_foreign_photos(spec, name)
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(target):
            if new:
                self.refuse_known(name)
            write_atomic(target, text)
        return spec

    def keep_photos(self, name: str, photos: Sequence[Path]) -> list[Path]:
        """Copies of good photos beside the product's file; two of one name are both kept."""
        folder = self.photos(name)
        folder.mkdir(parents=True, exist_ok=True)
        kept = []
        for photo in photos:
            target = fresh(folder, safe_name(photo.name))
            shutil.copyfile(photo, target)
            kept.append(target.absolute())
        return kept

    def keep(self, product: Product, *, new: bool = False) -> Path:
        """Writes a product's file.

        Args:
            product: what was learned.
            new: whether no product of that name may be kept yet.

        Raises:
            tools.errors.InputError: the file cannot be written, or the name is taken.
        """
        target = self.path(product.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(target):
            if new:
                self.refuse_known(product.name)
            product.spec.save(target)
        return target

    def photos(self, name: str) -> Path:
        """The folder of a product's good photos."""
        return self.path(name).with_suffix(".photos")

    def refuse_foreign_photos(self, spec: ProductSpec, name: str) -> None:
        """A product file cannot make the page read pictures from elsewhere on the machine.

        Raises:
            tools.errors.InputError: a reference lies neither beside the products nor in the file as it was kept.
        """
        allowed = self.folder.resolve()
        before = set(parse(self.text(name), name).references) if self.path(name).is_file() else set()
        for reference in spec.references:
            if reference in before:
                continue
            if not (self.folder / reference).resolve().is_relative_to(allowed):
                raise InputError(
                    f"{name}: field references: {reference} lies outside the products' folder; learn the product from "
                    "photos on this page, and they are kept beside it."
                )


def parse(text: str, name: str) -> ProductSpec:
    """A specification from its text; faults are named by line and field.

    Raises:
        tools.errors.InputError: it has a fault.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "product.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            return ProductSpec.load(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), name or "product")) from error


def safe_name(name: str) -> str:
    """A file name without anything that a shell, a page or a file system could take amiss.

    >>> safe_name("../my <b>part.PNG")
    'my _b_part.png'
    """
    path = Path(Path(name.replace("\\", "/")).name)
    stem = "".join(c if c.isalnum() or c in " -_." else "_" for c in path.stem).strip(" ._") or "photo"
    suffix = "".join(c for c in path.suffix.lower() if c.isalnum() or c == ".")
    return stem[:LONGEST_NAME] + suffix


def fresh(folder: Path, name: str) -> Path:
    """A path in a folder that nothing has yet."""
    path, n = folder / name, 1
    while path.exists():
        n += 1
        path = folder / f"{Path(name).stem}-{n}{Path(name).suffix}"
    return path

"""The inspector behind the page: one for all visitors, its models used by one of them at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from looktwice.page.queue import FairQueue
from looktwice.page.shelf import Shelf
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product
    from agent.inspector import OnStep
    from tools.types import Sample

LARGEST_AREA = 40_000_000
"""Pixels of a photo that the page takes; one visitor's photo must not take the machine's memory."""


class Engine:
    """Makes inspections for visitors, in order of arrival."""

    def __init__(self, inspector: Callable[[], Inspector], shelf: Shelf) -> None:
        """Nothing is loaded yet.

        Args:
            inspector: makes the inspector when it is first needed.
            shelf: the products that are kept.
        """
        self._make = inspector
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, float], Product] = {}
        self.shelf = shelf
        self.queue = FairQueue()

    @cached_property
    def _inspector(self) -> Inspector:
        return self._make()

    @property
    def inspector(self) -> Inspector:
        """The inspector; made once even if many ask at the same time."""
        with self._lock:
            return self._inspector

    def product(self, name: str) -> Product:
        """A product from the shelf, remembered until its file changes; call it in one's turn.

        Raises:
            tools.errors.InputError: no such product, or its file has a fault.
        """
        key = (name, self.shelf.changed_at(name))
        if key not in self._kept:
            spec = self.shelf.read(name)
            self.shelf.refuse_foreign_photos(spec, name)
            self._kept = {k: p for k, p in self._kept.items() if k[0] != name}
            self._kept[key] = self.inspector.load(self.shelf.path(name))
        return self._kept[key]

    def inspect(
        self,
        photo: Sample,
        *,
        product: str | Product | None,
        references: Sequence[Path],
        normal: str,
        on_step: OnStep,
        on_place: Callable[[int], None],
        on_turn: Callable[[], None] = lambda: None,
    ) -> InspectionReport:
        """One inspection, in its turn; what the callbacks raise ends it."""
        with self.queue.turn(on_place):
            on_turn()
            known = self.product(product) if isinstance(product, str) else product
            samples = [] if known is not None else [photo_of(path) for path in references]
            return self.inspector.inspect(photo, product=known, references=samples, normal=normal, on_step=on_step)


def photo_of(path: Path | str | None) -> Sample:
    """A visitor's photo.

    Raises:
        tools.errors.InputError: there is none, it is no image, or it has too many pixels for a page.
    """
    from tools.images import load_sample

    if path is None:
        raise InputError("there is no photo yet; upload, paste or take one, or choose an example.")
    refuse_large(Path(path))
    try:
        return load_sample(Path(path))
    except InputError as error:
        # Where a visitor's file lies on this machine is nobody's business.
        raise InputError(str(error).replace(str(path), Path(path).name)) from error


def refuse_large(path: Path) -> None:
    """Refuses a photo by its header, before its pixels are unpacked; what is no image is refused later, in words.

    Raises:
        tools.errors.InputError: it has too many pixels.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except Exception:
        return
    if width * height > LARGEST_AREA:
        raise InputError(
            f"{path.name}: {width} x {height} pixels are more than the {LARGEST_AREA // 1_000_000} megapixels that the "
            "page takes; make the photo smaller, or inspect it with `looktwice inspect`."
        )

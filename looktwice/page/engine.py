"""The page's inspector: one inspection at a time in turn, limits on photos, and products in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from agent.text_limits import checked_text
from looktwice.products import ProductStore
from tools.errors import InputError
from tools.image_files import FORMATS
from tools.images import decoded_bytes, load_sample

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product
    from agent.inspector import OnStep
    from agent.products.learn import OnStage
    from tools.types import Sample

CHECKED = 0.25
"""Seconds between two looks at whether a visitor who waits has gone."""


class FairQueue:
    """A lock whose order is the order of arrival; long work takes a turn for each of its pieces."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many are in the line, the one at work included."""
        with self._changed:
            return len(self._line)

    @contextmanager
    def turn(self, on_place: Callable[[int], None] = lambda ahead: None) -> Iterator[None]:
        """Waits for a turn and holds it.

        Args:
            on_place: told how many are ahead, whenever that changes and at least every quarter of a second; an
                exception that it raises leaves the line.
        """
        ticket = object()
        with self._changed:
            self._line.append(ticket)
        try:
            while (ahead := self._ahead(ticket)) > 0:
                on_place(ahead)
                with self._changed:
                    if self._line[0] is not ticket:
                        self._changed.wait(CHECKED)
            yield
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    def _ahead(self, ticket: object) -> int:
        with self._changed:
            return self._line.index(ticket)


LARGEST_AREA = 40_000_000
"""Pixels of a photo that the page takes; one visitor's photo must not take the machine's memory."""
LARGEST_DECODED = 512_000_000
"""Bytes that such a photo may take while it is decoded."""
MOST_GOOD = 64
"""Good photos of one inspection, batch or product."""
LARGEST_GOOD = 400_000_000
"""Pixels of these together, since they are held at the same time."""
LONGEST_NORMAL = 2_000
"""Characters of what good means."""
LONGEST_NOUN = 60
"""Characters of the noun that models are given."""
MOST_KEPT = 8
"""Products that stay in memory with what was measured on their good photos."""
_INSTEAD = "make the photo smaller, or inspect it with `looktwice inspect`."


class Engine:
    """Makes inspections for visitors, in order of arrival."""

    def __init__(self, inspector: Callable[[], Inspector], store: ProductStore) -> None:
        """Nothing is loaded yet.

        Args:
            inspector: makes the inspector when it is first needed.
            store: the products that are kept.
        """
        self._make = inspector
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, float], Product] = {}
        self.store = store
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
        """A product from the store, remembered until its file changes; call it in one's turn.

        Raises:
            tools.errors.InputError: no such product, or its file has a fault.
        """
        key = (name, self.store.changed_at(name))
        if key not in self._kept:
            spec = self.store.read(name)
            self.store.refuse_foreign_photos(spec, name)
            others = [(k, p) for k, p in self._kept.items() if k[0] != name]
            self._kept = dict(others[-MOST_KEPT + 1 :])
            self._kept[key] = self.inspector.load(self.store.file(name))
        self._kept[key] = self._kept.pop(key)
        return self._kept[key]

    def inspect(
        self,
        photo: Path | str | None,
        *,
        product: str | Product | None,
        references: Sequence[Path],
        normal: str,
        on_step: OnStep,
        on_place: Callable[[int], None],
        on_photo: Callable[[Sample], None] = lambda sample: None,
    ) -> tuple[InspectionReport, Product | None]:
        """One inspection and the product it used, photos decoded in its turn alone; what the callbacks raise ends it.

        Raises:
            tools.errors.InputError: a photo, text or product is refused.
        """
        checked_text("normal", normal, LONGEST_NORMAL)
        refuse_many(references)
        with self.queue.turn(on_place):
            sample = photo_of(photo)
            on_photo(sample)
            known = self.product(product) if isinstance(product, str) else product
            samples = [] if known is not None else [photo_of(path) for path in references]
            report = self.inspector.inspect(sample, product=known, references=samples, normal=normal, on_step=on_step)
        return report, known if report.state is None else report.state.product

    def learn(
        self,
        name: str,
        photos: Sequence[Path],
        *,
        normal: str,
        noun: str = "",
        on_place: Callable[[int], None] = lambda ahead: None,
        on_turn: Callable[[], None] = lambda: None,
        on_stage: OnStage = lambda stage: None,
    ) -> Product:
        """Learns a product and keeps it; of several calls with one name, exactly one succeeds.

        Raises:
            tools.errors.InputError: the name is kept already, or a photo or text is refused.
        """
        name = name.strip()
        self.store.refuse_known(name)
        if not photos and not normal.strip():
            raise InputError("there is nothing to learn from; give photos of good ones, or say what good means.")
        checked_text("normal", normal, LONGEST_NORMAL)
        checked_text("noun", noun, LONGEST_NOUN)
        refuse_many(photos)
        with self.queue.turn(on_place):
            on_turn()
            self.store.refuse_known(name)
            for photo in photos:
                photo_of(photo)
            kept = self.store.keep_photos(name, photos)
            try:
                product = self.inspector.learn(
                    name, kept, describe=normal, product=noun.strip() or None, on_stage=on_stage
                )
                self.store.keep(product, new=True)
            except BaseException:
                for copy in kept:
                    copy.unlink(missing_ok=True)
                raise
        return product


def photo_of(path: Path | str | None) -> Sample:
    """A visitor's photo.

    Raises:
        tools.errors.InputError: there is none, it is no image, or it has too many pixels for a page.
    """
    if path is None:
        raise InputError("there is no photo yet; upload, paste or take one, or choose an example.")
    try:
        pixels_of(Path(path))
        return load_sample(Path(path))
    except InputError as error:
        raise InputError(_without_folders(str(error), [Path(path)])) from error


def pixels_of(path: Path) -> int:
    """Pixels of a photo that is not too large for the page; its header alone is read.

    Raises:
        tools.errors.InputError: it is no photo, or is too large.
    """
    needed = decoded_bytes(path)
    if needed > LARGEST_DECODED:
        raise InputError(
            f"{path.name}: takes {needed // 1_000_000} MB while it is decoded, more than the "
            f"{LARGEST_DECODED // 1_000_000} MB that the page gives; {_INSTEAD}"
        )
    with Image.open(path, formats=FORMATS) as picture:
        width, height = picture.size
    if width * height > LARGEST_AREA:
        raise InputError(
            f"{path.name}: {width} x {height} pixels are more than the {LARGEST_AREA // 1_000_000} megapixels that the "
            f"page takes; {_INSTEAD}"
        )
    return width * height


def refuse_many(photos: Sequence[Path]) -> None:
    """Refuse good photos that take too much memory together, before any is decoded.

    Raises:
        tools.errors.InputError: they are too many or too large, or one is no photo.
    """
    if len(photos) > MOST_GOOD:
        raise InputError(f"{len(photos)} good photos are more than the {MOST_GOOD} that the page takes; give fewer.")
    try:
        total = sum(pixels_of(path) for path in photos)
    except InputError as error:
        raise InputError(_without_folders(str(error), photos)) from error
    if total > LARGEST_GOOD:
        raise InputError(
            f"the good photos have {total // 1_000_000} megapixels together, more than the "
            f"{LARGEST_GOOD // 1_000_000} that the page takes; give fewer or smaller ones."
        )


def _without_folders(text: str, paths: Sequence[Path]) -> str:
    """A message without the places of a visitor's files on this machine, which are nobody's business."""
    for path in paths:
        text = text.replace(str(path), path.name)
    return text

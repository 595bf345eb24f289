"""What a person corrects in a product: false alarms, misses, and the types of defects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.photo_input import Photo, References
from agent.products.spec import Product
from agent.text_limits import DESCRIPTION, checked_text

if TYPE_CHECKING:
    from agent.products.revision import Check
    from agent.report.model import InspectionReport
    from agent.state import Context, InspectionState
    from tools.pixel_values import ValueRange
    from tools.types import Sample


class ProductRevisions:
    """The part of `Inspector` that revises products; what it uses of it is declared here."""

    inspect: Callable[..., InspectionReport]
    _samples: Callable[[References, ValueRange | None], list[Sample]]

    @property
    def context(self) -> Context:
        """Tools, maps and limits of this inspector."""
        raise NotImplementedError

    def check(self, photo: Photo, product: Product) -> tuple[Check, ...]:
        """How a photo stands to every rule of a product, the strongest first.

        Raises:
            tools.errors.InputError: the photo cannot be read.
        """
        from agent.products.revision import check

        (sample,) = self._samples([photo], product.spec.value_range)
        return check(self.context.toolbox, product, sample)

    def add(self, product: Product, photos: References) -> tuple[Product, tuple[str, ...]]:
        """Takes photos that were false alarms as references: all rules are proved again; says what changed.

        Raises:
            tools.errors.InputError: a photo cannot be read, or is a reference already.
        """
        from agent.products.revision import add

        samples = self._samples(photos, product.spec.value_range)
        return add(self.context.toolbox, product, samples, self.context.calibration)

    def reject(self, product: Product, photos: References, describe: str = "") -> tuple[Product, tuple[str, ...]]:
        """Learns from photos of bad ones that were missed, and from what is wrong with them; says what changed.

        Raises:
            tools.errors.InputError: a photo cannot be read, or the words contradict the product's rules.
        """
        from agent.products.revision import reject

        checked_text("description", describe, DESCRIPTION)
        samples = self._samples(photos, product.spec.value_range)
        return reject(self.context.toolbox, product, samples, describe)

    def teach(
        self, product: Product, defect: str, photos: References, masks: Sequence[Path] = ()
    ) -> tuple[Product, tuple[str, ...]]:
        """Takes photos as examples of a type of defect, by which later findings are named; says what was learned.

        Args:
            product: as learned; `Product.save` keeps the examples beside its file.
            defect: name of the type, such as "scratch".
            photos: that show the defect, as `learn` takes them.
            masks: image files that mark the defect, one for each photo in the same order; without any the inspection
                finds the region.

        Raises:
            tools.errors.InputError: a photo or mask cannot be read, no region is found, or a photo is taught as another
                type already.
        """
        from agent.products.defects import teach

        def found(sample: Sample) -> InspectionState:
            state = self.inspect(sample, product=product).state
            if state is None:
                raise RuntimeError("an inspection ended without a state")
            return state

        samples = self._samples(photos, product.spec.value_range)
        return teach(found, self.context, product, defect, samples, masks)

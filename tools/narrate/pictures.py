"""Photos as the processor makes them ready for the vision tower, kept, so that a further question scales nothing."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

PROMPTS = 4
"""Sets of photos that are kept, the last used first."""


class Pictures:
    """Stands before a processor's image processor, and does each set of photos once."""

    def __init__(self, image_processor: Any, prompts: int = PROMPTS) -> None:
        """Takes the image processor; all that it can besides is passed on."""
        self._real = image_processor
        self._prompts = prompts
        self._kept: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self.digests: tuple[str, ...] = ()
        """Of the photos of the next call."""

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> Any:
        """What the image processor makes of the photos whose digests were set."""
        key = (*self.digests, repr(args), repr(sorted(kwargs.items(), key=lambda item: item[0])))
        if key not in self._kept:
            self._kept[key] = self._real(images, *args, **kwargs)
            while len(self._kept) > self._prompts:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        found = copy.copy(self._kept[key])
        # A processor may take things out of what it gets.
        found.data = dict(found.data)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_real"], name)


def with_pictures(processor: Any) -> tuple[Any, Pictures]:
    """The same processor, with its image processor behind a `Pictures`; the given one is left as it is."""
    made, pictures = copy.copy(processor), Pictures(processor.image_processor)
    made.image_processor = pictures
    return made, pictures

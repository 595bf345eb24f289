"""A local language model that goes on in a lighter form when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from tools.errors import ModelError
from tools.models.memory import Rung, free, is_out_of_memory, load_lightest_needed
from tools.types import RGB
from tools.vlm.answers import Turn
from tools.vlm.local import LocalVLM
from tools.vlm.schema import Schema

if TYPE_CHECKING:
    from tools.models.loading import Loaded

_T = TypeVar("_T")


class MemoryFallbackVLM(LocalVLM):
    """A `LocalVLM` with lighter forms of its model to fall back on; each is taken once, so that it always ends."""

    def __init__(
        self,
        loaded: Loaded,
        lighter: Sequence[Rung],
        *,
        image_size: int | None = None,
        told: Callable[[Loaded | None], None] = lambda _: None,
    ) -> None:
        """Takes a model and what may replace it.

        Args:
            loaded: see `LocalVLM`.
            lighter: forms to fall back on, in their order.
            image_size: see `LocalVLM`.
            told: told None when the model is given up, then the one that replaces it; it must not hold the former.
        """
        super().__init__(loaded, image_size=image_size)
        self._lighter = list(lighter)
        self._told = told

    def answer(
        self, images: Sequence[RGB], turns: Sequence[Turn], max_new_tokens: int = 64, *, schema: Schema | None = None
    ) -> str:
        """See `LocalVLM.answer`."""
        return self._steadily(
            lambda: super(MemoryFallbackVLM, self).answer(images, turns, max_new_tokens, schema=schema)
        )

    def choose(
        self, images: Sequence[RGB], turns: Sequence[Turn], options: Sequence[str], *, per_token: bool = False
    ) -> dict[str, float]:
        """See `LocalVLM.choose`."""
        return self._steadily(
            lambda: super(MemoryFallbackVLM, self).choose(images, turns, options, per_token=per_token)
        )

    def yes_no(self, images: Sequence[RGB], turns: Sequence[Turn]) -> float:
        """See `LocalVLM.yes_no`."""
        return self._steadily(lambda: super(MemoryFallbackVLM, self).yes_no(images, turns))

    def _steadily(self, run: Callable[[], _T]) -> _T:
        """What `run` gives, in the first form of the model that has memory for it."""
        while True:
            try:
                return run()
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if not self._lighter:
                    raise ModelError(
                        "there is too little memory for the language model to answer; give it smaller photos "
                        "(image_size in "
                        "the profile), or take a smaller profile."
                    ) from error
            self._replace()

    def _replace(self) -> None:
        """Loads the next lighter form, after the memory of the last was given back."""
        image_size = self._image_size
        del self._loaded
        self._told(None)
        free()
        loaded, self._lighter = load_lightest_needed(self._lighter, "vlm")
        # Anew, since whatever is kept between questions belongs to the model before.
        super().__init__(loaded, image_size=image_size)
        self._told(loaded)

"""What an inspector has found out about products, kept within bounds, so that a batch finds it out once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agent.products.spec import reference_paths

if TYPE_CHECKING:
    from agent.matchers.questions import Familiar
    from agent.products.product_cache import LearnedProducts
    from agent.products.spec import Product
    from tools.describe import RegionDescriber
    from tools.types import Sample

PRODUCTS = 4
"""Products that are kept with their references and memory banks."""
ANSWERS = 1_000
"""Answers that are kept."""
T = TypeVar("T")


class BoundedCache(Generic[T]):
    """Values by key; when it is full, the value that was not used for longest makes room.

    >>> cache = BoundedCache[int](2)
    >>> [cache.get(key, lambda: len(key)) for key in ("a", "bb", "a", "ccc")], list(cache)
    ([1, 2, 1, 3], ['a', 'ccc'])
    """

    def __init__(self, size: int) -> None:
        """Starts empty.

        Args:
            size: values kept at most.
        """
        self._size = size
        self._values: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Returns the value of a key; makes it where it is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value

    def __iter__(self) -> Iterator[str]:
        """Iterates over the keys, the one not used for longest first."""
        return iter(tuple(self._values))


class ProductCache:
    """Learned products, whether the vision-language model knows a product, and references made ready."""

    def __init__(self, learned: LearnedProducts | None = None) -> None:
        """Starts empty.

        Args:
            learned: products that other processes learned; None keeps products in memory alone.
        """
        self._kept = learned
        self._learned: BoundedCache[Product] = BoundedCache(PRODUCTS)
        self.familiar: BoundedCache[Familiar] = BoundedCache(ANSWERS)
        self.describers: BoundedCache[RegionDescriber] = BoundedCache(PRODUCTS)

    def product(self, asked: Mapping[str, Any], references: Sequence[Sample], learn: Callable[[], Product]) -> Product:
        """Returns the product of references and words; learns it where it was not learned before.

        Args:
            asked: words and options of the call, as JSON values.
            references: photos of good ones.
            learn: makes the product.
        """
        kept = self._kept
        key = json.dumps([asked, [(sample.digest, sample.value_range) for sample in references]], sort_keys=True)
        found = self._learned.get(key, learn if kept is None else lambda: kept.get(asked, references, learn))
        given = {sample.digest: sample for sample in reversed(references)}
        own = tuple(given.get(sample.digest, sample) for sample in found.references)
        return replace(found, references=own, spec=found.spec.model_copy(update={"references": reference_paths(own)}))

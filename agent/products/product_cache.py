"""Keeps learned products in the user's cache, so that no later call learns the same reference photos again.

A product is known by everything that it follows from: the pixels of the references, the words, the weights, the
calibration and the program's own files. What is kept is MessagePack of listed types, as the state of an inspection is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.products.spec import MatcherState, Product, ProductSpec, reference_paths
from agent.state_serializer import TYPES, StateSerializer
from tools import anomaly, parts
from tools.errors import LookTwiceError
from tools.files import read_bytes, write_atomic
from tools.types import Sample
from tools.user_cache import cache_folder

KEPT = 32
"""Products that are kept, those that were used last."""
LARGEST = 500_000_000
"""Bytes of the largest product that is kept."""
ROOMS = ("agent", "tools", "prompts")
"""Packages whose files decide what is learned."""
LIBRARIES = ("torch", "transformers", "open_clip_torch", "numpy", "scipy", "scikit-image", "scikit-learn")
"""The same of other packages, by their versions."""
_SUFFIX = ".product"


class LearnedProducts:
    """A folder of learned products; whatever goes wrong with a file, the product is learned again."""

    def __init__(self, folder: Path | None, identity: Callable[[], Mapping[str, Any]]) -> None:
        """Opens nothing yet.

        Args:
            folder: need not exist; None keeps nothing.
            identity: tells what products of this inspector depend on besides photos and words, as JSON values.
        """
        self._folder = folder
        self._of_inspector = identity

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {**self._of_inspector(), "program": program_digest(), "libraries": _versions()}

    @classmethod
    def of_user(cls, identity: Callable[[], Mapping[str, Any]]) -> LearnedProducts:
        """The products in the user's cache folder."""
        home = cache_folder()
        return cls(None if home is None else home / "products", identity)

    def get(self, asked: Mapping[str, Any], references: Sequence[Sample], learn: Callable[[], Product]) -> Product:
        """Returns the product of references and words; learns and keeps it where it is not there.

        Args:
            asked: words and options of the call, as JSON values.
            references: photos of good ones, in the order given.
            learn: makes the product.
        """
        if self._folder is None or not references:
            return learn()
        path = self._folder / f"{self._key(asked, references)}{_SUFFIX}"
        found = _read(path, references)
        if found is None:
            found = learn()
            _write(path, found)
        return found

    def _key(self, asked: Mapping[str, Any], references: Sequence[Sample]) -> str:
        """The digest of everything that a product follows from."""
        known = [self._identity, dict(asked), [(sample.digest, sample.value_range) for sample in references]]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode("utf-8", "backslashreplace")).hexdigest()


def _read(path: Path, references: Sequence[Sample]) -> Product | None:
    """A product that was kept; None where there is none, or its file is damaged."""
    try:
        content = read_bytes(path, limit=LARGEST + 64, what="learned product")
        digest, kept = content[:32], content[32:]
        if hashlib.sha256(kept).digest() != digest:
            return None
        spec, values = StateSerializer(references, None, types=_types()).loads_typed(("looktwice-state", kept))
        path.touch()
        known = ProductSpec.model_validate_json(spec)
        return Product(known.model_copy(update={"references": reference_paths(values["references"])}), **values)
    except (LookTwiceError, OSError, ValueError, TypeError, KeyError, RuntimeError):
        return None


def _write(path: Path, product: Product) -> None:
    """Keeps a product, and drops those that were not used for longest; nothing is kept that cannot be written."""
    values = {name: getattr(product, name) for name in ("references", "parts", "types", "notes")}
    values |= {"states": dict(product.states), "models": dict(product.models)}
    with contextlib.suppress(TypeError, ValueError, OSError):
        serializer = StateSerializer(product.references, None, types=_types())
        _, kept = serializer.dumps_typed((product.spec.model_dump_json(exclude={"references"}), values))
        if len(kept) > LARGEST:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, hashlib.sha256(kept).digest() + kept)
        there = sorted(path.parent.glob(f"*{_SUFFIX}"), key=lambda p: p.stat().st_mtime)
        for old in there[:-KEPT]:
            old.unlink(missing_ok=True)


@cache
def program_digest(root: Path = Path(__file__).parents[2]) -> str:
    """SHA-256 (hex) of the program's own files that decide what is learned; `root` holds the packages."""
    found = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".py", ".yaml"):
                found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _versions() -> dict[str, str]:
    known = {}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            known[name] = version(name)
    return known


@cache
def _types() -> tuple[type, ...]:
    """What a learned product is made of, besides what the state of an inspection is."""
    return (
        *TYPES,
        MatcherState,
        anomaly.Bank,
        anomaly.EncodedImages,
        anomaly.Tokens,
        anomaly.TwoScaleBank,
        parts.Arrangement,
        parts.AssignmentCosts,
        parts.Branch,
        parts.Descriptors,
        parts.Divider,
        parts.Finder,
        parts.Layout,
        parts.PartType,
        parts.PartTypes,
        parts.ProductPose,
        parts.Scale,
    )

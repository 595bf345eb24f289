"""What a rendered photo is and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tools.types import RGB, Box, Mask

Kind = Literal["structural", "logical"]
Style = Literal["plain", "shift"]


@dataclass(frozen=True)
class Family:
    """One kind of product and what holds for every good one."""

    name: str
    product: str
    """What people call it: "compartment tray"."""
    normal: str
    """What a good one looks like, in sentences."""
    nouns: tuple[str, ...]
    """What its parts are called."""
    rules: tuple[dict[str, Any], ...]
    """What is true of every good one: kind, the parts it speaks of, bounds, and `words`."""
    logical: tuple[str, ...]
    """Logical defects that it can have."""
    structural: tuple[str, ...]
    """Structural defects that it can have."""
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Which parts a structural defect may strike."""

    @property
    def is_logical(self) -> bool:
        """Whether it has rules beyond an intact surface."""
        return bool(self.logical)

    @property
    def defects(self) -> tuple[str, ...]:
        """Every defect that it can have, logical first."""
        return self.logical + self.structural


@dataclass(frozen=True, eq=False)
class ScenePart:
    """One part as it is seen."""

    noun: str
    box: Box
    mask: Mask
    """Visible pixels, bool (H, W)."""
    attributes: dict[str, str | float]
    """At least "colour"; "length" and "width" in pixels of the photo where they mean something."""


@dataclass(frozen=True, eq=False)
class SceneDefect:
    """One defect, with its region and its story."""

    name: str
    kind: Kind
    mask: Mask
    """Where it is, bool (H, W), never empty; for a logical one everywhere that may be blamed."""
    box: Box
    words: str
    """A noun phrase: "a dark scratch on the washer"."""
    place: str
    """One of nine: "upper left", "top", ..., "centre", ..., "lower right"."""
    severity: Literal["minor", "moderate", "severe"]
    cause: str
    consequence: str
    advice: str
    saturation: int
    """Pixels of the mask that a method must find to have found it (MVTec LOCO AD, section 4.1)."""
    pixel_value: int
    """Grey value that names the defect in a ground truth image."""


@dataclass(frozen=True)
class SceneQuestion:
    """One question to the language model and its true answer."""

    name: str
    """Key of the question in prompts/questions.yaml."""
    question: str
    answer: str


@dataclass(frozen=True, eq=False)
class Scene:
    """A photo and its truth."""

    image: RGB
    family: str
    product: str
    parts: tuple[ScenePart, ...]
    defects: tuple[SceneDefect, ...]
    """Empty for a good one."""
    questions: tuple[SceneQuestion, ...]

    @property
    def anomaly_mask(self) -> Mask:
        """Pixels of any defect, bool (H, W)."""
        mask = np.zeros(self.image.shape[:2], np.bool_)
        for defect in self.defects:
            mask |= defect.mask
        return mask

"""Lessons: embedded examples of defect types that a person named, kept beside a product."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tools.errors import InputError
from tools.files import write_atomic

Embedding = NDArray[np.float32]
"""(D,) features of a region, or (N, D) of several; each of their levels has unit length."""
MOST = 10_000
"""Lessons of one product."""
LONGEST_NAME = 80
"""Characters of a type's name."""


@dataclass(frozen=True, eq=False)
class DefectLesson:
    """One example of a defect type."""

    defect: str
    """Name of the type."""
    photo: str
    """File name of the photo, for people."""
    digest: str
    """Of the photo's pixels."""
    box: tuple[float, float, float, float]
    """xyxy of the region in pixels of the photo."""
    embedding: Embedding


@dataclass(frozen=True, eq=False)
class DefectLessons:
    """All lessons of a product, embedded by one backbone."""

    model: str
    """Digest of the backbone."""
    lessons: tuple[DefectLesson, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """The names of the types, in the order in which they were first taught."""
        return tuple(dict.fromkeys(lesson.defect for lesson in self.lessons))

    @property
    def embeddings(self) -> Embedding:
        """(N, D)."""
        return np.stack([lesson.embedding for lesson in self.lessons])

    def added(self, lessons: Sequence[DefectLesson]) -> DefectLessons:
        """These lessons and more; one of the same photo and place is replaced.

        Raises:
            InputError: a photo and place is taught as two types, or there are too many lessons.
        """
        known = {(lesson.digest, lesson.box): lesson for lesson in self.lessons}
        for lesson in lessons:
            earlier = known.get((lesson.digest, lesson.box))
            if earlier is not None and earlier.defect != lesson.defect:
                raise InputError(
                    f"{lesson.photo}: its region is taught as '{earlier.defect}' already, and now as "
                    f"'{lesson.defect}'; give the name that it was taught by, or another photo."
                )
            known[lesson.digest, lesson.box] = lesson
        if len(known) > MOST:
            raise InputError(f"a product has at most {MOST} lessons of defects; found {len(known)}; leave some out.")
        return DefectLessons(self.model, tuple(known.values()))

    def save(self, path: Path) -> None:
        """Write the lessons as safetensors, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        about = [[x.defect, x.photo, x.digest, x.box] for x in self.lessons]
        metadata = {"model": self.model, "lessons": json.dumps(about, ensure_ascii=True)}
        try:
            write_atomic(path, save({"embeddings": self.embeddings}, metadata))
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); give another folder.") from error

    @classmethod
    def load(cls, path: Path, model: str) -> DefectLessons:
        """Read lessons.

        Args:
            path: the file.
            model: digest of the backbone that embeds what they are compared with.

        Raises:
            InputError: the file is damaged, or was written with another backbone.
        """
        again = "teach the defects again: looktwice learn NAME --defect TYPE PHOTO..."
        try:
            with safe_open(path, framework="np") as file:
                metadata, embeddings = file.metadata() or {}, file.get_tensor("embeddings")
            about = json.loads(metadata["lessons"])
            found = tuple(
                DefectLesson(str(defect), str(photo), str(digest), (x0, y0, x1, y1), embedding)
                for (defect, photo, digest, (x0, y0, x1, y1)), embedding in zip(about, embeddings, strict=True)
            )
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path}: holds no lessons of defects that can be read; remove it, and {again}") from error
        if metadata.get("model") != model:
            raise InputError(
                f"{path}: its lessons were embedded by the backbone {metadata.get('model', '')[:12]}, the profile has "
                f"{model[:12]}; use the profile that it was taught with, or {again}"
            )
        return cls(model, found)

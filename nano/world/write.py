"""Writes the world to disk: MVTec LOCO layout, questions, parts, and what normal looks like."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from PIL import Image

import prompts
from nano.world import annotations as records
from nano.world.make import family, render, share
from nano.world.scene import Scene
from nano.world.words import FAMILIES, HELDOUT, TRAINED
from tools.errors import InputError

Split = Literal["train", "heldout", "all"]
STAMP = "world.yaml"
"""At the root of every written world; --force replaces only a folder that has it."""
BATCH = 8
"""Photos that a worker renders at a time."""
MOST = 100_000
"""Photos of a kind; more would meet the indices of the next kind."""
BYTES_A_PIXEL = 2.6
"""Of a written photo with its truth, generously."""


@dataclass(frozen=True)
class RenderJob:
    """One photo to write."""

    family: str
    folder: str
    """Below the family: "train/good", "test/logical_anomalies", ..."""
    number: int
    index: int
    defect: str | None


def write_world(
    directory: Path,
    *,
    seed: int,
    families: Sequence[str] | None = None,
    split: Split = "all",
    count: int = 20,
    style: str = "plain",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
    size: int = 256,
) -> None:
    """Writes `count` photos of each kind for each family; whole, or not at all.

    Kinds are train/good, validation/good, test/good, and test/logical_anomalies and
    test/structural_anomalies where the family has such defects, which take turns.

    Args:
        directory: new or empty; with `force`, an earlier world that is replaced.
        seed: same seed and arguments, same bytes.
        families: names; None for all of the split.
        split: which families when none are named.
        count: photos of each kind.
        style: "plain" or "shift".
        force: replace an earlier world.
        progress: called with (photos done, photos in all).
        workers: processes; None for one a core, 1 for none beside this one.
        size: side of the photos in pixels, a multiple of 8.

    Raises:
        InputError: an unknown family, style or size, a folder that is not empty, no space or no permission.
    """
    names = _chosen(families, split, count)
    render(names[0], seed=seed, index=0, size=size, style=style)
    directory = Path(directory)
    photos = count * sum(len(_folders(name)) for name in names)
    with _explained(directory):
        _refuse(directory, force, round(photos * size * size * BYTES_A_PIXEL))
        jobs = [job for name in names for job in _plan(name, count)]
        aside = directory.parent / f".{directory.name}.{os.getpid()}.part"
        try:
            aside.mkdir(parents=True)
            _render_all(aside, jobs, _Setting(seed, size, style), progress, workers)
            _finish(aside, names, seed=seed, count=count, style=style, size=size)
            _swap(aside, directory)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _chosen(families: Sequence[str] | None, split: Split, count: int) -> list[str]:
    if not 1 <= count <= MOST:
        raise InputError(f"Count is {count}; give from 1 to {MOST} photos of each kind.")
    splits = {"train": TRAINED, "heldout": HELDOUT, "all": FAMILIES}
    if split not in splits:
        raise InputError(f"Unknown split '{split}'; choose train, heldout or all.")
    return [family(name).name for name in dict.fromkeys(families or splits[split])]


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = {
            errno.ENOSPC: "the disk is full; free some space or lower the count",
            errno.EACCES: "permission is denied; choose a folder that you may write to",
            errno.EPERM: "permission is denied; choose a folder that you may write to",
            errno.EROFS: "the disk is read-only; choose another folder",
            errno.ENOTDIR: "part of the path is a file; choose another folder",
        }.get(error.errno or 0, str(error))
        raise InputError(f"The world cannot be written to {directory}: {why}.") from error


def _refuse(directory: Path, force: bool, needed: int) -> None:
    if directory.is_file():
        raise InputError(f"{directory} is a file; name a folder that is new or empty.")
    if directory.is_dir() and any(directory.iterdir()):
        if not force:
            raise InputError(f"{directory} is not empty; name another folder, or pass --force to replace it.")
        if not (directory / STAMP).is_file():
            raise InputError(f"{directory} holds something else than a world and is not replaced; name another.")
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise InputError(
            f"The world needs about {needed / 1e6:.0f} MB at {directory}, and {free / 1e6:.0f} MB are free;"
            " free some space or lower the count."
        )


def _folders(name: str) -> list[tuple[int, str, tuple[str, ...]]]:
    """(first index, folder, defects that take turns in it) for each kind of photo of a family."""
    kind = family(name)
    folders = [
        (0, "train/good", ()),
        (100_000, "validation/good", ()),
        (200_000, "test/good", ()),
        (300_000, "test/logical_anomalies", kind.logical),
        (400_000, "test/structural_anomalies", kind.structural),
    ]
    return [entry for entry in folders if entry[2] or entry[1].endswith("good")]


def _plan(name: str, count: int) -> list[RenderJob]:
    return [
        RenderJob(name, folder, number, first + number, defects[number % len(defects)] if defects else None)
        for first, folder, defects in _folders(name)
        for number in range(count)
    ]


@dataclass(frozen=True)
class _Setting:
    seed: int
    size: int
    style: str


@dataclass(frozen=True)
class _Written:
    """What the lines of qa.jsonl, parts.jsonl and defects_config.json need of one photo."""

    family: str
    asked: list[dict[str, Any]]
    parts: dict[str, Any]
    greys: list[tuple[str, int, float]]


def _render_all(
    root: Path,
    jobs: list[RenderJob],
    setting: _Setting,
    progress: Callable[[int, int], None] | None,
    workers: int | None,
) -> None:
    batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
    for folder in {root / job.family / job.folder for job in jobs}:
        folder.mkdir(parents=True)
    many = workers if workers is not None else os.cpu_count() or 1
    done = 0
    greys: dict[str, dict[str, tuple[str, int, float]]] = {}
    with (
        (root / "qa.jsonl").open("w", encoding="utf-8") as qa,
        (root / "parts.jsonl").open("w", encoding="utf-8") as parts,
    ):
        for written in _mapped(root, batches, setting, min(many, len(batches))):
            for photo in written:
                qa.writelines(json.dumps(line) + "\n" for line in photo.asked)
                parts.write(json.dumps(photo.parts) + "\n")
                seen = greys.setdefault(photo.family, {})
                seen.update({f"{255 - grey[1]:03d}": grey for grey in photo.greys})
            done += len(written)
            if progress is not None:
                progress(done, len(jobs))
    for name, seen in greys.items():
        config = [
            {
                "defect_name": defect,
                "pixel_value": value,
                "saturation_threshold": threshold,
                "relative_saturation": True,
            }
            for _, (defect, value, threshold) in sorted(seen.items())
        ]
        (root / name / "defects_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _mapped(root: Path, batches: list[list[RenderJob]], setting: _Setting, workers: int) -> Iterator[list[_Written]]:
    if workers <= 1:
        yield from (_write_batch(root, batch, setting) for batch in batches)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_write_batch, root, batch, setting) for batch in batches]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _write_batch(root: Path, batch: list[RenderJob], setting: _Setting) -> list[_Written]:
    return [_write(root, job, setting) for job in batch]


def _write(root: Path, job: RenderJob, setting: _Setting) -> _Written:
    scene = render(
        job.family,
        seed=setting.seed,
        index=job.index,
        defect=job.defect,
        size=setting.size,
        style=setting.style,
    )
    path = f"{job.family}/{job.folder}/{job.number:03d}.png"
    Image.fromarray(scene.image).save(root / path, compress_level=1)
    masks = _write_truth(root, job, scene)
    reference = f"{job.family}/train/good/{job.number:03d}.png" if job.folder.startswith("test/") else None
    asked = records.question_record(path, scene, masks, reference, prompts.questions())
    greys = [(d.name, d.pixel_value, share(d)) for d in scene.defects]
    return _Written(job.family, asked, records.listed(path, scene, masks), greys)


def _write_truth(root: Path, job: RenderJob, scene: Scene) -> list[str]:
    paths = []
    for number, defect in enumerate(scene.defects):
        label = job.folder.removeprefix("test/")
        path = f"{job.family}/ground_truth/{label}/{job.number:03d}/{number:03d}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        grey = defect.mask.astype(np.uint8) * np.uint8(defect.pixel_value)
        Image.fromarray(grey).save(root / path, compress_level=6)
        paths.append(path)
    return paths


def _finish(root: Path, names: list[str], **setting: object) -> None:
    for name in names:
        kind = family(name)
        about = {
            "name": kind.name,
            "product": kind.product,
            "normal": kind.normal,
            "parts": list(kind.nouns),
            "rules": [dict(rule) for rule in kind.rules],
            "defects": {"logical": list(kind.logical), "structural": list(kind.structural)},
            "split": "heldout" if name in HELDOUT else "train",
        }
        (root / name / "product.yaml").write_text(
            yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=100), encoding="utf-8"
        )
    stamp = {"world": 1, "families": names, **setting}
    (root / STAMP).write_text(yaml.safe_dump(stamp, sort_keys=False), encoding="utf-8")


def _swap(aside: Path, directory: Path) -> None:
    """Puts the finished world in place; an earlier one goes only once the new one stands."""
    old = directory.parent / f".{directory.name}.{os.getpid()}.old"
    if directory.exists():
        directory.rename(old)
    try:
        aside.rename(directory)
    except OSError:
        if old.exists():
            old.rename(directory)
        raise
    if old.exists():
        shutil.rmtree(old)

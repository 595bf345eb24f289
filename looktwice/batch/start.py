"""Chooses how a batch runs: in this process, in several processes, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from joblib import cpu_count

from looktwice.batch.inputs import listed
from looktwice.batch.pool import PoolRunner
from looktwice.batch.ray_workers import RayRunner
from looktwice.batch.workers import Runner, SerialRunner, Work
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import Inspector, Product
    from tools.types import Sample

PRODUCT = "product.yaml"
"""What the first photo said of the product, where nobody else did."""
FEW = 16
"""Of fewer photos, more processes would take longer to start than they save."""
GIB_A_WORKER = 2.0
"""Memory that a process of nano takes at most, in GiB, with room to spare; larger profiles get one process."""


@dataclass(frozen=True)
class How:
    """How photos are inspected."""

    workers: int = 1
    patience: float = 600.0
    """Seconds that one photo may take in a worker process."""
    ray: str | None = None
    """Address of a Ray cluster, or "local"."""
    threads: int | None = None
    """Of each process; None shares the cores, and leaves a single process this one."""


def starter(
    inspector: Inspector,
    work: Work,
    how: How,
    say: Callable[[str], None],
    product_of: Callable[[Inspector], Product | None] = lambda inspector: None,
) -> Callable[[Sample], Runner]:
    """A function that makes the runner, given the first photo that can be read.

    Args:
        inspector: the one of this process.
        work: without a product where that is not known yet.
        how: in how many processes.
        say: told what a person should know.
        product_of: learns or reads the product, once there is a photo to inspect; of None the first photo says it.
    """

    def start(first: Sample) -> Runner:
        product = work.product or product_of(inspector) or _proposed(inspector, work, first, say)
        known = replace(work, product=product)
        if how.ray is not None:
            return RayRunner(known, address=how.ray, workers=how.workers)
        if how.workers > 1 or how.threads is not None:
            threads = how.threads or _threads(how.workers)
            return PoolRunner(known, workers=how.workers, threads=threads, patience=how.patience)
        return SerialRunner(inspector, known)

    return start


def _proposed(inspector: Inspector, work: Work, first: Sample, say: Callable[[str], None]) -> Product:
    """The product that a photo and the user's words propose; kept, so that all processes and calls take the same."""
    path = work.out / PRODUCT
    if not path.exists():
        steps = inspector.steps(first, normal=work.normal)
        product = next(state.product for name, _, state in steps if name == "propose")
        if product is not None:
            product.save(path)
            for note in product.notes:
                say(note)
    return inspector.load(path)


def chosen_workers(asked: int | None, device: str, profile: str, photos: int) -> int:
    """How many processes: as asked, or as the machine bears.

    Args:
        asked: by the user; None leaves it to the machine.
        device: where models run, such as "cpu".
        profile: its name.
        photos: how many there are, as far as counted.

    Raises:
        InputError: less than one.
    """
    if asked is not None:
        if asked < 1:
            raise InputError(f"--workers is {asked}; give 1 or more processes.")
        return asked
    if device != "cpu" or profile != "nano" or photos < FEW:
        return 1
    fit = int(psutil.virtual_memory().available / 2**30 / GIB_A_WORKER)
    return max(1, min(_cores(), fit))


def at_least(inputs: Sequence[Path], out: Path, number: int) -> int:
    """How many photos there are, counted up to a number.

    Raises:
        InputError: a folder cannot be read, or holds no photos.
    """
    return sum(1 for _ in islice(listed(inputs, out), number))


def _cores() -> int:
    return int(cpu_count())


def _threads(workers: int) -> int:
    return max(1, _cores() // workers)

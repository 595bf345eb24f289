"""Masks as COCO's compressed run lengths, so that any tool of that format can read a report."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np

from tools.errors import InputError
from tools.types import Mask

_CONTINUES = 0x20
_NEGATIVE = 0x10
_LOW_BITS = 0x1F
_FIRST = 48
"""Code point that stands for 0; each character carries five bits of a run and whether more follow."""


class Rle(TypedDict):
    """A mask as run lengths, column by column, the first run being of pixels that do not belong."""

    size: list[int]
    """[height, width] in pixels."""
    counts: str
    """The run lengths, each beyond the third as its difference from the last but one, in characters of five bits."""


def encode_rle(mask: Mask) -> Rle:
    """A mask (H, W) as pycocotools writes it.

    >>> encode_rle(np.array([[False, True], [True, True]]))
    {'size': [2, 2], 'counts': '13'}
    """
    flat = np.asarray(mask, dtype=np.bool_).flatten(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = [0, *([0] if flat.size and flat[0] else []), *edges.tolist(), flat.size]
    runs = [end - start for start, end in itertools.pairwise(bounds)]
    counts = "".join(_written(run - runs[n - 2] if n > 2 else run) for n, run in enumerate(runs))
    return Rle(size=[int(mask.shape[0]), int(mask.shape[1])], counts=counts)


def decode_rle(rle: Rle) -> Mask:
    """The mask (H, W) of run lengths.

    Raises:
        InputError: the size is not two positive numbers, or the runs do not fill it.
    """
    size, counts = rle["size"], rle["counts"]
    if len(size) != 2 or min(size) < 1:
        raise InputError(f"a mask's size is {size}; accepted is [height, width] in pixels.")
    runs: list[int] = []
    for n, value in enumerate(_numbers(counts)):
        runs.append(value + runs[n - 2] if n > 2 else value)
    if min(runs, default=0) < 0 or sum(runs) != size[0] * size[1]:
        raise InputError(f"a mask's runs cover {sum(runs)} pixels of {size[0]} x {size[1]}; the report is damaged.")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask: Mask = flat.reshape((size[0], size[1]), order="F")
    return mask


def _written(value: int) -> str:
    """One number in groups of five bits, lowest first."""
    characters = []
    more = True
    while more:
        group, value = value & _LOW_BITS, value >> 5
        more = value != -1 if group & _NEGATIVE else value != 0
        characters.append(chr(_FIRST + (group | _CONTINUES if more else group)))
    return "".join(characters)


def _numbers(counts: Sequence[str]) -> Iterator[int]:
    """The numbers that `_written` wrote, one after the other.

    Raises:
        InputError: a character is none of the code, or the last number is cut off.
    """
    value = shift = 0
    for character in counts:
        group = ord(character) - _FIRST
        if not 0 <= group < 64:
            raise InputError(f"a mask's runs hold {character!r}, which is not of COCO's code; the report is damaged.")
        value |= (group & _LOW_BITS) << shift
        shift += 5
        if not group & _CONTINUES:
            yield value - (1 << shift) if group & _NEGATIVE else value
            value = shift = 0
    if shift:
        raise InputError("a mask's runs end in the middle of a number; the report is damaged.")

"""Banks kept on disk by what they were made of, so that the same references are encoded once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from tools.anomaly.memory_bank import Bank
from tools.errors import LookTwiceError
from tools.models.checkpoints import brief
from tools.user_cache import VARIABLE, cache_folder

KEPT = 100
"""So many banks are kept; the one used longest ago goes first."""
_log = logging.getLogger("looktwice")
_NAME = re.compile(r"[0-9a-f]{64}\.safetensors")
"""Names of the files that are dropped; others in the folder stay."""
_VERSION = 2
"""Counts up whenever the same photos would give another bank."""


def default_bank_cache() -> Path | None:
    """The folder of this user's banks, or None where the cache is switched off."""
    home = cache_folder()
    return None if home is None else home / "banks"


class BankCache:
    """A folder of banks; whatever goes wrong with a file, the bank is made again, and inspections go on without it."""

    _told = False
    """Whether this process has said already that banks cannot be kept."""

    def __init__(self, folder: Path | None) -> None:
        """Takes a folder that need not exist; None keeps nothing."""
        self._folder = folder

    def find(self, model: str, side: int | None, recipe: str, references: Sequence[str], device: str) -> Bank | None:
        """The bank of these references (digests, in order) by this model and recipe, or None."""
        path = self._path(model, side, recipe, references)
        try:
            if path is None or not path.is_file():
                return None
            bank = Bank.load(path, device)
        except (LookTwiceError, OSError):
            return None
        if (bank.model, bank.side, bank.recipe, bank.references) != (model, side, recipe, tuple(references)):
            return None
        with contextlib.suppress(OSError):
            path.touch()
        return bank

    def keep(self, bank: Bank) -> None:
        """Stores a bank, whole or not at all, and drops the oldest ones.

        Where that fails (a full disk, a folder that cannot be written), nothing is kept, and the log says so once.
        """
        path = self._path(bank.model, bank.side, bank.recipe, bank.references)
        if path is None:
            return
        aside = path.with_suffix(f".{os.getpid()}.part")
        try:
            bank.save(aside)
            aside.replace(path)
            banks = [p for p in path.parent.iterdir() if _NAME.fullmatch(p.name)]
            for old in sorted(banks, key=lambda p: p.stat().st_mtime)[:-KEPT]:
                old.unlink(missing_ok=True)
        except (LookTwiceError, OSError) as error:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            self._tell(path.parent, error)

    @classmethod
    def _tell(cls, folder: Path, error: Exception) -> None:
        if not BankCache._told:
            BankCache._told = True
            _log.warning(
                "%s: what was learned of references cannot be kept (%s), so it is computed again each time; free some "
                "space, or set %s to another folder or to off.",
                folder,
                brief(error),
                VARIABLE,
            )

    def _path(self, model: str, side: int | None, recipe: str, references: Sequence[str]) -> Path | None:
        if self._folder is None:
            return None
        told = json.dumps([_VERSION, model, side, recipe, list(references)])
        return self._folder / f"{hashlib.sha256(told.encode()).hexdigest()}.safetensors"

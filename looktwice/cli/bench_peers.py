"""`looktwice bench peers`: the table of peers, in Markdown, JSON and files."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable
from pathlib import Path

import typer


def show_peers(
    profile: str, *, limit: int, seed: int, shots: int, peer: str | None, out: Path | None, json: bool, device: str,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Measures and prints; with `out` both forms are written there as well.

    Raises:
        tools.errors.LookTwiceError: as `bench_peers`; or `out` cannot be written.
    """
    from evals.benches.peers import bench_peers
    from tools.errors import InputError

    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be made a folder ({error}); give another --out.") from error
    found = bench_peers(
        profile, limit=limit, seed=seed, shots=shots, device=device, peer=peer or sys.executable, say=say
    )
    plain, table = json_format.dumps(found.as_dict(), indent=2), found.markdown()
    if out is not None:
        (out / "peers.json").write_text(plain + "\n", encoding="utf-8")
        (out / "peers.md").write_text(table, encoding="utf-8")
    typer.echo(plain if json else table)

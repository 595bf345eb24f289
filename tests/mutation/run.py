"""Mutation testing of a room in its own copy of the checkout: does a test fail when the code is changed?

    pip install cosmic-ray
    python tests/mutation/run.py rules --sample 60       # or metrics, calibrate; without --sample all mutants

Mutants are made in a copy of what git tracks, so that a run that is killed leaves nothing behind here. What survives is
printed with its change: either a test is missing, or the change means nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHOUT_MEANING = ("Annotations", "ReplaceBinaryOperator_BitOr", "RemoveDecorator")
"""Operators whose mutants change types or decorators alone: `X | None` in an annotation is no bit arithmetic."""
SEED = 20261125


def main() -> None:
    """Makes mutants, tests each, and prints how many a test noticed and which none did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[p.stem for p in Path(__file__).parent.glob("*.toml")])
    parser.add_argument("--sample", type=int, default=0, help="test so many mutants, drawn at random; 0 for all")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    config = Path(__file__).with_name(f"{options.name}.toml").resolve()
    with tempfile.TemporaryDirectory(prefix="looktwice-mutants-") as name:
        copy = Path(name) / "checkout"
        _copied(copy)
        session = Path(name) / "session.sqlite"
        environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"

        def call(*words: str) -> str:
            command = [sys.executable, "-m", "cosmic_ray.cli", *words]
            return subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True, text=True).stdout

        call("init", str(config), str(session))
        _trimmed(session, options.sample, options.seed)
        call("exec", str(config), str(session))
        sys.stdout.write(_summary(session))


def _copied(copy: Path) -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)


def _trimmed(session: Path, sample: int, seed: int) -> None:
    """Keeps the mutants that can mean something, and of them a sample."""
    with sqlite3.connect(session) as base:
        rows = base.execute("select job_id, operator_name from mutation_specs").fetchall()
        kept = sorted(job for job, operator in rows if not any(word in operator for word in WITHOUT_MEANING))
        if sample and sample < len(kept):
            kept = random.Random(seed).sample(kept, sample)
        dropped = {job for job, _ in rows} - set(kept)
        for table in ("mutation_specs", "work_items"):
            base.executemany(f"delete from {table} where job_id = ?", [(job,) for job in dropped])


def _summary(session: Path) -> str:
    with sqlite3.connect(session) as base:
        rows = base.execute(
            "select m.module_path, m.start_pos_row, m.operator_name, r.test_outcome, r.diff from mutation_specs m join "
            "work_results r on r.job_id = m.job_id order by m.module_path, m.start_pos_row"
        ).fetchall()
    lived = [row for row in rows if "SURVIVED" in str(row[3]).upper()]
    lines = [f"{len(rows)} mutants, {len(rows) - len(lived)} noticed, {len(lived)} survived"]
    for path, line, operator, _, diff in lived:
        changed = [text for text in (diff or "").splitlines() if text[:1] in "+-" and text[:3] not in ("+++", "---")]
        lines += [f"{path}:{line} {operator}", *(f"    {text}" for text in changed)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

"""LookTwice beside what else there is: the same photos, the same weights, one table from one command.

Three comparisons: scoring patches (anomalib's PatchCore and WinCLIP), judging parts (LogSAD's scoring rules), and
saying whether a part is good (the language model on its own). A peer that is not installed is left out and says why.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from agent import Inspector
from evals.benches.peers_data import SPLITS, TOPICS, PeerRow, ProductPhotos, Skipped, Topic, shown_products
from evals.benches.peers_logic import agent_rows, logsad_rows, rule_rows, vlm_rows
from evals.benches.peers_patch import RANDOM, patch_rows
from prompts import load_yaml, render
from tools.errors import InputError

if TYPE_CHECKING:
    from evals.benches.peers_data import Split

SEED = 20261125
"""Of what is rendered: neither a seed that models learned from nor one that maps were fitted on."""
VALIDATION = 8
"""Good photos besides the references that LogSAD's rules are given."""
COLUMNS = ("image_auroc", "image_auroc_logical", "image_auroc_structural", "pixel_auroc", "accuracy", "recall")


@dataclass(frozen=True)
class PeersBench:
    """What `bench_peers` measured."""

    profile: str
    seed: int
    limit: int
    shots: int
    validation: int
    threads: int
    rows: tuple[PeerRow, ...]
    skipped: tuple[Skipped, ...]
    command: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def markdown(self) -> str:
        """The table, what was left out and why, and the command, in Markdown."""
        words = load_yaml("peers")
        head = [*words["head"][:4], *(words["columns"][name] for name in COLUMNS), *words["head"][4:]]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += [f"| {' | '.join(cells(row, words['topics'][row.topic]))} |" for row in self.rows]
        return render("report/peers.md.jinja", table="\n".join(lines), bench=self)


def bench_peers(
    profile: str = "nano",
    *,
    limit: int = 40,
    seed: int = SEED,
    shots: int = 4,
    device: str = "auto",
    peer: str = sys.executable,
    splits: Sequence[Split] = SPLITS,
    families: Sequence[str] | None = None,
    topics: Sequence[Topic] = TOPICS,
    model: str | None = None,
    validation: int = VALIDATION,
    say: Callable[[str], None] = lambda _: None,
) -> PeersBench:
    """Measures all contenders on rendered products.

    Args:
        profile: whose weights everybody runs on.
        limit: photos of each split, over its families; at least four of each family.
        seed: of the photos.
        shots: references.
        device: of the agent and the language model; patch scorers are timed on the CPU.
        peer: Python of an environment with anomalib; by default this one.
        splits: trained and held-out families.
        families: only these.
        topics: which comparisons.
        model: open_clip architecture for WinCLIP where the profile's scorer has no windows.
        validation: good photos besides the references that LogSAD's rules are given.
        say: told what is being measured.

    Raises:
        tools.errors.InputError: no such device, or no family left.
        tools.errors.ModelError: the profile is not on disk.
    """
    inspector = Inspector(profile, device=device)
    rows, skipped = list[PeerRow](), dict[str, Skipped]()
    for split in splits:
        products = shown_products(split, seed=seed, limit=limit, shots=shots, validation=validation, families=families)
        if not products:
            continue
        for found in _measured(products, split, inspector, profile, shots, topics, peer, model, say):
            if isinstance(found, PeerRow):
                rows.append(found)
            else:
                skipped[found.who] = found
    if not rows and not skipped:
        raise InputError(f"nothing to measure: no family of {', '.join(splits)} is among {', '.join(families or ())}.")
    rows.sort(key=lambda row: TOPICS.index(row.topic))
    return PeersBench(
        inspector.profile,
        seed,
        limit,
        shots,
        validation,
        torch.get_num_threads(),
        tuple(rows),
        tuple(skipped.values()),
        _command(profile, limit, seed, shots, peer),
    )


def _measured(
    products: Sequence[ProductPhotos],
    split: Split,
    inspector: Inspector,
    profile: str,
    shots: int,
    topics: Sequence[Topic],
    peer: str,
    model: str | None,
    say: Callable[[str], None],
) -> list[PeerRow | Skipped]:
    toolbox = inspector.context.toolbox
    found: list[PeerRow | Skipped] = []
    if "patches" in topics:
        found += patch_rows(products, split, toolbox, profile, peer=peer, model=model or RANDOM, say=say)
    if "logic" in topics:
        found += agent_rows(products, split, inspector, shots, say)
        found += logsad_rows(products, split, toolbox, say)
    logical = [p for p in products if "logical" in p.labels]
    if "true parts" in topics and logical:
        found += rule_rows(logical, split, say)
        found += logsad_rows(logical, split, toolbox, say, true_parts=True)
    if "words" in topics:
        found += agent_rows(products, split, inspector, 0, say)
        found += vlm_rows(products, split, toolbox, say)
    return found


def cells(row: PeerRow, topic: str) -> list[str]:
    """A row of the table, column by column; empty where there is nothing to say."""
    figures = [f"{row.metrics[name]:.3f}" if name in row.metrics else "" for name in COLUMNS]
    memory = f"{row.peak_mib:.0f}" if row.peak_mib is not None else ""
    return [
        f"{topic}: {row.who}",
        row.split,
        str(row.shots),
        str(row.photos),
        *figures,
        f"{1 / row.seconds:.2f}",
        memory,
        row.note,
    ]


def _command(profile: str, limit: int, seed: int, shots: int, peer: str) -> str:
    other = "" if peer == sys.executable else " --peer PYTHON"
    return f"looktwice bench peers --profile {profile} --limit {limit} --seed {seed} --shots {shots}{other}"

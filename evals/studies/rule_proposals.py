"""Measures what rules a profile's language model proposes on the world, and how many of them good photos bear out.

Run `python -m evals.studies.rule_proposals [--profile nano]`. Parts are the true ones, so that only the language
model can err. It is asked for rules whatever its profile says of it; its questions are counted and not proved.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent.products.rule_proposals import proposed_rules
from agent.products.validation import kept_proposed
from agent.rules import AskRule
from agent.rules.induction import induce
from evals.fit.part_tolerances import TRUTH
from evals.run.ground_truth import measured_truth
from evals.studies.rule_quality import REFERENCES_FROM, SEED
from nano.world import HELDOUT, TRAINED, family, render
from tools.profiles import resolve_profile
from tools.toolbox import Toolbox

if TYPE_CHECKING:
    from tools.vlm import LocalVLM


@dataclass(frozen=True)
class ProposalCounts:
    """What became of the rules that were proposed for one family."""

    family: str
    rules: int
    """That can be measured."""
    borne_out: int
    """Of these."""
    new: int
    """Of those, what the photos do not show without being asked."""
    questions: int
    """To be put to the vlm."""


def measure_family(vlm: LocalVLM, name: str, *, shots: int) -> ProposalCounts:
    """What the language model proposes for a family of the world.

    Args:
        vlm: is asked.
        name: of a family with rules.
        shots: good photos that a rule is proved on; it is shown the first of them.
    """
    about = family(name)
    scenes = [render(name, seed=SEED, index=REFERENCES_FROM + n, defect=None) for n in range(shots)]
    names = {noun: noun for noun in about.nouns}
    rules, _ = proposed_rules(vlm, [scene.image for scene in scenes], about.product, names)
    measurable = [rule for rule in rules if not isinstance(rule, AskRule)]
    references = [measured_truth(scene) for scene in scenes]
    induced = induce(references, TRUTH)
    kept, _ = kept_proposed(measurable, references, TRUTH, told=(), induced=induced)
    shown = {rule.name for rule in induced}
    fresh = sum(rule.name not in shown for rule in kept)
    return ProposalCounts(name, len(measurable), len(kept), fresh, len(rules) - len(measurable))


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line of JSON for each family, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--family", nargs="*", default=TRAINED + HELDOUT)
    parser.add_argument("--shots", type=int, default=4)
    given = parser.parse_args(arguments)
    vlm = Toolbox.open(resolve_profile(given.profile), given.device).vlm
    found = []
    for name in [n for n in given.family if family(n).is_logical]:
        found.append(measure_family(vlm, name, shots=given.shots))
        sys.stdout.write(json.dumps(asdict(found[-1])) + "\n")
    for key in ("rules", "borne_out", "new", "questions"):
        sys.stdout.write(f"{key}: {sum(getattr(f, key) for f in found)}\n")


if __name__ == "__main__":
    main()

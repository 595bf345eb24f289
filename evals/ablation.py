"""What each stage of an inspection gives: one first look at every photo, judged in several ways.

`python -m evals.ablation --profile nano --split heldout --shots 0 --limit 60` prints a table: glance only; and rules;
and second looks, as a fixed policy takes them or as the narrator chooses; with the narrator's leaning taken out of its
answers or not. It also says what the raw and the debiased yes and no are worth, and draws how well scores are
calibrated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from agent.context import Context, Policy
from agent.crop import crop_box, crop_pair
from agent.fuse import by_hypothesis
from agent.graph import build_first_look, build_loop
from agent.looks.narrator import p_defect
from agent.report import InspectionReport
from agent.state import InspectionState, Request, need_product, need_sample
from evals.datasets import Case, Category, Label
from evals.datasets.medleys import open_medleys
from evals.datasets.world import Split, open_world
from evals.looks import overlaps
from evals.metrics import ranking_metrics
from evals.metrics.ranking import auroc
from evals.reliability import bins, calibration_error, plot
from evals.sentences import Judged, Truth, judged

if TYPE_CHECKING:
    from agent import Inspector

SEED = 41
"""Neither the seeds that models learned from nor those that they are checked on."""
Where = Literal["heldout", "trained", "medleys"]
COLUMNS = (
    "image_auroc", "image_auroc_logical", "image_auroc_structural", "f1_max", "f1", "accuracy", "ece", "true_sentences",
    "looks", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One way to judge what the first look measured."""

    name: str
    policy: Policy = "none"
    rules: bool = True
    debias: bool = True


ROWS = (
    Row("glance only", rules=False),
    Row("+ rules"),
    Row("+ second look, fixed, raw yes/no", "fixed", debias=False),
    Row("+ second look, chosen, raw yes/no", "chosen", debias=False),
    Row("+ second look, chosen, debiased", "chosen"),
    Row("+ second look, fixed, debiased (default)", "fixed"),
)


@dataclass
class Seen:
    """What one row said of all photos."""

    categories: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    decisions: list[bool] = field(default_factory=list)
    sentences: list[Judged] = field(default_factory=list)
    looks: int = 0
    seconds: float = 0.0

    def metrics(self) -> dict[str, float]:
        """Ranking and decisions as means over the categories, as `looktwice eval` has them; the others over photos."""
        by_category: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(self.categories):
            by_category[name].append(number)
        found: dict[str, list[float]] = defaultdict(list)
        for numbers in by_category.values():
            picked = ([x[n] for n in numbers] for x in (self.labels, self.scores, self.decisions))
            labels, scores, decisions = cast("tuple[list[str], list[float], list[bool]]", tuple(picked))
            for key, value in ranking_metrics(labels, scores, decisions).items():
                found[key].append(value)
        means = {key: sum(values) / len(values) for key, values in found.items()}
        truths, count = [label != "good" for label in self.labels], len(self.labels)
        true = sum(j.true for j in self.sentences) / len(self.sentences) if self.sentences else 1.0
        return means | {
            "ece": calibration_error(self.scores, truths),
            "true_sentences": true,
            "looks": self.looks / count,
            "seconds": self.seconds / count,
        }


@dataclass
class YesNo:
    """The narrator's answers at the strongest place of each photo, and whether there is a defect."""

    raw: list[float] = field(default_factory=list)
    debiased: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    def line(self) -> str:
        """AUROC and calibration error of both."""
        import numpy as np

        truth = np.asarray(self.right)
        if truth.all() or not truth.any():
            return "yes/no: of one class alone, nothing to rank"
        said = []
        for name, values in (("raw", self.raw), ("debiased", self.debiased)):
            ranked, error = auroc(truth, np.asarray(values)), calibration_error(values, self.right)
            said.append(f"{name}: AUROC {ranked:.3f}, ECE {error:.3f}, mean P {sum(values) / len(values):.2f}")
        return f"narrator's yes/no, {len(truth)} places, {int(truth.sum())} defective; " + "; ".join(said)


def opened(where: Where, count: int, per_category: int) -> list[Category]:
    """The photos to judge."""
    if where == "medleys":
        return open_medleys(first=0, count=count, per_category=per_category)
    return open_world(split=cast("Split", where), seed=SEED, per_category=per_category)


def truth_of(category: Category, case: Case, where: Where) -> Truth:
    """The truth of a photo; of medleys parts have no names that a report could use."""
    counts: dict[str, int] = {}
    if where != "medleys":
        from nano.world import family, render

        index, _, defect = case.id.partition("-")
        named = None if defect == "good" else defect
        scene = render(category.name, seed=SEED, index=int(index), defect=named)
        counts = {noun: sum(p.noun == noun for p in scene.parts) for noun in family(category.name).nouns}
    return Truth(case.label != "good", case.truth(), counts)


@dataclass(frozen=True, eq=False)
class Looked:
    """The first look at one photo, and the truth."""

    category: str
    case: Case
    state: InspectionState
    truth: Truth


def first_looks(inspector: Inspector, categories: Sequence[Category], shots: int, where: Where) -> Iterator[Looked]:
    """Looks once at every photo."""
    first = build_first_look()
    for category in categories:
        references = category.references(shots, SEED) if shots else []
        product = inspector.learn(category.name, references, describe=category.normal, product=category.product)
        for case in category.cases:
            state = InspectionState(**first.invoke(Request(case.photo(), product), context=inspector.context))
            yield Looked(category.name, case, state, truth_of(category, case, where))
        sys.stderr.write(f"{category.name}: {len(category.cases)} photos\n")


def measure(looked: Iterable[Looked], context: Context) -> tuple[dict[str, Seen], YesNo]:
    """Judges what the first looks measured in every way."""
    loop = build_loop()
    seen, yes_no = {row.name: Seen() for row in ROWS}, YesNo()
    for item in looked:
        for row in ROWS:
            start = time.perf_counter()
            as_in_row = replace(context, policy=row.policy, debias=row.debias)
            final = InspectionState(**loop.invoke(_started(item.state, row), context=as_in_row))
            spent = sum(item.state.seconds.values()) + time.perf_counter() - start
            _note(seen[row.name], item, final, spent)
        _ask(yes_no, item.state, item.case, context)
    return seen, yes_no


def _started(state: InspectionState, row: Row) -> InspectionState:
    """The state after the first look, without rules where the row has none."""
    evidence = state.evidence if row.rules else [e for e in state.evidence if e.kind == "structural"]
    return replace(state, evidence=list(evidence), seconds={})


def _note(seen: Seen, item: Looked, final: InspectionState, seconds: float) -> None:
    report = InspectionReport.of_state(final, models={}, profile="")
    seen.categories.append(item.category)
    seen.labels.append(item.case.label)
    seen.scores.append(report.verdict.score)
    seen.decisions.append(report.verdict.anomalous)
    seen.sentences += judged(report, item.truth)
    seen.looks += len(report.looks)
    seen.seconds += seconds


def _ask(yes_no: YesNo, state: InspectionState, case: Case, context: Context) -> None:
    """The narrator's yes and no at the strongest place; photos with a logical anomaly are left out."""
    if case.label == "logical":
        return
    strongest = next(w for w in by_hypothesis(state.evidence) if w.kind == "structural")
    region = next(e.region for e in strongest.evidence if e.region is not None)
    product, sample = need_product(state), need_sample(state)
    pair = crop_pair(sample, crop_box(region.box, sample), product.references)
    said = p_defect(context.toolbox.narrator, pair, product.spec.product)
    truth = case.truth()
    yes_no.raw.append(said.raw)
    yes_no.debiased.append(said.debiased)
    yes_no.right.append(case.label == "structural" and truth is not None and overlaps(region, truth))


def table(seen: dict[str, Seen]) -> Iterator[str]:
    """Markdown, a line a row."""
    yield "| | " + " | ".join(COLUMNS) + " |"
    yield "|" + "---|" * (1 + len(COLUMNS))
    for name, found in seen.items():
        metrics = found.metrics()
        cells = ("" if metrics.get(key) is None else f"{metrics[key]:.3f}" for key in COLUMNS)
        yield f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Measures and prints the table; writes the plot and every false sentence."""
    from agent import Inspector

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--split", choices=("heldout", "trained", "medleys"), default="heldout")
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--limit", type=int, default=60, help="photos, over all families")
    parser.add_argument("--products", type=int, default=8, help="medleys, where they are what is measured")
    parser.add_argument("--out", type=Path, default=None, help="folder for the plot and the false sentences")
    options = parser.parse_args()
    where = cast("Where", options.split)
    families = {"heldout": 4, "trained": 11, "medleys": options.products}[where]
    categories = opened(where, options.products, max(2, options.limit // families))
    inspector = Inspector(options.profile)
    seen, yes_no = measure(first_looks(inspector, categories, options.shots, where), inspector.context)
    images = sum(len(c.cases) for c in categories)
    print(f"{where}, {options.shots} references, {images} photos\n")
    print("\n".join(table(seen)))
    print(f"\n{yes_no.line()}")
    if options.out is not None:
        _write(options.out, seen)


def _write(out: Path, seen: dict[str, Seen]) -> None:
    """reliability.svg, and false.txt: the sentences that the truth denies, by row."""
    out.mkdir(parents=True, exist_ok=True)
    curves = {name: bins(s.scores, [label != "good" for label in s.labels]) for name, s in seen.items()}
    (out / "reliability.svg").write_text(plot(curves), encoding="utf-8")
    wrong = (f"{name}: {j.text}" for name, s in seen.items() for j in s.sentences if not j.true)
    (out / "false.txt").write_text("\n".join(wrong) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

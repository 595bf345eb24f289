"""The whole agent and the bare language model, and LogSAD's scoring rules over the same tools, on the same photos."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from agent.evidence.fusion import by_hypothesis
from agent.rules import evaluate
from agent.rules.induction import induce
from evals.benches.logsad import LogSad, Scores, Sight, Usual, discovered
from evals.benches.peers_data import ContenderScores, PeerRow, ProductPhotos, Split, metrics_of
from evals.fit.part_tolerances import TRUTH
from evals.metrics.answers import yes_or_no
from evals.qa.respondents import fitted
from prompts import questions
from tools.types import Sample
from tools.vlm import Turn

if TYPE_CHECKING:
    from agent import Inspector
    from agent.evidence.types import Evidence
    from tools.toolbox import Toolbox

Say = Callable[[str], None]


def agent_rows(
    products: Sequence[ProductPhotos], split: Split, inspector: Inspector, shots: int, say: Say
) -> Iterator[PeerRow]:
    """The whole agent with so many references and no sentence; with any, also what its evidence on parts says alone."""
    say(f"the whole agent with {shots} references on {split} families")
    whole, parts = [], []
    for product in products:
        known = inspector.learn(product.name, product.good[:shots], product=product.noun)
        said, logical = ContenderScores(decisions=[], maps=[]), ContenderScores()
        for photo in product.photos:
            found: list[Evidence] = []

            def seen(step: str, update: Any, found: list[Evidence] = found) -> None:
                if step == "match":
                    found.extend(update.get("evidence", ()))

            start = time.perf_counter()
            report = inspector.inspect(photo.sample, product=known, on_step=seen)
            said.seconds.append(time.perf_counter() - start)
            said.scores.append(report.verdict.score)
            said.decisions = [*(said.decisions or ()), report.verdict.anomalous]
            said.maps = [*(said.maps or ()), report.glance.map.values]
            logical.scores.append(_logical(found))
        whole.append(said)
        parts.append(logical)
    yield _row("logic" if shots else "words", "looktwice, whole agent", split, shots, products, whole)
    if shots:
        note = "what it knows of parts after the first look; its seconds are the whole agent's"
        yield _row("logic", "looktwice, parts alone", split, shots, products, parts, note, of=whole)


def _logical(evidence: Sequence[Evidence]) -> float:
    """Log-odds of the strongest hypothesis about parts; 0 where there is none."""
    return next((w.llr for w in by_hypothesis(evidence) if w.kind == "logical"), 0.0)


def logsad_rows(
    products: Sequence[ProductPhotos], split: Split, toolbox: Toolbox, say: Say, *, true_parts: bool = False
) -> Iterator[PeerRow]:
    """LogSAD's rules as its code fuses them, and what its override and its histogram do.

    With `true_parts` its instances and segments are the true parts, so that only its rules can err.
    """
    say(f"LogSAD's rules on {split} families{', true parts' if true_parts else ''}")
    rules = LogSad(toolbox.memory, _true(products) if true_parts else discovered(toolbox.discoverer))
    raws: list[list[Scores]] = []
    maps, seconds, usuals = [], [], []
    for product in products:
        rules.learn(product.good, [p.sample for p in product.validation])
        found, spent = [], []
        for photo in product.photos:
            start = time.perf_counter()
            found.append(rules.raw(photo.sample))
            spent.append(time.perf_counter() - start)
        raws.append(found)
        seconds.append(spent)
        maps.append([rules.map(photo.sample) for photo in product.photos])
        usuals.append(rules.usual)
    ways: tuple[tuple[str, Callable[[Usual, Scores], float]], ...] = (
        ("LogSAD's rules, restated", lambda usual, raw: usual.fused(raw)),
        ("the same without its override", lambda usual, raw: usual.fused(raw, override=False)),
        ("the same with its histogram", lambda usual, raw: usual.fused(raw, histogram=True)),
        ("its matching alone", lambda _, raw: raw.matching),
        ("its histogram alone", lambda _, raw: raw.histogram),
    )
    note = f"and {len(products[0].validation)} good photos to validate with"
    for number, (who, way) in enumerate(ways):
        said = [
            ContenderScores([way(usual, raw) for raw in found], None, shown if number == 0 else None, spent)
            for usual, found, shown, spent in zip(usuals, raws, maps, seconds, strict=True)
        ]
        yield _row(
            "true parts" if true_parts else "logic", who, split, len(products[0].references), products, said, note
        )


def rule_rows(products: Sequence[ProductPhotos], split: Split, say: Say) -> Iterator[PeerRow]:
    """Our rules over the true parts: induced from the references, the most surprising one counts."""
    say(f"rules on {split} families, true parts")
    found = []
    for product in products:
        rules, said = induce([r.measured for r in product.references], TRUTH), ContenderScores()
        for photo in product.photos:
            start = time.perf_counter()
            outcomes = [o for rule in rules if (o := evaluate(rule, photo.measured)) is not None]
            said.scores.append(max((o.log_odds for o in outcomes), default=0.0))
            said.seconds.append(time.perf_counter() - start)
        found.append(said)
    note = "rules alone: no patch is looked at, and measuring takes no time"
    yield _row("true parts", "looktwice, rules", split, len(products[0].references), products, found, note)


def _true(products: Sequence[ProductPhotos]) -> Sight:
    """The true parts of all photos, by what is in the photo."""
    known = {p.sample.digest: p.parts for one in products for p in (*one.references, *one.validation, *one.photos)}
    return lambda sample: (known[sample.digest], known[sample.digest])


def vlm_rows(products: Sequence[ProductPhotos], split: Split, toolbox: Toolbox, say: Say) -> Iterator[PeerRow]:
    """The language model asked one question about the photo: its answer in words, parsed, and the likelihood of its
    Yes."""
    say(f"the bare language model on {split} families")
    vlm, parsed, likely, unread = toolbox.vlm, [], [], 0
    for product in products:
        asked = [Turn("user", questions()["detect"].format(product=product.noun), images=1)]
        words, yes = ContenderScores(decisions=[]), ContenderScores(decisions=[])
        for photo in product.photos:
            image = _image(photo.sample)
            start = time.perf_counter()
            answer = yes_or_no(vlm.answer([image], asked, 64))
            middle = time.perf_counter()
            p = vlm.yes_no([image], asked)
            words.seconds.append(middle - start)
            yes.seconds.append(time.perf_counter() - middle)
            unread += answer is None
            words.scores.append({"yes": 1.0, "no": 0.0, None: 0.5}[answer])
            words.decisions = [*(words.decisions or ()), answer == "yes"]
            yes.scores.append(p)
            yes.decisions = [*(yes.decisions or ()), p > 0.5]
        parsed.append(words)
        likely.append(yes)
    note = f"{unread} answers that say neither yes nor no" if unread else ""
    yield _row("words", "bare language model, its answer parsed", split, 0, products, parsed, note)
    yield _row("words", "bare language model, likelihood of Yes", split, 0, products, likely)


def _image(photo: Sample) -> Any:
    return fitted(photo)


def _row(
    topic: Any,
    who: str,
    split: Split,
    shots: int,
    products: Sequence[ProductPhotos],
    said: Sequence[ContenderScores],
    note: str = "",
    of: Sequence[ContenderScores] | None = None,
) -> PeerRow:
    spent = [s for one in of or said for s in one.seconds]
    count = sum(len(p.photos) for p in products)
    return PeerRow(topic, who, split, shots, count, metrics_of(products, said), median(spent), None, note)

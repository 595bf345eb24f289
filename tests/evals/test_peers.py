"""The comparison with peers: what LogSAD's rules do, and that everybody is measured on the same photos."""

import json
import os
import sys

import numpy as np
import pytest

from agent.calibration.maps import Calibration
from evals.benches.logsad import Looked, Scores, Usual, learned, matching_cost, scored, usual
from evals.benches.peers import PeersBench, bench_peers, cells
from evals.benches.peers_data import ContenderScores, PeerRow, Skipped, metrics_of, shown_products
from evals.benches.peers_patch import CONTENDERS, missing_peer, patch_rows


def _looked(kinds, instances):
    """A photo of 4 x 4 patches, each the unit vector of its kind; `instances` are lists of (row, column)."""
    patches = np.eye(4)[np.asarray(kinds)]
    masks = []
    for places in instances:
        mask = np.zeros((4, 4), dtype=bool)
        mask[tuple(np.transpose(places))] = True
        masks.append(mask)
    return Looked(patches, tuple(masks), len(masks), np.zeros((4, 4), dtype=np.int64))


PLAIN = [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
GOOD = _looked(PLAIN, [[(1, 1)], [(2, 2)]])


def test_a_good_photo_scores_nothing_and_breaks_no_rule():
    found = scored(GOOD, learned([GOOD, GOOD], kinds=3))
    assert (found.memory, found.histogram, found.matching) == pytest.approx((0, 0, 0), abs=1e-9)
    assert not found.broken


def test_a_patch_that_no_reference_has_is_as_far_as_can_be():
    odd = _looked([[3, *PLAIN[0][1:]], *PLAIN[1:]], [[(1, 1)], [(2, 2)]])
    assert scored(odd, learned([GOOD, GOOD], kinds=3)).memory == pytest.approx(1)


def test_a_missing_instance_costs_matching_nothing_but_breaks_the_count_and_moves_the_histogram():
    less = _looked([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], [[(1, 1)]])
    found = scored(less, learned([GOOD, GOOD], kinds=3))
    assert found.matching == pytest.approx(0, abs=1e-9)
    assert found.broken
    assert found.histogram > 1e-3


def test_references_that_disagree_on_the_count_have_no_rule():
    other = _looked(PLAIN, [[(1, 1)]])
    assert not scored(_looked(PLAIN, []), learned([GOOD, other], kinds=3)).broken


def test_matching_is_divided_by_the_smaller_number_and_costs_one_where_there_is_nothing():
    one, two = np.eye(3)[:1], np.eye(3)[:2]
    assert matching_cost(one, two) == matching_cost(two, one) == 0
    assert matching_cost(two, np.eye(3)[1:]) == pytest.approx(0.5)
    assert matching_cost(np.zeros((0, 3)), two) == 1


def test_the_largest_standardised_score_counts_and_a_broken_rule_overrides_it():
    plain = Usual((0.2, 0.1), (0.1, 0.1), (0.3, 0.1))
    raw = Scores(memory=0.3, histogram=0.6, matching=0.3, broken=False)
    assert plain.fused(raw) == pytest.approx(1 / (1 + np.exp(-1)))
    assert plain.fused(raw, histogram=True) == pytest.approx(1 / (1 + np.exp(-5)))
    broken = Scores(0.3, 0.6, 0.3, broken=True)
    assert plain.fused(broken) == 1.0
    assert plain.fused(broken, override=False) == plain.fused(raw)


def test_what_is_usual_is_the_mean_and_the_unbiased_deviation():
    found = usual([Scores(0.1, 0.0, 0.5, False), Scores(0.3, 0.2, 0.5, False)])
    assert found.memory == pytest.approx((0.2, 0.1 * 2**0.5))
    assert found.matching == pytest.approx((0.5, 0.0))


@pytest.fixture(scope="module")
def products():
    return shown_products("heldout", seed=9, limit=4, shots=2, validation=2, families=["fastener_bag"])


def test_photos_are_half_good_with_both_kinds_of_defect_and_neither_reference_nor_validation_is_among_them(products):
    (shown,) = products
    assert sorted(shown.labels) == ["good", "good", "logical", "structural"]
    assert [bool(p.truth.any()) for p in shown.photos] == [label != "good" for label in shown.labels]
    digests = [p.sample.digest for p in (*shown.references, *shown.validation, *shown.photos)]
    assert len(set(digests)) == len(digests) == 8


def test_metrics_are_those_of_the_scores_and_decisions_only_where_there_are_any(products):
    perfect = ContenderScores([float(label != "good") for label in products[0].labels])
    found = metrics_of(products, [perfect])
    assert found["image_auroc"] == found["image_auroc_logical"] == 1.0
    assert "accuracy" not in found
    assert "pixel_auroc" not in found
    told = ContenderScores(
        [0.0] * 4, decisions=[False] * 4, maps=[p.truth.astype(np.float32) for p in products[0].photos]
    )
    found = metrics_of(products, [told])
    assert (found["image_auroc"], found["recall"], found["pixel_auroc"]) == (0.5, 0.0, 1.0)


def test_a_peer_that_is_not_there_is_left_out_with_a_reason(products):
    assert "cannot be run" in missing_peer("/no/such/python")
    mine = tuple(c for c in CONTENDERS if c.key in ("memory", "patchcore"))
    ours, theirs = patch_rows(products, "heldout", _toolbox(), "nano", peer="/no/such/python", contenders=mine)
    assert isinstance(ours, PeerRow)
    assert ours.photos == 4
    assert 0 <= ours.metrics["image_auroc"] <= 1
    assert ours.peak_mib is not None
    assert ours.peak_mib > 100
    assert ours.seconds > 0
    assert isinstance(theirs, Skipped)
    assert "--peer" in theirs.why


@pytest.mark.skipif("LOOKTWICE_PEER" not in os.environ, reason="LOOKTWICE_PEER names no Python with anomalib")
def test_anomalib_scores_the_same_photos_on_the_same_weights(products):
    theirs = tuple(c for c in CONTENDERS if c.peer)
    rows = list(
        patch_rows(
            products,
            "heldout",
            _toolbox(),
            "nano",
            peer=os.environ["LOOKTWICE_PEER"],
            contenders=theirs,
        )
    )
    assert [type(row) for row in rows] == [PeerRow] * 4
    assert rows[0].metrics["pixel_auroc"] > 0.5


def test_agent_vlm_and_rules_are_measured_on_the_same_photos_and_told_in_one_table():
    found = bench_peers(
        limit=4,
        shots=2,
        splits=("heldout",),
        families=["fastener_bag"],
        topics=("logic", "true parts", "words"),
        validation=2,
    )
    assert {row.photos for row in found.rows} == {4}
    assert [row.topic for row in found.rows].count("logic") == 7
    rules = next(row for row in found.rows if row.who == "looktwice, rules")
    assert rules.metrics["image_auroc_logical"] == 1.0
    agent = next(row for row in found.rows if row.who == "looktwice, whole agent" and row.shots == 2)
    assert {"image_auroc", "pixel_auroc", "accuracy"} <= set(agent.metrics)
    table = found.markdown()
    assert table.count("| heldout |") == len(found.rows) == 16
    assert "looktwice bench peers --profile nano --limit 4 --seed 20261125 --shots 2" in table
    assert json.loads(json.dumps(found.as_dict()))["rows"][0]["who"] == found.rows[0].who


def test_what_was_left_out_stands_below_the_table():
    row = PeerRow("patches", "ours", "trained", 4, 8, {"image_auroc": 0.5}, 0.25, 100.4, "a note")
    assert cells(row, "patches") == ["patches: ours", "trained", "4", "8", "0.500", *[""] * 5, "4.00", "100", "a note"]
    bench = PeersBench("nano", 1, 8, 4, 8, 1, (row,), (Skipped("anomalib", "it is not there"),), "the command")
    assert "- anomalib: it is not there" in bench.markdown()


def _toolbox():
    from tools.profiles import resolve_profile
    from tools.toolbox import Toolbox

    return Toolbox.open(resolve_profile("nano"), "cpu", part_parameters=Calibration.of_profile("nano").part_parameters)


def test_no_family_left_is_said():
    from tools.errors import InputError

    with pytest.raises(InputError, match="no family"):
        bench_peers(limit=4, families=["unknown"], peer=sys.executable)


def test_the_peer_is_shown_the_very_pixels_that_ours_are_shown(products):
    from evals.benches.peers_anomalib import _pixels, _sized
    from tools.anomaly.features import input_format, to_pixels

    memory = _toolbox().memory
    form = input_format(memory._loaded, 192)
    photo = products[0].good[0].image
    theirs = _pixels(photo, {"size": form.size, "mean": form.mean, "std": form.std})
    assert np.allclose(theirs.numpy(), to_pixels([photo], form, memory._loaded).numpy(), atol=1e-6)
    assert _sized(theirs[:, 0], photo).shape == photo.shape[:2]


def test_our_own_process_scores_each_photo_and_says_what_it_cost(products, tmp_path, monkeypatch):
    from evals.benches import peers_worker

    shown = products[0]
    np.savez(
        tmp_path / f"{shown.name}.npz",
        references=np.stack([r.image for r in shown.good]),
        photos=np.stack([p.sample.image for p in shown.photos]),
    )
    task = {"profile": "nano", "families": [shown.name], "nouns": {shown.name: shown.noun}, "limit": 2}
    (tmp_path / "task.json").write_text(json.dumps(task))
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path), "words"])
    peers_worker.main()
    with np.load(tmp_path / "words.npz") as found:
        assert found["scores"].shape == (2,)
        assert found["maps"].shape == (2, *shown.good[0].image.shape[:2])
    about = json.loads((tmp_path / "words.json").read_text())
    assert about["seconds"] > 0

"""Rules are induced from a few good photos: what they share is kept, what varies is not, and the file can be edited."""

import numpy as np
import pytest
from test_kinds import BLUE, RED, YELLOW, part, photo

from agent.products.learn import reproved
from agent.products.spec import PartSpec, Product, ProductSpec
from agent.rules import evaluate
from agent.rules.induction import induce, joint_log_odds, leave_one_out, odd_one
from agent.rules.induction.placement import positions
from agent.rules.induction.sizes import Measuring, tolerance
from agent.rules.likelihood import doubt
from evals.metrics.ranking import auroc
from evals.run.ground_truth import measured_truth
from nano.world import render


def jitter(rng, *values, by=0.01):
    return [v + rng.normal(0, by) for v in values]


def gadget(seed, *, clips=2, short=False, metal=None, wire=None, pins=None):
    """A product of a world that does not exist: clips at places, rods of two lengths, one metal, a wire by pins."""
    rng = np.random.default_rng(seed)
    pins = pins or (2, 3)[seed % 2]
    shared = metal or (BLUE, YELLOW)[seed // 2 % 2]
    wired = wire or {2: RED, 3: BLUE}[pins]
    parts = [part("clip", *jitter(rng, -0.3 + 0.6 * n, 0.3), lab=shared) for n in range(clips)]
    lengths = [rng.normal(mean, 0.004) for mean in (0.5, 0.5 if short else 0.3)]
    parts += [part("rod", *jitter(rng, 0, 0.2 * n), length=lengths[n], lab=shared) for n in (0, 1)]
    parts += [part("pin", rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)) for _ in range(pins)]
    return photo(*parts, part("wire", *jitter(rng, 0, -0.3), lab=wired))


GOOD = [gadget(n) for n in range(5)]


def fired(rules, measured):
    return [r.name for r in rules if (o := evaluate(r, measured)) is not None and o.log_odds > 0.3]


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({"clips": 1}, "count of clip"),
        ({"clips": 3}, "count of clip"),
        ({"short": True}, "length of rod"),
        ({"wire": RED, "pins": 3}, "colour of wire by count of pin"),
    ],
)
def test_what_all_references_share_becomes_a_rule_that_finds_its_breach(bad, rule):
    rules = induce(GOOD)
    assert rule in fired(rules, gadget(9, **bad))
    assert rule not in fired(rules, gadget(9))


def test_a_colour_that_changes_is_a_rule_among_the_parts_of_a_photo_only():
    names = {rule.name for rule in induce(GOOD)}
    assert "same colour of clip and rod" in names
    assert not names & {"colour of clip", "colour of rod"}


def test_what_varies_is_no_rule():
    names = {rule.name for rule in induce(GOOD)}
    assert "place of pin" not in names
    assert "count of any" not in names


def test_more_references_leave_less_to_doubt():
    few, many = ({r.name: r for r in induce(GOOD[:n])}["count of clip"] for n in (2, 5))
    assert few.doubt > many.doubt
    assert doubt(4, 0.3) > doubt(4, 0.1)


def test_tolerance_is_wider_and_less_sure_with_fewer_references():
    rng = np.random.default_rng(3)
    values = [np.array([[v]]) for v in rng.normal(0, 0.05, 12)]
    few, many = tolerance(values[:3], 0.01, 3.0), tolerance(values, 0.01, 3.0)
    assert few.freedom < many.freedom
    assert few.tail(0.2) > many.tail(0.2)


def test_a_new_good_one_surprises_no_more_than_one_left_out_of_the_references():
    good = [gadget(n) for n in range(12)]
    usual = leave_one_out(good[:6], induce)
    fresh = [joint_log_odds(induce(good[:6]), m) for m in good[6:]]
    assert np.mean(fresh) <= np.mean(usual) + 0.5


def test_parts_that_words_find_are_not_mistrusted_for_discovered_ones_that_come_and_go():
    shown = [*GOOD[:3], gadget(8, clips=3)]
    labels = ("clip", "rod", "pin", "wire")
    phrases = {"rod": "rod", "wire": "wire"}
    spec = ProductSpec(
        name="gadget", product="gadget", parts=tuple(PartSpec(label=x, phrase=phrases.get(x)) for x in labels)
    )
    learned, _ = reproved(Product(spec, parts=tuple(shown)))
    assert max(learned.good_scores) > 1.0 > max(learned.named_scores)
    rods, clips = (next(r for r in learned.rules if r.name == f"count of {x}") for x in ("rod", "clip"))
    assert (learned.usual(rods), learned.usual(clips)) == (learned.named_scores, learned.good_scores)
    alike, _ = reproved(
        Product(spec.model_copy(update={"parts": tuple(PartSpec(label=x) for x in labels)}), parts=tuple(shown))
    )
    assert alike.named_scores == ()
    assert max(alike.good_scores) == max(learned.good_scores)


def test_a_bad_reference_among_good_ones_is_named():
    mixed = [*GOOD[:3], gadget(8, clips=1), *GOOD[3:]]
    number, rule = odd_one(mixed, induce)
    assert number == 3
    assert "clip" in rule or "all parts" in rule
    assert odd_one([gadget(n) for n in range(6)], induce) is None


def test_one_reference_is_enough_for_counts_and_none_for_nothing():
    assert "count of clip" in {r.name for r in induce(GOOD[:1])}
    assert induce([]) == ()


def test_editing_one_number_changes_the_verdict(tmp_path):
    rules = induce(GOOD)
    labels = sorted({label for rule in rules for label in rule.named} - {"any"})
    path = tmp_path / "gadget.yaml"
    ProductSpec(
        name="gadget", product="gadget", parts=tuple(PartSpec(label=label) for label in labels), rules=rules
    ).save(path)
    three = gadget(9, clips=3)
    assert "count of clip" in fired(ProductSpec.load(path).rules, three)
    lines = path.read_text().split("\n")
    at = lines.index("    part: clip")
    while "high:" not in lines[at]:
        at += 1
    assert lines[at] == "    high: 2"
    lines[at] = "    high: 3"
    path.write_text("\n".join(lines))
    assert "count of clip" not in fired(ProductSpec.load(path).rules, three)


@pytest.mark.parametrize(("family", "least"), [("blister", 0.95), ("fastener_bag", 0.9)])
def test_rules_from_four_photos_tell_logical_defects_of_a_product_with_true_parts(family, least):
    from nano.world import family as about

    rules = induce([measured_truth(render(family, seed=5, index=n, defect=None)) for n in range(4)])
    good = [measured_truth(render(family, seed=5, index=n, defect=None)) for n in range(100, 112)]
    bad = [
        measured_truth(render(family, seed=5, index=200 + n, defect=d)) for d in about(family).logical for n in range(2)
    ]
    scores = [joint_log_odds(rules, m) for m in (*good, *bad)]
    assert auroc(np.array([False] * len(good) + [True] * len(bad)), np.array(scores)) >= least


def test_parts_exactly_in_a_row_still_make_a_zone():
    rows = [photo(*(part("pin", 0.05 * n, 0.2) for n in range(count))) for count in (2, 3, 2)]
    (rule,) = positions(rows, ["pin"], Measuring())
    assert rule.zone.top < 0.2 < rule.zone.bottom

"""The loop: evidence from every matcher, looks where they pay, a verdict that cites what it rests on."""

from dataclasses import replace

import pytest
from scripted import GOOD, Toolbox, context, parts, photo

from agent.graph import build_graph
from agent.products.learn import learn
from agent.report.model import InspectionReport
from agent.state import InspectionState, Request
from tools.types import Box


def inspect(toolbox, *, references=3, normal="", question="", product=None, **budget):
    request = Request(photo(99), product, tuple(photo(n) for n in range(references)), normal=normal, question=question)
    state = InspectionState(**build_graph().invoke(request, context=context(toolbox, **budget)))
    return state, InspectionReport.of_state(state, models={}, profile="scripted")


def test_a_place_unlike_the_references_is_a_structural_anomaly_with_its_box():
    _, report = inspect(Toolbox(distance=5 * GOOD), looks=0)
    assert report.verdict.anomalous
    assert report.verdict.kinds == ("structural",)
    x0, y0, x1, y1 = report.findings[0].box
    assert x0 <= 40 <= x1
    assert y0 <= 24 <= y1


def test_a_place_like_the_references_is_good_and_told_as_no_defect():
    _, report = inspect(Toolbox(distance=GOOD), looks=0)
    assert not report.verdict.anomalous
    assert report.findings == ()
    assert report.explanation[1].text.startswith("The most unusual place: ")


def test_a_missing_part_is_a_logical_anomaly_named_with_both_counts():
    toolbox = Toolbox(usual=parts("bolt", 0.97, 0.97), named='["bolt"]')
    toolbox.found[photo(99).digest] = parts("bolt", 0.97)
    _, report = inspect(toolbox, looks=0)
    assert "logical" in report.verdict.kinds
    finding = next(f for f in report.findings if f.kind == "logical")
    assert finding.what == "1 bolt, expected 2"
    assert finding.absent
    assert finding.box[0] == pytest.approx(8.0)


def test_a_count_told_in_words_is_a_rule_without_any_reference():
    toolbox = Toolbox(usual=parts("bolt", 0.97))
    state, report = inspect(toolbox, references=0, normal="two bolts", looks=0)
    assert [rule.origin for rule in state.product.spec.rules] == ["told"]
    assert "logical" in report.verdict.kinds


def test_a_told_count_that_the_references_deny_is_dropped_and_said():
    toolbox = Toolbox(usual=parts("bolt", 0.97))
    product = learn(toolbox, "tray", [photo(0), photo(1)], describe="two bolts")
    assert product.spec.rules == ()
    assert "'2 bolts' was not kept" in product.notes[0]


def test_a_count_on_which_the_references_differ_widely_is_no_rule():
    toolbox = Toolbox(named='["bolt"]')
    toolbox.found = {photo(0).digest: parts("bolt", 0.9), photo(1).digest: parts("bolt", *[0.9] * 4)}
    assert learn(toolbox, "tray", [photo(0), photo(1)]).spec.rules == ()


def test_without_references_none_of_several_says_nothing_however_many_faint_ones_there_are():
    faint, one = (Toolbox(usual=parts("bolt", *scores)) for scores in ((0.02, 0.01), (0.97,)))
    state, _ = inspect(faint, references=0, normal="four bolts", looks=0)
    assert not [e for e in state.evidence if e.source == "rule"]
    assert state.verdict.unchecked == ("number of bolts",)
    state, _ = inspect(one, references=0, normal="four bolts", looks=0)
    assert next(e for e in state.evidence if e.source == "rule").llr > 0


def test_a_second_look_that_sees_a_defect_raises_the_score_and_one_that_sees_none_lowers_it():
    undecided = {"distance": 1.6 * GOOD}
    _, before = inspect(Toolbox(**undecided), looks=0)
    _, confirmed = inspect(Toolbox(**undecided, says_yes=0.95), looks=1)
    _, refuted = inspect(Toolbox(**undecided, says_yes=0.05), looks=1)
    assert confirmed.verdict.score > before.verdict.score > refuted.verdict.score
    assert confirmed.looks[0].action == "compare"
    assert any(e.look == confirmed.looks[0].id for e in confirmed.evidence)


def test_a_vlm_that_always_says_yes_changes_nothing():
    _, before = inspect(Toolbox(distance=1.6 * GOOD), looks=0)
    _, after = inspect(Toolbox(distance=1.6 * GOOD, says_yes=0.95, bias=0.95), looks=1)
    assert after.looks[0].p_yes_debiased == pytest.approx(0.5, abs=0.01)
    assert after.verdict.score == pytest.approx(before.verdict.score, abs=0.01)


def test_no_look_is_taken_when_the_first_glance_decides():
    state, _ = inspect(Toolbox(distance=40 * GOOD), looks=3, decided=2.0)
    assert state.looks == []


def test_the_budget_of_looks_is_kept():
    toolbox = Toolbox(distance=1.6 * GOOD, usual=parts("bolt", 0.6, 0.6), named='["bolt"]')
    state, _ = inspect(toolbox, looks=1)
    assert len(state.looks) == 1


def test_no_hypothesis_is_looked_at_twice():
    state, _ = inspect(Toolbox(distance=1.6 * GOOD), looks=5)
    seen = [look.hypothesis for look in state.looks]
    assert len(seen) == len(set(seen)) > 0


def test_every_sentence_cites_evidence_that_exists():
    _, report = inspect(Toolbox(distance=1.6 * GOOD, says_yes=0.9, usual=parts("bolt", 0.9), named='["bolt"]'))
    ids = {item.id for item in report.evidence}
    assert report.explanation
    assert all(s.cites and ids.issuperset(s.cites) for s in report.explanation)


def test_worse_places_always_rank_higher():
    scores = [inspect(Toolbox(distance=d * GOOD), looks=0)[1].verdict.score for d in (0.5, 1, 2, 4, 8, 16, 32)]
    assert scores == sorted(set(scores))


def test_a_batch_learns_its_references_once():
    toolbox = Toolbox()
    shared = context(toolbox, looks=0)
    for n in (7, 8):
        build_graph().invoke(Request(photo(n), references=(photo(0), photo(1))), context=shared)
    assert toolbox.banks == 1


def test_a_question_is_answered_beside_the_verdict():
    _, report = inspect(Toolbox(), question="How many bolts?", looks=0)
    assert report.answer == "An answer."


def test_a_report_reads_back_from_its_json():
    _, report = inspect(Toolbox(distance=5 * GOOD), looks=1)
    again = InspectionReport.model_validate_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert again.schema_ == "looktwice/1"


def test_a_false_alarm_rate_moves_the_threshold_and_not_the_score():
    toolbox = Toolbox(distance=2.2 * GOOD)
    request = Request(photo(99), None, tuple(photo(n) for n in range(3)))
    usual = context(toolbox, looks=0)
    verdicts = []
    for rate in (0.001, 0.999):
        moved = replace(usual, false_alarm=rate)
        verdicts.append(InspectionState(**build_graph().invoke(request, context=moved)).verdict)
    strict, lenient = verdicts
    assert strict.score == lenient.score
    assert strict.threshold > 0.5 > lenient.threshold
    assert lenient.anomalous
    assert not strict.anomalous


def test_what_looks_like_damage_on_any_product_is_found_where_it_is_and_named_so():
    _, without = inspect(Toolbox(), looks=0)
    _, sound = inspect(Toolbox(traced=(-4.0, -4.0)), looks=0)
    state, report = inspect(Toolbox(traced=(-4.0, 30.0)), looks=0)
    assert report.verdict.score > without.verdict.score > sound.verdict.score - 0.05
    assert report.verdict.kinds == ("structural",)
    traced = next(e for e in state.evidence if e.source == "tracer" and e.llr > 1)
    assert (traced.claim.key, traced.region.box) == ("surface_damaged", Box(8, 40, 16, 48))


def test_damage_is_traced_without_any_reference():
    _, sound = inspect(Toolbox(traced=(-4.0, -4.0)), references=0, looks=0)
    _, report = inspect(Toolbox(traced=(-4.0, 30.0)), references=0, looks=0)
    assert report.verdict.score > sound.verdict.score
    assert any(e.source == "tracer" for e in report.evidence)


def test_a_product_on_which_damage_is_traced_on_good_ones_too_is_not_blamed_for_it():
    _, usual = inspect(Toolbox(traced=(30.0, 30.0)), looks=0)
    _, unusual = inspect(Toolbox(traced=(-4.0, 30.0)), looks=0)
    assert usual.verdict.score < unusual.verdict.score


def test_the_map_that_is_shown_adds_up_what_all_matchers_say():
    state, _ = inspect(Toolbox(distance=5 * GOOD, traced=(-4.0, 30.0)), looks=0)
    shown = state.glance.map
    assert shown.source == "together"
    spots = {"references": shown.values[24, 40], "tracer": shown.values[44, 12]}
    elsewhere = shown.values[60, 60]
    assert min(spots.values()) > elsewhere
    assert 0 <= shown.values.min() <= shown.values.max() <= 1
    only, _ = inspect(Toolbox(distance=5 * GOOD), looks=0)
    assert only.glance.map.values[24, 40] > only.glance.map.values[44, 12]

"""What a report says: readings where it is unsure, facts where the evidence is strong, inference marked as such."""

from dataclasses import replace
from string import Formatter

import numpy as np
import pytest
from langgraph.runtime import Runtime
from scripted import GOOD, Toolbox, context, parts, photo

from agent.evidence.claims import Sentence, languages, say_verdict, sentence_templates, tell
from agent.evidence.fusion import WeighedHypothesis
from agent.evidence.types import Claim, Evidence, Verdict, appended
from agent.graph import build_graph
from agent.products.spec import PartSpec, Product, ProductSpec
from agent.report.files import page
from agent.report.inference import kind_of, severity_of, story_of
from agent.report.model import InspectionReport
from agent.report.statements import LISTED, borne_out, tell_held, tell_hypothesis
from agent.state import InspectionState, Request
from agent.steps.conclusion import explain
from tools.types import Box, Region

NAMED = Product(
    ProductSpec(name="tray", product="tray", parts=tuple(PartSpec(label=f"part {n}", phrase="x") for n in range(20))),
    references=(photo(0), photo(1)),
)


def held(number, topic="count"):
    claim = Claim.check(topic, {"part": f"part {number}", "found": 1, "expected": "1"}, holds=True)
    return Evidence("logical", claim, -0.5, "rule", f"count of part {number}", part=f"part {number}", id=f"E{number}")


def missing(llr):
    claim = Claim.check("count", {"part": "bolt", "found": 1, "expected": "2"}, holds=False)
    item = Evidence("logical", claim, llr, "rule", "count of bolt", part="bolt", id="E1")
    return WeighedHypothesis("count of bolt", "logical", llr, (item,))


def report(toolbox, references=3, **budget):
    request = Request(photo(99), references=tuple(photo(n) for n in range(references)))
    return InspectionState(**build_graph().invoke(request, context=context(toolbox, **budget)))


def test_few_rules_are_all_named_and_cited():
    said = tell_held([held(1), held(2)], NAMED, "en")
    assert said.text == "As on the good ones by measurement: 1 part 1 and 1 part 2."
    assert said.cites == ("E1", "E2")


def test_of_many_rules_the_others_are_counted_and_all_are_cited():
    said = tell_held([held(n) for n in range(LISTED + 4)], NAMED, "en")
    assert said.text.endswith("and further rules (4).")
    assert len(said.cites) == LISTED + 4


def test_how_many_there_are_is_said_before_where_they_are():
    said = tell_held([held(9, "turn"), *(held(n) for n in range(LISTED))], NAMED, "en")
    assert "part 0" in said.text and "straight" not in said.text


def test_with_one_reference_no_rule_is_named_since_nobody_knows_what_may_vary():
    said = tell_held([held(1)], Product(NAMED.spec, references=(photo(0),)), "en")
    assert said.text == "Rules on parts that hold by measurement: 1."


def test_a_strong_count_is_stated_and_a_weak_one_is_told_as_a_reading():
    strong, weak = (next(tell_hypothesis(missing(llr), photo(0), "en", sure=True)).text for llr in (4.0, 0.5))
    assert strong == "1 of the part 'bolt' found where 2 belong."
    assert weak == "'bolt': the part finder counts 1, expected 2; it is not sure of that."
    assert next(tell_hypothesis(missing(4.0), photo(0), "en", sure=False)).text == weak


def test_a_count_is_a_fact_only_of_parts_that_words_name_and_references_show():
    bolts = (PartSpec(label="bolt", phrase="bolt"),)
    named, counted = NAMED.spec.model_copy(update={"parts": bolts}), missing(4.0)
    assert borne_out(counted, Product(named, references=(photo(0), photo(1))))
    assert not borne_out(counted, Product(named))
    unnamed = named.model_copy(update={"parts": ()})
    assert not borne_out(counted, Product(unnamed, references=(photo(0), photo(1))))


@pytest.mark.parametrize(
    ("confidence", "word", "said"),
    [
        (0.95, "anomalous", "Anomalous, 0.95 (sure)."),
        (0.85, "anomalous", "Probably anomalous, 0.85."),
        (0.69, "unsure", "Unsure, 0.69"),
    ],
)
def test_a_verdict_that_is_likely_wrong_says_so(confidence, word, said):
    verdict = Verdict(True, confidence, confidence, ())
    assert verdict.word == word
    assert say_verdict(verdict).startswith(said)
    assert say_verdict(Verdict(False, 0.2, 0.8, ())) == "Probably good, anomaly score 0.20."


def test_an_unsure_verdict_says_what_would_settle_it_and_names_no_cause():
    state = report(Toolbox(distance=2.1 * GOOD), looks=0)
    assert state.verdict.word == "unsure"
    texts = [s.text for s in state.explanation]
    assert any(text.startswith("What would settle it: 5 more good photos") for text in texts)
    assert not any("inferred" in text for text in texts)


def test_a_sure_anomaly_says_severity_and_advice_and_marks_what_is_inferred():
    toolbox = Toolbox(usual=parts("bolt", 0.97, 0.97), named='["bolt"]')
    toolbox.found[photo(99).digest] = parts("bolt", 0.97)
    state = report(toolbox, looks=0)
    texts = [s.text for s in state.explanation]
    assert state.verdict.word == "anomalous"
    assert any(t.startswith("*Severity (inferred):* severe") for t in texts)
    assert any(t.startswith("*Likely cause (inferred):*") for t in texts)


def test_a_narrator_that_lists_parts_of_something_else_names_nothing():
    state = report(Toolbox(distance=8 * GOOD, says_yes=0.9, named='["cable"]'), looks=0)
    texts = " ".join(s.text for s in state.explanation)
    assert "does not know this product (asked for its parts, it lists cable," in texts
    assert "takes it for" not in texts


def test_a_narrator_that_knows_the_product_names_the_defect():
    state = report(Toolbox(distance=8 * GOOD, says_yes=0.9, bias=0.1), looks=0)
    assert any("the narrator takes it for a scratch" in s.text for s in state.explanation)


def test_fewer_parts_are_missing_and_more_are_extra():
    assert kind_of(missing(1.0).evidence[0]) == "missing"
    many = Evidence("logical", Claim.check("count", {"found": 4, "expected": "1 to 2"}, holds=False), 1.0, "rule", "x")
    assert kind_of(many) == "extra"
    assert story_of("missing", "en").cause
    assert story_of(None, "en").cause is None


def test_severity_grows_with_the_place():
    def of(side):
        region = Region(Box(0, 0, side, side), 0.5, np.zeros((64, 64), bool))
        item = Evidence("structural", Claim("region_differs", {}), 1.0, "reference", "region 1", region=region)
        return severity_of(WeighedHypothesis("region 1", "structural", 1.0, (item,)), photo(0))[0]

    assert [of(side) for side in (2, 8, 30)] == ["minor", "moderate", "severe"]


def test_what_a_language_has_no_words_for_is_said_in_english():
    for language in languages():
        assert set(sentence_templates()) <= set(sentence_templates(language))
        assert tell("verdict_probably_good", {"score": "0.20"}, language)


def test_a_report_is_written_in_the_language_asked_for():
    shared = replace(context(Toolbox(distance=2.1 * GOOD), looks=0), language="zh")
    request = Request(photo(99), references=tuple(photo(n) for n in range(3)))
    state = InspectionState(**build_graph().invoke(request, context=shared))
    assert state.explanation[0].text.startswith("不确定")
    assert all(s.cites for s in state.explanation)


def test_every_frame_is_there_in_every_language():
    from prompts import load_yaml

    for language in languages()[1:]:
        assert set(load_yaml(f"report/telling.{language}")) == set(load_yaml("report/telling"))


def test_a_sentence_in_another_language_is_filled_by_what_the_english_one_is():
    def named(texts):
        return {name for text in texts.values() for _, name, _, _ in Formatter().parse(text) if name}

    english = sentence_templates()
    for language in languages()[1:]:
        for key, texts in sentence_templates(language).items():
            assert named(texts) <= named(english[key]), key


def test_the_page_says_unsure_and_shows_the_looks(tmp_path):
    state = report(Toolbox(distance=2.1 * GOOD, says_yes=0.5), looks=1)
    InspectionReport.of_state(state, models={}, profile="scripted").save(tmp_path)
    saved = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert state.looks
    assert "<h1>Unsure" in saved
    assert "compare 0." in saved


def test_on_the_page_what_is_inferred_is_set_apart_and_everything_is_escaped():
    toolbox = Toolbox(usual=parts("bolt", 0.97, 0.97), named='["bolt"]')
    toolbox.found[photo(99).digest] = parts("bolt", 0.97)
    state = report(toolbox, looks=0)
    state = replace(state, explanation=[*state.explanation, Sentence("a <b>*bold:* name</b>", ("E1",))])
    shown = InspectionReport.of_state(state, models={}, profile="scripted")
    drawn = page(shown, shown.sample.image)
    assert "<em>Severity (inferred):</em> severe" in drawn
    assert "*Severity" not in drawn
    assert "a &lt;b&gt;*bold:* name" in drawn


def test_what_is_said_twice_is_said_once_and_cites_both():
    toolbox = Toolbox(usual=parts("bolt", 0.97, 0.97), named='["bolt"]')
    toolbox.found[photo(99).digest] = parts("bolt", 0.97)
    state = report(toolbox, looks=0)
    twice = [replace(e, hypothesis=f"{e.hypothesis} again") for e in state.evidence if e.hypothesis == "count of bolt"]
    state = replace(state, evidence=[*state.evidence, *appended(twice, state.evidence)])
    told = explain(state, Runtime(context=context(toolbox, looks=0)))["explanation"]
    texts = [s.text for s in told]
    assert twice
    assert len(texts) == len(set(texts))
    (count,) = (s for s in told if "'bolt'" in s.text)
    assert len(count.cites) == 2

"""What a report says: readings where it is unsure, facts where the evidence is strong, inference marked as such."""

import re
from dataclasses import replace
from string import Formatter

import pytest
from langgraph.runtime import Runtime
from scripted import GOOD, Toolbox, context, parts, photo

from agent import Inspector
from agent.evidence.claims import Sentence, languages, say, say_verdict, sentence_templates, tell
from agent.evidence.fusion import WeighedHypothesis
from agent.evidence.types import Claim, Evidence, Verdict, appended
from agent.graph import build_graph
from agent.products.spec import PartSpec, Product, ProductSpec
from agent.report.files import page
from agent.report.inference import kind_of, story_of
from agent.report.model import InspectionReport
from agent.report.regions import region_in_words
from agent.report.statements import LISTED, borne_out, tell_compared, tell_held, tell_hypothesis
from agent.state import InspectionState, Request
from agent.steps.conclusion import explain, shortened
from prompts import load_yaml
from tools.describe import Attribute, DescribedRegion, RegionDescription
from tools.errors import InputError
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
    assert said.text == "As it should be: 1 part 1 and 1 part 2."
    assert said.cites == ("E1", "E2")


def test_of_many_rules_three_are_named_and_those_are_cited():
    said = tell_held([held(n) for n in range(LISTED + 4)], NAMED, "en")
    assert said.text == "As it should be: 1 part 0, 1 part 1 and 1 part 2."
    assert said.cites == ("E0", "E1", "E2")


def test_how_many_there_are_is_said_before_where_they_are():
    said = tell_held([held(9, "turn"), *(held(n) for n in range(LISTED))], NAMED, "en")
    assert "part 0" in said.text and "straight" not in said.text


def test_with_one_reference_no_rule_is_said_to_hold_since_nobody_knows_what_may_vary():
    assert tell_held([held(1)], Product(NAMED.spec, references=(photo(0),)), "en") is None


def told(weighed, *, certain, **also):
    return tell_hypothesis(weighed, photo(0), {}, "en", certain=certain, **also)


def test_a_strong_count_is_stated_and_a_weak_one_is_possible():
    assert told(missing(4.0), certain=True).text == "There is 1 bolt; there should be 2."
    assert told(missing(0.5), certain=False).text == "Possibly: 1 bolt, expected 2."


@pytest.mark.parametrize(
    ("found", "said"),
    [(0, "There are no berries; there should be 2."), (1, "There is 1 berry; there should be 2.")],
)
def test_verb_and_noun_agree_with_the_number(found, said):
    claim = Claim.check("count", {"part": "berry", "found": found, "expected": "2"}, holds=False)
    assert say(claim) == said


def place(llr=3.0, source="reference"):
    claim = Claim("region_differs", {"references": 2}, "patch")
    region = Region(Box(4, 4, 24, 14), 0.9)
    item = Evidence("structural", claim, llr, source, "region 1", region=region, id="E1")
    return WeighedHypothesis("region 1", "structural", llr, (item,))


def test_a_place_is_described_by_its_look_its_place_on_the_product_and_its_size():
    described = RegionDescription(
        20.4,
        10.0,
        3.4,
        "reference",
        shape=Attribute("spot", 0.9),
        brightness=Attribute("much_darker", 0.9),
        edge=Attribute("sharp", 0.9),
        position=Attribute("upper_left", 0.9),
        border=Attribute("rim", 0.8),
    )
    examined = {"region 1": DescribedRegion(Region(Box(4, 4, 24, 14), 0.9), described, None, None)}
    said = tell_hypothesis(place(), photo(0), examined, "en", certain=True)
    assert said.text == (
        "A much darker spot with sharp edges, upper left, near the rim, about 20 x 10 px (3 % of the product)."
    )
    assert said.role == "finding" and said.certain


def test_a_place_that_was_not_examined_is_told_by_its_box():
    assert told(place(), certain=True).text == "A difference, upper left, about 20 x 10 px."
    assert told(place(), certain=False, open_verdict=True).text.startswith("Possibly: a difference")


def test_what_no_reference_shows_is_said_so_only_where_it_is_clear():
    product = Product(NAMED.spec, references=(photo(0), photo(1)))
    assert tell_compared([place(3.0)], product, "en").text == "None of the 2 reference photos shows this."
    assert tell_compared([place(1.0)], product, "en") is None
    assert tell_compared([place(3.0, source="tracer")], product, "en") is None
    assert tell_compared([place(3.0)], Product(NAMED.spec), "en") is None


def test_an_explanation_that_is_too_long_loses_what_is_needed_least():
    first, second = (Sentence(f"{word} " * 20, ("E1",), "finding") for word in ("one", "two"))
    sentences = [
        Sentence("Anomalous (sure).", ("E1",), "verdict", True),
        first,
        second,
        Sentence("fine " * 20, ("E1",), "fine"),
        Sentence("consequence " * 20, ("E1",), "consequence"),
    ]
    assert [s.role for s in shortened(sentences, 70)] == ["verdict", "finding", "finding", "fine"]
    assert [s.role for s in shortened(sentences, 50)] == ["verdict", "finding", "finding"]
    assert shortened(sentences, 30) == (sentences[0], first)


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
        (0.95, "anomalous", "Anomalous (sure)."),
        (0.85, "anomalous", "Probably anomalous."),
        (0.69, "unsure", "Unsure, rather anomalous."),
    ],
)
def test_a_verdict_that_is_likely_wrong_says_so(confidence, word, said):
    verdict = Verdict(True, confidence, confidence, ())
    assert verdict.word == word
    assert say_verdict(verdict) == said
    assert say_verdict(Verdict(False, 0.2, 0.8, ())) == "Probably good."
    assert say_verdict(Verdict(False, 0.4, 0.6, ())) == "Unsure, rather good."


def test_an_unsure_verdict_says_what_would_settle_it_and_names_no_cause():
    state = report(Toolbox(distance=2.1 * GOOD), looks=0)
    assert state.verdict.word == "unsure"
    texts = [s.text for s in state.explanation]
    assert any(text.startswith("To be surer: 5 more reference photos or") for text in texts)
    assert not any("inferred" in text for text in texts)


def test_a_sure_anomaly_says_cause_and_advice_and_marks_what_is_inferred():
    toolbox = Toolbox(usual=parts("bolt", 0.97, 0.97), named='["bolt"]')
    toolbox.found[photo(99).digest] = parts("bolt", 0.97)
    state = report(toolbox, looks=0)
    texts = [s.text for s in state.explanation]
    assert state.verdict.word == "anomalous"
    assert any(t.startswith("*Likely cause (inferred):*") for t in texts)
    assert any(t.startswith("*Do:*") for t in texts)


def test_a_good_part_is_told_in_few_words():
    state = report(Toolbox(), looks=0)
    good = replace(state, verdict=replace(state.verdict, score=0.02, confidence=0.98))
    texts = [s.text for s in explain(good, Runtime(context=context(Toolbox(), looks=0)))["explanation"]]
    assert texts[:2] == ["Good (sure).", "No defect found; the surface matches the 3 reference photos."]
    assert len(" ".join(texts).split()) <= 30


def test_a_place_that_hardly_speaks_for_an_anomaly_is_told_as_the_most_unusual_one():
    texts = [s.text for s in report(Toolbox(), looks=0).explanation]
    assert texts[0] == "Unsure, rather good."
    assert texts[1].startswith("The most unusual place: ")


PRIVATE = re.compile(r"\bsd\b|standard deviation|\bllr\b|\bpart [A-Z]\b|by measurement|single out|log-odds")


def test_main_texts_use_no_word_of_the_machinery_and_sentences_stay_short():
    for claim in sentence_templates().values():
        assert not PRIVATE.search(claim.get("long", ""))
    for frame in (*load_yaml("report/telling").values(), *load_yaml("chat").values()):
        assert not PRIVATE.search(frame)
        assert all(len(sentence.split()) <= 25 for sentence in re.split(r"(?<=[.?]) ", frame))


def test_a_vlm_that_lists_parts_of_something_else_names_nothing():
    state = report(Toolbox(distance=8 * GOOD, says_yes=0.9, named='["cable"]'), looks=0)
    assert "type" not in [s.role for s in state.explanation]


def test_a_vlm_that_knows_the_product_names_the_defect():
    state = report(Toolbox(distance=8 * GOOD, says_yes=0.9, bias=0.1), looks=0)
    assert [s.text for s in state.explanation if s.role == "type"] == ["*Likely type (inferred):* scratch."]


def test_fewer_parts_are_missing_and_more_are_extra():
    assert kind_of(missing(1.0).evidence[0]) == "missing"
    many = Evidence("logical", Claim.check("count", {"found": 4, "expected": "1 to 2"}, holds=False), 1.0, "rule", "x")
    assert kind_of(many) == "extra"
    assert story_of("missing", "en").cause
    assert story_of(None, "en").cause is None


def test_what_a_language_has_no_words_for_is_said_in_english():
    for language in languages():
        assert set(sentence_templates()) <= set(sentence_templates(language))
        assert tell("verdict_probably_good", language=language)


def test_a_report_is_written_in_the_language_asked_for():
    shared = replace(context(Toolbox(distance=2.1 * GOOD), looks=0), language="zh")
    request = Request(photo(99), references=tuple(photo(n) for n in range(3)))
    state = InspectionState(**build_graph().invoke(request, context=shared))
    assert state.explanation[0].text.startswith("不确定")
    assert all(s.cites for s in state.explanation)


def placeholders(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", languages()[1:])
@pytest.mark.parametrize("words", ["report/telling", "report/regions", "chat"])
def test_every_language_has_every_sentence_with_the_same_placeholders(words, language):
    english, other = load_yaml(words), load_yaml(f"{words}.{language}")
    assert set(other) == set(english)
    for key, text in english.items():
        if isinstance(text, dict):
            assert set(other[key]) == set(text), key
        else:
            assert placeholders(other[key]) == placeholders(text.replace("found_counted", "found")) - {"are"}, key


def test_a_sentence_in_another_language_is_filled_by_what_the_english_one_is():
    def named(texts):
        return set().union(*map(placeholders, texts.values()))

    english = sentence_templates()
    for language in languages()[1:]:
        for key, texts in sentence_templates(language).items():
            assert named(texts) <= named(english[key]) | {"part", "found"}, key


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
    assert "<em>Likely cause (inferred):</em> " in drawn
    assert "*Likely" not in drawn
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
    (count,) = (s for s in told if "1 bolt" in s.text)
    assert len(count.cites) == 2


def test_with_a_scale_sizes_are_told_in_millimetres():
    described = RegionDescription(
        40.0, 10.0, 3.4, "reference", length_mm=2.0, width_mm=0.5, shape=Attribute("spot", 0.9)
    )
    assert region_in_words(described, "left side") == "A spot, left side, about 2 x 0.5 mm (3 % of the product)."
    state = InspectionState(
        **build_graph().invoke(
            Request(photo(99), references=(photo(0), photo(1))),
            context=replace(context(Toolbox(distance=8 * GOOD), looks=0), mm_per_px=0.05),
        )
    )
    (found,) = (s.text for s in state.explanation if s.role == "finding")
    assert " mm" in found and " px" not in found


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(InputError, match="mm_per_px is"):
        Inspector("nano", mm_per_px=scale)

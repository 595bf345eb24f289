"""What a person stated and an inspection did not check is said, survives saving, and counts neither for nor against."""

from dataclasses import replace

import pytest
from langgraph.runtime import Runtime
from scripted import Toolbox, context, parts, photo

from agent.calibration.maps import Calibration
from agent.evidence.claims import languages
from agent.graph import build_graph
from agent.products.files import read_spec
from agent.products.learn import learn, remember
from agent.products.revision import add
from agent.products.spec import PartSpec, Product, ProductSpec
from agent.report.files import page
from agent.report.model import InspectionReport
from agent.rules import CountRule, RanksRule
from agent.state import InspectionState, Request
from agent.steps.conclusion import explain

SCREWS = ProductSpec(
    name="bag",
    product="bag",
    parts=(PartSpec(label="screw", phrase="screw"), PartSpec(label="lid", phrase="lid")),
    rules=(
        CountRule(part="screw", low=2, high=2),
        RanksRule(part="screw", groups=(1, 1)),
        CountRule(part="lid", low=1, high=1),
    ),
)
"""As a shipped file has it: no rule was validated on a reference."""
LID = parts("lid", 0.97)


def references(count=3):
    return [photo(n) for n in range(count)]


def inspected(product, toolbox, language="en"):
    shared = replace(context(toolbox, looks=0), language=language)
    return InspectionState(**build_graph().invoke(Request(photo(99), product), context=shared))


def sure(state, **verdict):
    """The explanation of the same state where the part is surely good."""
    good = replace(state.verdict, anomalous=False, score=0.02, confidence=0.98, kinds=(), **verdict)
    return explain(replace(state, verdict=good), Runtime(context=context(Toolbox(usual=LID), looks=0)))["explanation"]


def test_a_shipped_product_whose_parts_the_references_do_not_show_is_good_only_as_far_as_checked(tmp_path):
    toolbox = Toolbox(usual=LID)
    product, _ = add(toolbox, Product(SCREWS), references(1))
    state = inspected(product, toolbox)
    assert state.verdict.unchecked == ("number of screws", "length of the screws")
    assert [rule.name for rule in product.spec.rules if rule.origin == "told"] == ["count of lid"]
    assert not [e for e in state.evidence if e.part == "screw"]
    told = sure(state)
    assert told[0].text == "Good as far as checked."
    assert told[1].role == "limit"
    assert told[1].text == (
        "Not checked: the number of screws and the length of the screws, because the models do not find them on the "
        "reference photos."
    )
    assert sum(len(s.text.split()) for s in told if s.role != "limit") <= 30


def test_what_was_not_checked_survives_a_file_and_is_checked_once_references_show_it(tmp_path):
    blind, seeing = Toolbox(usual=LID), Toolbox(usual=(*LID, *parts("screw", 0.97, 0.97)))
    product = learn(blind, "bag", references(), describe="two screws, one lid; it looks nice")
    product.spec.save(tmp_path / "bag.yaml")
    kept = read_spec(tmp_path / "bag.yaml")
    assert kept == product.spec
    again = inspected(remember(blind, kept, references()), blind)
    assert again.verdict.unchecked == ("number of screws", "it looks nice")
    whole = kept.model_copy(update={"parts": (*kept.parts, PartSpec(label="screw", phrase="screw"))})
    better, _ = add(seeing, remember(blind, whole, references()), [photo(7)])
    assert better.spec.unchecked == ()
    assert "count of screw" in [rule.name for rule in better.spec.rules if rule.origin == "told"]


def test_a_rule_on_parts_that_the_part_finder_may_not_know_is_no_evidence_at_all():
    toolbox = Toolbox(usual=LID)
    state = inspected(Product(SCREWS), toolbox)
    assert not [e for e in state.evidence if e.part == "screw"]
    assert [e.hypothesis for e in state.evidence if e.source == "rule"] == ["count of lid"]
    assert "length of the screws, because the models do not find them on the photo." in sure(state)[1].text


def test_a_product_that_was_checked_in_full_says_nothing_of_it():
    toolbox = Toolbox(usual=(*LID, *parts("screw", 0.97, 0.97)))
    spec = SCREWS.model_copy(update={"rules": (SCREWS.rules[0], SCREWS.rules[2])})
    state = inspected(Product(spec), toolbox)
    assert state.verdict.unchecked == ()
    assert "limit" not in [s.role for s in state.explanation]
    assert sure(state)[0].text == "Good (sure)."


@pytest.mark.parametrize("language", languages())
def test_three_are_named_and_the_others_are_counted(language):
    clauses = tuple(f"clause {n} (no rule says it)" for n in range(5))
    state = inspected(Product(ProductSpec(name="x", product="x", unruled=clauses)), Toolbox(), language)
    assert state.verdict.unchecked == tuple(f"clause {n}" for n in range(5))
    (said,) = [s.text for s in state.explanation if s.role == "limit"]
    assert all(f"clause {n}" in said for n in range(3)) and "clause 3" not in said and "2" in said.partition("2")[2]


def test_a_long_clause_is_quoted_in_part():
    words = "the ribbon is tied in a bow " * 20
    state = inspected(Product(ProductSpec(name="x", product="x", unruled=(words,))), Toolbox())
    (phrase,) = state.verdict.unchecked
    assert len(phrase) <= 60 and words.startswith(phrase.removesuffix(" ..."))


def test_the_report_and_its_page_name_what_was_not_checked():
    toolbox = Toolbox(usual=LID)
    state = inspected(add(toolbox, Product(SCREWS), references(1))[0], toolbox)
    report = InspectionReport.of_state(state, models={}, profile="scripted")
    assert InspectionReport.model_validate_json(report.to_json()).verdict.unchecked == state.verdict.unchecked
    assert "Not fully checked: number of screws; length of the screws" in page(report, report.sample.image)


def test_a_stated_count_without_references_is_no_evidence_where_the_models_know_few_words():
    shared = context(Toolbox(usual=LID), looks=0)
    product = learn(shared.toolbox, "bag", [], describe="one hazelnut")
    request = Request(photo(99), product)
    known = InspectionState(**build_graph().invoke(request, context=shared))
    measuring = shared.calibration.measuring.model_copy(update={"words": False})
    few = replace(shared, calibration=shared.calibration.model_copy(update={"measuring": measuring}))
    state = InspectionState(**build_graph().invoke(request, context=few))
    assert "rule" in {e.source for e in known.evidence} and "rule" not in {e.source for e in state.evidence}
    assert state.verdict.unchecked == ("number of hazelnuts",)
    assert not Calibration.of_profile("nano").measuring.words

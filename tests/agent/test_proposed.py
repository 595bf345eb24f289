"""What the language model proposes: parts and rules as JSON, read with care, proved on good photos, recorded or
dropped."""

import json
import re
from dataclasses import dataclass, field, replace

import pytest
from pydantic import TypeAdapter
from scripted import Toolbox, parts, photo

from agent.products.learn import learn
from agent.products.proposals import proposed_parts
from agent.products.revision import add, changes
from agent.products.rule_proposals import proposed_rules, read_rules
from agent.products.spec import ProductSpec
from agent.products.validation import kept_proposed
from agent.rules import AskRule, ColourRule, CountRule, PositionRule, RelationRule, Rule, contradiction
from agent.rules.induction import induce
from agent.rules.likelihood import doubt
from evals.fit.part_tolerances import TRUTH
from evals.run.ground_truth import measured_truth
from nano.world import render
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.profiles import ModelSpec, load_profile
from tools.vlm import LocalVLM

NAMES = {"bolt": "bolt", "nut": "nut", "egg": "part A"}
COUNT = {"kind": "count", "part": "bolt", "low": 2, "high": 2}
ASK = {"kind": "ask", "question": "Is the bag closed?", "expected": "yes"}


@dataclass
class Proposer(Toolbox):
    """Describes parts and proposes rules, as its test says; asked again it says the next thing."""

    proposes: str = "rules"
    described: list = field(
        default_factory=lambda: [{"label": "bolt", "phrase": "a long bolt", "look": "grey, straight"}]
    )
    ruled: list = field(default_factory=lambda: [[]])
    """Answers to what rules there are, the last one for ever: lists of rules, or text."""
    read: list = field(default_factory=list)
    """Rules for any clause."""

    def answer(self, images, turns, max_new_tokens=64, *, schema=None):
        self.asked.append(turns[-1].text)
        if "A person says of good ones of a product" in turns[0].text:
            return json.dumps({"rules": self.read})
        if "What holds on every good one" in turns[0].text:
            said = self.ruled.pop(0) if len(self.ruled) > 1 else self.ruled[0]
            return said if isinstance(said, str) else json.dumps({"rules": said})
        if "parts" in schema.get("properties", {}):
            return json.dumps({"parts": self.described})
        return super().answer(images, turns, max_new_tokens)

    def ground(self, sample, phrases, threshold=None):
        labels = {"a long bolt": "bolt", "a long straight bolt": "bolt"}
        found = super().ground(sample, [labels.get(p, p) for p in phrases], threshold)
        phrase_of = {labels.get(p, p): p for p in phrases}
        return tuple(replace(part, label=phrase_of[part.label]) for part in found)


def bolts(count):
    return parts("bolt", *[0.97] * count)


def learned(toolbox, references=4, **more):
    return learn(toolbox, "bag", [photo(n) for n in range(references)], **more)


def origins(product):
    return {rule.name: (rule.origin, rule.support) for rule in product.spec.rules}


# Reading


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (COUNT, CountRule),
        ({"kind": "position", "part": "nut", "place": "upper left"}, PositionRule),
        ({"kind": "relation", "part": "bolt", "relation": "above", "other": "egg"}, RelationRule),
        ({"kind": "colour", "part": "egg", "colour": "white"}, ColourRule),
        (ASK, AskRule),
    ],
)
def test_a_rule_in_the_vlms_words_becomes_one_of_the_products_own(written, kind):
    (rule,), fault = read_rules(json.dumps({"rules": [written]}), NAMES)
    assert fault is None
    assert (type(rule), rule.origin) == (kind, "proposed")
    assert {"egg", "nut", "bolt"} & set(rule.named) <= {"nut", "bolt"}
    assert TypeAdapter(Rule).validate_python(rule.model_dump()) == rule


def mapping(*pairs, by="count"):
    told = [{"when": when, "colour": colour} for when, colour in pairs]
    return {"kind": "match", "part": "nut", "other": "bolt", "by": by, "mapping": told}


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (COUNT | {"low": 3}, r"rule 1: high \(2\) is below low \(3\)"),
        (COUNT | {"part": "gear"}, "rule 1: part 'gear' is not known; the choice is: bolt, nut, egg"),
        (COUNT | {"high": "two"}, "high: Input should be a valid integer"),
        ({"kind": "colour", "part": "nut", "colour": "mauve"}, "colour 'mauve' is not known; the choice is: black"),
        ({"kind": "position", "part": "nut", "place": "behind"}, "place 'behind' is not known; the choice is: left"),
        ({"kind": "relation", "part": "nut", "relation": "above", "other": "nut"}, "cannot be above itself"),
        ({"kind": "weight", "part": "nut"}, "weight"),
        (mapping(("2", "red"), ("2", "blue")), "says two things for 2"),
        (mapping(("red", "red"), ("3", "blue")), "whole numbers"),
        (mapping(("2 or so", "red"), ("3", "blue")), "pattern"),
        (ASK | {"question": "The bag is closed."}, "pattern"),
        (mapping(("mauve", "red"), ("red", "blue"), by="colour"), "not known: mauve"),
        (mapping(("2", "red")), "mapping"),
        ("two bolts", "valid dictionary"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_and_the_others_are_read(written, fault):
    rules, said = read_rules(json.dumps({"rules": [written, ASK]}), NAMES)
    assert [rule.name for rule in rules] == ["answer to Is the bag closed?"]
    assert re.search(fault, said)


def test_a_mapping_that_says_nothing_for_a_number_that_may_be_is_a_hole():
    count = COUNT | {"high": 4}
    rules, fault = read_rules(json.dumps({"rules": [count, mapping(("2", "red"), ("4", "blue"))]}), NAMES)
    assert [rule.kind for rule in rules] == ["count"]
    assert "has no colour for 3, but 'count of bolt' allows 2 to 4" in fault
    rules, fault = read_rules(json.dumps({"rules": [count, mapping(("2", "red"), ("3", "red"), ("4", "blue"))]}), NAMES)
    assert (len(rules), fault) == (2, None)


def test_rules_that_contradict_each_other_are_not_both_read():
    above = {"kind": "relation", "part": "bolt", "relation": "above", "other": "nut"}
    rules, fault = read_rules(json.dumps({"rules": [above, above | {"relation": "below"}]}), NAMES)
    assert [rule.name for rule in rules] == ["bolt above nut"]
    assert "cannot both be" in fault


# Asking


def test_an_answer_that_is_cut_short_or_wrong_is_asked_for_again_with_the_fault():
    cut, wrong = '{"rules": [{"kind": "count", "pa', [COUNT | {"low": 5}]
    toolbox = Proposer(ruled=[cut, wrong, [COUNT]])
    rules, notes = proposed_rules(toolbox, [photo(0).image], "bag", NAMES)
    assert [rule.name for rule in rules] == ["count of bolt"]
    assert notes == ()
    assert "cut short; answer in fewer words" in toolbox.asked[1]
    assert "high (2) is below low (5)" in toolbox.asked[2]


def test_a_fault_that_stays_is_noted_and_the_rest_is_taken():
    toolbox = Proposer(ruled=[[COUNT | {"low": 5}, ASK]])
    rules, (note,) = proposed_rules(toolbox, [photo(0).image], "bag", NAMES)
    assert [rule.kind for rule in rules] == ["ask"]
    assert "proposed, not kept: rule 1: high (2) is below low (5)" in note
    assert len(toolbox.asked) == 3


def test_the_vlm_is_told_what_the_person_says_and_what_may_stand_where():
    toolbox = Proposer()
    proposed_rules(toolbox, [photo(0).image], "spice bag", NAMES, "The bag is closed.")
    (asked,) = toolbox.asked
    for told in ("spice bag", "'The bag is closed.'", "bolt, nut, egg", "upper left", "purple", '"kind": "match"'):
        assert told in asked


NANO = ModelSpec(source=load_profile("nano").role("vlm").source)


@pytest.fixture(scope="module")
def nano():
    return LocalVLM(load_model(NANO, "vlm", "cpu"))


def world(family, index=0):
    return render(family, seed=17, index=1_000_000 + index, defect=None)


@pytest.mark.parametrize("family", ["tray", "bottle", "pin_grid", "fastener_bag"])
def test_held_to_the_schema_nano_lists_the_parts_that_it_lists_freely(nano, family, monkeypatch):
    shown = [sample_from_array(world(family, n).image) for n in range(2)]
    held = [part.label for part in proposed_parts(nano, shown, "product")]
    free = LocalVLM.answer

    def freely(self, images, turns, max_new_tokens, *, schema):
        return free(self, images, turns, max_new_tokens)

    monkeypatch.setattr(LocalVLM, "answer", freely)
    assert held == [part.label for part in proposed_parts(nano, shown, "product")] != []


@pytest.mark.parametrize("family", ["tray", "bottle", "blister", "fastener_bag"])
def test_good_photos_bear_out_no_rule_that_nano_proposes_so_that_it_is_asked_for_names_alone(nano, family):
    scenes = [world(family, n) for n in range(4)]
    labels = {part.noun: part.noun for part in scenes[0].parts}
    rules, _ = proposed_rules(nano, [scene.image for scene in scenes], family.replace("_", " "), labels)
    measurable = [rule for rule in rules if rule.kind != "ask"]
    assert proven(measurable, [measured_truth(scene) for scene in scenes])[0] == ()
    assert load_profile("nano").roles.vlm.proposes == "names"


# Proving


@pytest.fixture(scope="module")
def trays():
    return [measured_truth(world("tray", n)) for n in range(4)]


def proposal(**written):
    names = {label: label for label in ("bolt", "nut", "washer", "cap", "tray")}
    (rule,), fault = read_rules(json.dumps({"rules": [written]}), names)
    assert fault is None
    return rule


def proven(rules, references, told=()):
    induced = [rule for rule in induce(references, TRUTH) if rule.name not in {r.name for r in told}]
    return kept_proposed(rules, references, TRUTH, told=told, induced=induced)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"kind": "count", "part": "bolt", "low": 2, "high": 2}, True),
        ({"kind": "count", "part": "bolt", "low": 3, "high": 3}, False),
        ({"kind": "presence", "part": "cap"}, True),
        ({"kind": "position", "part": "bolt", "place": "left"}, True),
        ({"kind": "position", "part": "bolt", "place": "lower right"}, False),
        ({"kind": "relation", "part": "bolt", "relation": "left of", "other": "nut"}, True),
        ({"kind": "relation", "part": "bolt", "relation": "right of", "other": "nut"}, False),
        ({"kind": "colour", "part": "cap", "colour": "red"}, True),
        ({"kind": "colour", "part": "cap", "colour": "green"}, False),
    ],
)
def test_a_proposal_is_kept_where_good_photos_bear_it_out_and_else_dropped_with_why(trays, written, kept):
    rule = proposal(**written)
    borne, notes = proven([rule], trays)
    assert [r.name for r in borne] == [rule.name] * kept
    assert len(notes) == (not kept)
    if kept:
        assert (borne[0].origin, borne[0].support) == ("proposed", 4)
        assert borne[0].doubt == float(f"{doubt(4, TRUTH.varies.of(rule)):.2g}")
    else:
        assert "was proposed and not kept as a rule" in notes[0]


def test_a_proposal_that_was_measured_too_has_the_measured_numbers(trays):
    ((rule,), _) = proven([proposal(kind="colour", part="cap", colour="red")], trays)
    assert rule.lab is not None
    measured = next(r for r in induce(trays, TRUTH) if r.name == rule.name)
    assert rule == measured.model_copy(update={"origin": "proposed"})


def test_what_a_person_tells_wins_over_what_is_proposed(trays):
    told = CountRule(part="bolt", low=1, high=4)
    assert proven([proposal(kind="count", part="bolt", low=2, high=2)], trays, told=[told]) == ((), ())


def test_a_proposal_on_what_no_photo_shows_or_against_what_is_told_is_dropped_not_refused(trays):
    unknown = CountRule(part="gear", low=1, high=1, origin="proposed")
    none = CountRule(part="cap", low=0, high=2, origin="proposed")
    told = CountRule(part="any", low=0, high=1)
    assert contradiction([told, CountRule(part="bolt", low=2, high=2)]) is not None
    borne, notes = proven([unknown, none, proposal(kind="presence", part="nut")], trays, told=[told])
    assert "no photo shows where that is" in notes[0]
    assert "gear" not in {label for rule in borne for label in rule.named}


def test_a_sentence_parts_and_proposals_make_one_product_whose_file_says_where_each_rule_comes_from(tmp_path):
    there, wrong = {"kind": "presence", "part": "nut"}, {"kind": "count", "part": "nut", "low": 4, "high": 4}
    toolbox = Proposer(usual=parts("nut", *[0.97] * 3), ruled=[[wrong, there, ASK]], says_yes=0.8, bias=0.8)
    product = learned(toolbox, describe="three nuts")
    found = origins(product)
    assert found["count of nut"] == ("told", 4)
    assert found["presence of nut"] == found["answer to Is the bag closed?"] == ("proposed", 4)
    product.save(tmp_path / "bag.yaml")
    assert "(proposed, 4 references obey it)" in (tmp_path / "bag.yaml").read_text()
    assert ProductSpec.load(tmp_path / "bag.yaml") == product.spec


def test_a_note_calls_a_part_what_people_call_it(trays):
    wrong = CountRule(part="bolt", low=5, high=5, origin="proposed")
    _, (note,) = kept_proposed([wrong], trays, TRUTH, told=(), induced=(), called={"bolt": "long screw"})
    assert "5 long screw" in note


def test_a_part_is_looked_for_in_the_vlms_words_and_the_file_says_how_it_looks():
    described = [
        {"label": "Bolts", "phrase": "A long, straight bolt.", "look": "grey"},
        {"label": "nut", "phrase": "bolt", "look": ""},
    ]
    toolbox = Proposer(usual=(*bolts(2), *parts("nut", 0.97)), described=described)
    assert [(p.label, p.phrase, p.look) for p in learned(toolbox).spec.parts] == [
        ("bolt", "a long straight bolt", "grey"),
        ("nut", "nut", None),
    ]


def test_a_question_that_good_ones_are_answered_wrongly_to_is_dropped():
    product = learned(Proposer(usual=bolts(2), ruled=[[ASK]], says_yes=0.2, bias=0.2))
    assert "answer to Is the bag closed?" not in origins(product)
    assert any("Is the bag closed?" in note and "0 of 4 references" in note for note in product.notes)


def test_a_wrong_count_is_dropped_and_what_the_photos_show_stands():
    product = learned(Proposer(usual=bolts(3), ruled=[[COUNT]]))
    assert origins(product)["count of bolt"] == ("induced", 4)
    assert any("2 bolt" in note and "3, 3, 3, 3 were found" in note for note in product.notes)


def test_a_vlm_that_is_asked_for_names_is_asked_for_no_rules():
    toolbox = Proposer(usual=bolts(2), ruled=[[COUNT]], proposes="names", named='["bolt"]')
    assert {origin for origin, _ in origins(learned(toolbox)).values()} == {"induced"}
    assert not any("What holds" in asked for asked in toolbox.asked)


def test_with_more_references_a_proposal_is_proved_again_and_dropped_where_they_deny_it():
    toolbox = Proposer(usual=bolts(2), ruled=[[COUNT, ASK]], says_yes=0.8, bias=0.8)
    before = learned(toolbox, references=3)
    assert origins(before)["count of bolt"] == ("proposed", 3)
    toolbox.found = {photo(n).digest: bolts(4) for n in range(10, 20)}
    toolbox.says_yes = toolbox.bias = 0.1
    after, said = add(toolbox, before, [photo(n) for n in range(10, 20)])
    assert origins(after).get("count of bolt", ("gone", 0))[0] != "proposed"
    assert "answer to Is the bag closed?" not in origins(after)
    assert any("2 bolt" in line and "was proposed and not kept" in line for line in said)
    assert any("Is the bag closed?" in line and "was proposed and not kept" in line for line in said)
    assert changes(before.spec, after.spec)


def test_with_more_references_that_agree_a_proposal_stays_one_with_more_support():
    toolbox = Proposer(usual=bolts(2), ruled=[[COUNT]])
    after, _ = add(toolbox, learned(toolbox), [photo(n) for n in range(10, 14)])
    assert origins(after)["count of bolt"] == ("proposed", 8)


def test_what_good_ones_score_is_measured_with_what_each_of_them_was_left_out_of():
    """A proposal with measured numbers is measured anew without each reference, as an induced rule is."""
    toolbox = Proposer(usual=bolts(2), ruled=[[COUNT]])
    toolbox.found = {photo(1).digest: parts("bolt", 0.9, 0.7)}
    alike = Proposer(usual=bolts(2), found=toolbox.found)
    ours, theirs = (learned(t, references=3).spec for t in (toolbox, alike))
    assert ours.good_scores == theirs.good_scores != ()


# From words alone


FESTIVE = {"kind": "ask", "question": "Does the ribbon look festive?", "expected": "yes"}


def test_from_words_alone_a_question_in_the_persons_words_is_kept_and_the_clause_is_not_lost():
    toolbox = Proposer(read=[FESTIVE, COUNT | {"part": "lid"}])
    product = learned(toolbox, references=0, describe="two lids; the ribbon looks festive")
    assert origins(product) == {"count of lid": ("told", 0), "answer to Does the ribbon look festive?": ("proposed", 0)}
    assert product.spec.unruled == ()
    assert any("the ribbon looks festive' is put to the language model" in note for note in product.notes)


def test_from_words_alone_nothing_else_that_is_proposed_is_kept_and_all_of_it_is_said():
    red = {"kind": "colour", "part": "lid", "colour": "red"}
    toolbox = Proposer(read=[red, FESTIVE | {"expected": "no"}])
    product = learned(toolbox, references=0, describe="two lids; the ribbon looks festive")
    assert list(origins(product)) == ["count of lid"]
    assert product.spec.unruled == ("the ribbon looks festive",)
    assert len([n for n in product.notes if "no photo of a good one bears it out" in n]) == 2
    assert "not turned into a rule: 'the ribbon looks festive'" in product.notes


def test_what_a_clause_was_read_as_is_proved_where_there_are_references():
    toolbox = Proposer(usual=bolts(2), read=[COUNT], says_yes=0.9, bias=0.9)
    product = learned(toolbox, describe="a pair of bolts, as ever")
    assert origins(product)["count of bolt"] == ("proposed", 4)
    assert product.spec.unruled == ("a pair of bolts, as ever",)

"""A product is learned, doubted and revised: odd references, false alarms, misses, parts that nobody named."""

from types import SimpleNamespace

import pytest
from scripted import Toolbox, parts, photo
from test_inspection import inspect

from agent.products.learn import learn
from agent.products.proposals import read_parts
from agent.products.revision import add, check, reject
from agent.products.spec import ProductSpec
from tools.errors import InputError


def bolts(count):
    return parts("bolt", *[0.97] * count)


def product(toolbox, references=4, **more):
    return learn(toolbox, "tray", [photo(n) for n in range(references)], **more)


def rule(spec, name):
    return next(r for r in spec.rules if r.name == name)


def test_a_reference_that_breaks_what_the_others_agree_on_is_left_out_and_named():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    toolbox.found[photo(2).digest] = bolts(3)
    learned = product(toolbox, references=5)
    assert len(learned.references) == 4
    assert any(photo(2).name in note and "left out" in note for note in learned.notes)


def test_parts_that_nobody_names_are_discovered_and_counted():
    kind = SimpleNamespace(label="part A", counts=(2, 2, 2))
    toolbox = Toolbox(kinds=SimpleNamespace(types=(kind,)))
    for n in range(3):
        toolbox.recurring[photo(n).digest] = parts("part A", 0.97, 0.97)
    toolbox.recurring[photo(99).digest] = parts("part A", 0.97)
    learned = product(toolbox, references=3)
    assert rule(learned.spec, "count of part A").low == 2
    assert learned.spec.parts[0].phrase is None
    _, report = inspect(toolbox, looks=0)
    assert "logical" in report.verdict.kinds


def test_a_false_alarm_as_a_reference_widens_what_it_broke_and_says_so():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    toolbox.found[photo(9).digest] = bolts(3)
    before = product(toolbox)
    after, said = add(toolbox, before, [photo(9)])
    assert rule(before.spec, "count of bolt").high == 2
    assert rule(after.spec, "count of bolt").high >= 3
    assert any("count of bolt" in line and "high 2 -> " in line for line in said)
    assert len(after.references) == 5


def test_a_false_alarm_whose_parts_are_faint_lowers_the_score_from_which_on_a_detection_is_a_part():
    toolbox = Toolbox(usual=parts("bolt", 0.9, 0.8, 0.2), named='["bolt"]')
    faint = [photo(n) for n in range(9, 14)]
    toolbox.found.update({shown.digest: parts("bolt", 0.9, 0.4, 0.1) for shown in faint})
    before = product(toolbox, describe="two bolts")
    after, said = add(toolbox, before, faint)
    assert any(line.startswith("part changed: bolt: threshold 0.5 -> 0.2") for line in said)
    assert before.spec.parts[0].threshold == pytest.approx(0.5, abs=0.05)
    assert after.spec.parts[0].threshold < 0.3
    assert all(len([p for p in m.of("bolt") if p.region.score > 0.5]) == 2 for m in after.parts)


def test_what_is_known_of_a_product_in_words_is_put_to_the_proof_by_its_first_references():
    said = learn(Toolbox(usual=bolts(2)), "tray", [], describe="two bolts on the left; three nuts on the left")
    toolbox = Toolbox(usual=(*bolts(2), *parts("nut", 0.97)))
    known, notes = add(toolbox, said, [photo(n) for n in range(4)])
    assert (rule(known.spec, "count of bolt").origin, rule(known.spec, "count of bolt").support) == ("told", 4)
    assert any("3 nut" in note and "not kept" in note for note in notes)
    # Nuts are not measured rightly, so that no rule is made of how many there seem to be.
    assert not [r for r in known.spec.rules if r.part == "nut" and r.origin == "induced"]


def test_a_reference_is_not_added_twice():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    with pytest.raises(InputError, match="is a reference already"):
        add(toolbox, product(toolbox), [photo(1)])


def test_a_miss_in_words_becomes_a_told_rule():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    after, said = reject(toolbox, product(toolbox), [photo(9)], "three washers; a bent spring")
    assert rule(after.spec, "count of washer").origin == "told"
    assert after.spec.defects == ("a bent spring",)
    assert any("rule added" in line for line in said)


def test_words_that_contradict_the_rules_are_refused():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    learned = product(toolbox, describe="The bolt is above the nut.")
    spec = learned.spec.model_copy(update={"rules": learned.spec.rules})
    assert spec == learned.spec
    with pytest.raises(InputError, match="contradict"):
        reject(
            toolbox,
            product(Toolbox(), references=0, describe="The bolt is above the nut."),
            [],
            "The nut is above the bolt.",
        )


def test_a_miss_that_a_rule_pointed_at_makes_that_rule_firm():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    toolbox.found[photo(9).digest] = bolts(1)
    before = product(toolbox)
    after, said = reject(toolbox, before, [photo(9)])
    doubts = [{r.name: r.doubt for r in p.spec.rules} for p in (before, after)]
    firmer = [name for name in doubts[0] if doubts[1][name] < doubts[0][name]]
    assert firmer
    assert any(firmer[0] in line for line in said)


def test_a_miss_that_no_rule_sees_becomes_a_word_of_the_vlm():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    after, said = reject(toolbox, product(toolbox), [photo(9)])
    assert len(after.spec.defects) == 1
    assert "--describe" in said[0]


def test_a_check_lists_the_rules_that_fire_first_with_their_sentences():
    toolbox = Toolbox(usual=bolts(2), named='["bolt"]')
    toolbox.found[photo(9).digest] = bolts(1)
    found = check(toolbox, product(toolbox), photo(9))
    assert found[0].fires
    assert "1" in found[0].sentence
    assert not any(c.fires for c in check(toolbox, product(toolbox), photo(8)))


def test_what_a_person_says_and_no_rule_checks_stands_in_the_file(tmp_path):
    learned = product(Toolbox(), references=0, describe="two lids; the ribbon looks festive")
    learned.save(tmp_path / "gift.yaml")
    assert ProductSpec.load(tmp_path / "gift.yaml").unruled == ("the ribbon looks festive",)


def test_a_question_is_put_to_the_vlm_and_weighed_against_a_good_one():
    from agent.products.spec import Product
    from agent.rules import AskRule

    spec = ProductSpec(name="tray", product="tray", rules=(AskRule(question="Is the seal closed?", expected="yes"),))
    state, _ = inspect(Toolbox(says_yes=0.1, bias=0.9), product=Product(spec), looks=0)
    said = next(e for e in state.evidence if e.hypothesis.startswith("answer to"))
    assert said.llr > 0
    assert said.claim.facts["found"] == "no"
    state, _ = inspect(Toolbox(says_yes=0.9, bias=0.9), product=Product(spec), looks=0)
    assert next(e for e in state.evidence if e.hypothesis.startswith("answer to")).llr <= 0


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("I see two bolts.", "no JSON list"),
        ('["bolt", ', "cut short"),
        ("['bolt']", "not JSON"),
        ("[3]", "item 0"),
        ('[{"phrase": "a bolt"}]', "item 0"),
    ],
)
def test_what_is_wrong_with_a_proposal_is_quoted(answer, fault):
    found, said = read_parts(answer)
    assert found == ()
    assert fault in said


def test_a_vlm_that_answers_badly_is_asked_again_with_what_was_wrong():
    class Stubborn(Toolbox):
        def answer(self, images, turns, **more):
            self.asked.append(turns[-1].text)
            return '["bolt"]' if "could not be read" in turns[-1].text else "Two bolts, I think."

    toolbox = Stubborn(usual=bolts(2))
    learned = product(toolbox)
    assert rule(learned.spec, "count of bolt").low == 2
    assert any("no JSON list" in asked for asked in toolbox.asked)


def test_unsure_counts_that_do_not_add_up_to_the_total_are_no_contradiction():
    kinds = tuple(SimpleNamespace(label=f"part {k}", counts=(2,)) for k in "ABCD")
    toolbox = Toolbox(kinds=SimpleNamespace(types=kinds))
    toolbox.recurring[photo(0).digest] = tuple(p for kind in kinds for p in parts(kind.label, 0.9, 0.55))
    learned = product(toolbox, references=1)
    assert rule(learned.spec, "count of part A").low == 2

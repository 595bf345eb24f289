"""Rules that a single reference gave weigh what was found out about such rules; told ones weigh as ever."""

from dataclasses import replace

import pytest
from scripted import GOOD, Toolbox, context, parts, photo

from agent.calibration.maps import MatcherMap
from agent.graph import build_graph
from agent.products.learn import learn
from agent.state import InspectionState, Request


def rule_weights(*, references, describe, slope):
    """The log-likelihood ratios of the rules on a photo with one bolt too few."""
    toolbox = Toolbox(distance=GOOD, usual=parts("bolt", 0.97, 0.97), named='["bolt"]')
    toolbox.found[photo(99).digest] = parts("bolt", 0.97)
    product = learn(toolbox, "tray", [photo(n) for n in range(references)], describe=describe)
    told = context(toolbox, looks=0)
    told = replace(told, calibration=told.calibration.model_copy(update={"lone": MatcherMap(slope=slope)}))
    state = InspectionState(**build_graph().invoke(Request(photo(99), product), context=told))
    origins = {rule.name: rule.origin for rule in product.spec.rules}
    return [(origins[e.hypothesis], e.llr) for e in state.evidence if e.source == "rule"]


def test_induced_rules_of_a_single_reference_weigh_nothing_unless_a_fit_says_otherwise():
    of_one = rule_weights(references=1, describe="", slope=0.0)
    assert of_one
    assert [llr for _, llr in of_one] == pytest.approx([0.0] * len(of_one))
    assert any(llr > 0.5 for _, llr in rule_weights(references=1, describe="", slope=1.0))
    assert any(llr > 0.5 for _, llr in rule_weights(references=3, describe="", slope=0.0))


@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize("origin", ["induced", "proposed"])
def test_a_rule_that_a_person_edited_weighs_in_full_whatever_the_references_say_of_the_others(references, origin):
    toolbox = Toolbox(distance=GOOD, usual=parts("bolt", 0.97, 0.97), named='["bolt"]')
    product = learn(toolbox, "tray", [photo(n) for n in range(references)])
    rules = [
        rule.model_copy(update={"low": 3, "high": 3, "origin": origin}) if rule.name == "count of bolt" else rule
        for rule in product.spec.rules
    ]
    spec = product.spec.model_copy(update={"rules": rules, "good_scores": (5.0, 6.0, 7.0)})
    state = InspectionState(
        **build_graph().invoke(Request(photo(99), replace(product, spec=spec)), context=context(toolbox, looks=0))
    )
    (edited,) = [e for e in state.evidence if e.hypothesis == "count of bolt"]
    assert not edited.shown
    assert edited.llr > 0.5


def test_what_was_told_weighs_with_a_single_reference_too():
    assert any(
        llr > 0.5 for origin, llr in rule_weights(references=1, describe="two bolts", slope=0.0) if origin == "told"
    )

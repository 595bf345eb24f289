"""What holds is told briefly: a few rules by name, the others by number, all of them cited."""

from agent.evidence import Claim, Evidence
from agent.steps.explain import LISTED, _as_expected


def held(number, key="count_as_expected"):
    claim = Claim(key, {"part": f"part {number}", "found": 1, "expected": "1"})
    return Evidence("logical", claim, -0.5, "rule", f"count of part {number}", id=f"E{number}")


def test_few_rules_are_all_named():
    said = _as_expected([held(1), held(2)])
    assert said.text == "As expected: 1 part 1 and 1 part 2."
    assert said.cites == ("E1", "E2")


def test_of_many_rules_the_others_are_counted_and_all_are_cited():
    said = _as_expected([held(n) for n in range(LISTED + 4)])
    assert said.text.endswith("and 4 more things that the rules measure.")
    assert "part 0" in said.text and f"part {LISTED}" not in said.text
    assert len(said.cites) == LISTED + 4


def test_how_many_there_are_is_said_before_where_they_are():
    place = held(9, "turn_as_expected")
    assert _as_expected([place, *(held(n) for n in range(LISTED))]).text.startswith("As expected: 1 part 0")

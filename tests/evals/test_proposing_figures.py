"""Figures of proposals: what good photos bear out, what they show anyway, and questions apart."""

import json

from evals.studies.rule_proposals import ProposalCounts, measure_family


class Scripted:
    """Answers every question with the same rules."""

    def __init__(self, *rules):
        self.rules = rules

    def answer(self, images, turns, max_new_tokens, *, schema):
        return json.dumps({"rules": self.rules})


def test_proposals_are_counted_by_what_became_of_them():
    vlm = Scripted(
        {"kind": "count", "part": "bolt", "low": 2, "high": 2},
        {"kind": "count", "part": "nut", "low": 1, "high": 1},
        {"kind": "relation", "part": "bolt", "relation": "left of", "other": "nut"},
        {"kind": "ask", "question": "Is the tray clean?", "expected": "yes"},
    )
    found = measure_family(vlm, "tray", shots=3)
    # Bolts and nuts are both kept in place, so that one being left of the other is no rule of its own.
    assert found == ProposalCounts("tray", rules=3, borne_out=2, new=1, questions=1)


def test_a_vlm_that_proposes_nothing_has_nothing_counted():
    assert measure_family(Scripted(), "tray", shots=1) == ProposalCounts("tray", 0, 0, 0, 0)

"""A sentence is checked against its evidence: counts, colours, places, names and polarity."""

import pytest

from agent.evidence.types import Claim, Evidence
from agent.report.check import faults

COUNT = Evidence("logical", Claim("count_differs", {"part": "bolt", "found": 1, "expected": "2"}), 2.0, "rule", "c")
PLACE = Evidence(
    "structural", Claim("region_differs", {"place": "upper left", "width": 40, "height": 3}), 2.0, "reference", "r"
)
NAME = Evidence("structural", Claim("looks_like", {"name": "scratch"}), 0.0, "vlm", "r")
COLOUR = Evidence(
    "logical", Claim("colour_differs", {"part": "cap", "found": "red", "expected": "blue"}), 2, "rule", "k"
)


@pytest.mark.parametrize(
    "text",
    [
        "One bolt is missing: there is 1 where two belong.",
        "A scratch runs across the upper left.",
        "The cap is red where blue belongs.",
        "Something on the left is unlike the good ones.",
    ],
)
def test_what_the_evidence_backs_has_no_fault(text):
    assert faults(text, [COUNT, PLACE, NAME, COLOUR], anomalous=True, parts=["bolt", "cap"]) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("There are three bolts.", "number three"),
        ("There are 4 bolts.", "number 4"),
        ("The cap is green.", "colour 'green'"),
        ("A scratch on the right.", "place 'right'"),
        ("A scratch at the bottom.", "place 'bottom'"),
        ("There is a crack.", "defect 'crack'"),
        ("It is good.", "contradicts the verdict"),
    ],
)
def test_what_goes_beyond_the_evidence_is_a_fault(text, fault):
    (found,) = faults(text, [COUNT, PLACE, NAME, COLOUR], anomalous=True, parts=["bolt", "cap"])
    assert fault in found


def test_a_good_part_must_not_be_called_defective():
    assert faults("The tray is damaged.", [COUNT], anomalous=False, parts=[])

"""Facts of one report that contradict each other are found, each kind by itself; a sound report has none."""

import numpy as np
import pytest

from agent.report.consistency import contradictions
from agent.report.model import Finding, InspectionReport, SentenceOut, VerdictOut
from tools.mask_encoding import encode_rle


def finding(number, **more):
    values = {
        "id": f"E{number}",
        "kind": "logical",
        "part": "bolt",
        "what": "2 bolts, as expected",
        "box": None,
        "mask": None,
        "score": 0.3,
        "llr": -0.5,
        "source": "rule",
        "look": None,
        "topic": "count",
        "status": "holds",
        "facts": {"part": "bolt", "found": 2, "expected": "2"},
    }
    return Finding(**{**values, **more})


def spot(**more):
    mask = np.zeros((100, 100), bool)
    mask[10:20, 10:30] = True
    place = {"box": (10, 10, 30, 20), "mask": dict(encode_rle(mask)), "part": None, "topic": "patch", "facts": {}}
    return finding(2, kind="structural", what="a spot", llr=4.0, source="reference", status=None, **{**place, **more})


TOLD = "A darker spot, upper left, about 20 x 10 px (4 % of the product)."
SOUND = InspectionReport(
    image="a.png",
    size=(100, 100),
    product="plate",
    profile="nano",
    references=("1", "2"),
    verdict=VerdictOut(
        anomalous=True, score=0.98, confidence=0.98, kinds=("structural",), word="anomalous", told="anomalous"
    ),
    findings=(spot(),),
    evidence=(finding(1), spot()),
    explanation=(
        SentenceOut(text="Anomalous (sure).", cites=("E2",), role="verdict"),
        SentenceOut(text=TOLD, cites=("E2",), role="finding"),
        SentenceOut(text="None of the 2 reference photos shows this.", cites=("E2",), role="comparison"),
        SentenceOut(text="As it should be: 2 bolts.", cites=("E1",), role="fine"),
    ),
    looks=(),
    answer=None,
    notes=(),
    models={},
    seconds={"total": 1.0},
)


def verdict(**changes):
    return {"verdict": SOUND.verdict.model_copy(update=changes)}


def said(number, **changes):
    sentences = list(SOUND.explanation)
    sentences[number] = sentences[number].model_copy(update=changes)
    return {"explanation": tuple(sentences)}


def test_a_sound_report_has_no_contradiction():
    assert contradictions(SOUND) == []


NOT_COUNTED = "Not counted: parts and layout, because one reference photo does not show how good parts differ."
MISSING = {"topic": "presence", "status": "broken", "what": "no bolt", "facts": {"part": "bolt"}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (verdict(score=0.2), "0.2 is the score"),
        (verdict(confidence=0.6), "with a confidence of 0.6"),
        (verdict(word="good"), "but anomalous is True"),
        (verdict(told="probably_good"), "told as probably_good"),
        (verdict(kinds=()), "of no kind"),
        ({"evidence": (finding(1), finding(3, **MISSING), spot())}, "both missing and found"),
        (
            {"evidence": (finding(1), spot(), finding(3, facts={"part": "bolt", "found": 0, "expected": "0"}))},
            "both missing and found",
        ),
        ({"evidence": (finding(1, facts={"part": "bolt", "found": 1, "expected": "2 to 3"}), spot())}, "1 of 2 to 3"),
        ({"evidence": (finding(1), spot(box=(10, 10, 130, 20)))}, "is not on the photo"),
        ({"evidence": (finding(1), spot(box=(10, 10, 12, 12))), "findings": (spot(box=(10, 10, 12, 12)),)}, "its box"),
        (said(1, text=TOLD.replace("4 %", "1 %")), "1.0 % of the product"),
        (said(1, text="A small hole, upper left, about 20 x 10 px (5.9 % of the product)."), "what is small"),
        (said(1, text="A severe scratch, about 20 x 10 px (0.3 % of the product)."), "what is large"),
        (said(2, text="None of the 3 reference photos shows this."), "there are 2 references"),
        (said(2, text="No defect found; the surface matches the 2 reference photos."), "the verdict is anomalous"),
        (said(3, cites=("E9",)), "no evidence of the report"),
        (said(3, cites=("E2",)), "which does not hold"),
        ({"evidence": (finding(1), spot(look="L1"))}, "which the report does not have"),
        (
            {
                "evidence": (finding(1), spot(), finding(3, source="parts", llr=2.65, what="7 parts", part=None)),
                **said(3, text=NOT_COUNTED, role="limit"),
            },
            "is said not to count",
        ),
        (verdict(unchecked=("number of bolts",)), "'number of bolts' was not"),
    ],
)
def test_each_kind_of_contradiction_is_told(changes, told):
    found = contradictions(SOUND.model_copy(update=changes))
    assert len(found) >= 1 and any(told in clause for clause in found), found

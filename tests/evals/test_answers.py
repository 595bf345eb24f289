"""Answers are read strictly, in the shapes in which models really give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics.answers import option_letter, yes_or_no

SAID = {
    "yes": [
        "Yes",
        "YES",
        "yes.",
        "Yes, there is a scratch. No other defects are visible.",
        "**Yes**",
        "Answer: Yes",
        "The correct answer is: Yes.",
        "Final answer: **yes**",
        "Based on the image, yes.",
        "<s>Yes</s>",
        ' "Yes"',
        "Yes\n\nThe surface is torn.",
        "Assistant: Yes",
        "I believe the answer is yes.",
        "The shell is cracked. Yes.",
    ],
    "no": [
        "No",
        "No.",
        "No, ... yes",
        "No, I would not say yes.",
        "The answer is no.",
        "NO!",
        "No defects are visible.",
        "The object does not have any defects. No.",
        "So, no.",
        "No, the object has no defects. Yes?",
    ],
    None: [
        "",
        "Yes or no?",
        "Yes/No",
        "I am not sure.",
        "There are no defects.",
        "Yesterday",
        "Nope",
        "No idea.",
        "No. Actually, yes.",
        "No way to tell",
        "Nothing is wrong.",
        "The knot is eyes-shaped",
        "N",
        "Y",
    ],
}


@pytest.mark.parametrize(("meant", "text"), [(meant, text) for meant, texts in SAID.items() for text in texts])
def test_yes_and_no_count_where_answers_stand(meant, text):
    assert yes_or_no(text) == meant


OPTIONS = {"A": "Scratch", "B": "No defect.", "C": "A dent", "D": "Yes"}
CHOSEN = {
    "A": [
        "A",
        "A.",
        "(A)",
        "a",
        "A: Scratch",
        "A\n",
        "Answer: A",
        "A, because the surface is torn",
        "scratch",
        "**A**",
    ],
    "B": [
        "B) No defect",
        "Option B",
        "The correct option is (B).",
        "I think the answer is B",
        "no defect",
        "(b) No defect",
    ],
    "C": ["The damage is clear. The answer is C.", "a dent", "C: A dent\nExplanation: A would be longer"],
    "D": ["Yes.", "D"],
    None: [
        "A scratch on the surface",
        "A or B",
        "A, B",
        "(A) or (B)",
        "A and C",
        "E",
        "",
        "None of them",
        "I see plan B",
        "The answer is A scratch",
        "C. A dent is visible. The answer is B.",
        "It has a scratch and a dent",
    ],
}


@pytest.mark.parametrize(("meant", "text"), [(meant, text) for meant, texts in CHOSEN.items() for text in texts])
def test_a_letter_counts_alone_and_an_article_never(meant, text):
    assert option_letter(text, OPTIONS) == meant


def test_an_option_s_text_counts_only_if_one_option_has_it():
    assert option_letter("dent", {"A": "Dent", "B": "dent"}) is None


@given(st.text(max_size=60))
def test_any_text_is_read_as_one_thing_or_as_nothing(text):
    assert yes_or_no(text) in ("yes", "no", None)
    assert option_letter(text, OPTIONS) in (*OPTIONS, None)

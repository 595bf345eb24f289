"""Decisions read the status and topic of a claim, never the name of its sentence."""

import pytest

import agent.evidence.claims
import agent.evidence.types
from agent import Inspector
from looktwice.examples import examples

PREFIX = "renamed_"


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=1)


def rename(monkeypatch):
    """Give every sentence another name, in the code and in the files of sentences."""
    before = agent.evidence.claims.sentence_templates
    begin = agent.evidence.types.Claim.__init__

    def begin_renamed(self, key, *fields, **named):
        begin(self, PREFIX + key.removeprefix(PREFIX), *fields, **named)

    monkeypatch.setattr(agent.evidence.types.Claim, "__init__", begin_renamed)
    monkeypatch.setattr(
        agent.evidence.claims,
        "sentence_templates",
        lambda *a: {PREFIX + key: words for key, words in before(*a).items()},
    )


@pytest.mark.parametrize("name", ["wood", "meal_box"])
def test_other_names_of_sentences_change_no_verdict_and_no_sentence(inspector, monkeypatch, name):
    example = next(e for e in examples() if e.name == name)
    photo = example.photos[-1]
    arguments = {"references": example.references[:2], "normal": example.normal or ""}
    plain = inspector.inspect(photo, **arguments)
    rename(monkeypatch)
    inspector = Inspector("nano", looks=1)
    renamed = inspector.inspect(photo, **arguments)
    assert renamed.verdict == plain.verdict
    assert renamed.explanation == plain.explanation
    assert [(e.id, e.llr) for e in renamed.evidence] == [(e.id, e.llr) for e in plain.evidence]

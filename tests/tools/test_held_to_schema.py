"""Answers held to a JSON Schema: a random model writes nothing else, and models whose tokens are no text are said."""

import json
import logging

import pytest
from checkpoints import bert_tokenizer, plate
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.products.proposals import PART_LIMIT, parts_schema, read_parts
from agent.products.rule_proposals import read_rules
from agent.products.rule_schema import MOST_RULES, known_words, rules_schema
from tools.models.loading import load_model
from tools.profiles import ModelSpec
from tools.vlm import LocalVLM, Turn
from tools.vlm.schema import Grammars

KINDS = ("llava", "qwen_vl", "llava_next", "llava_onevision", "qwen3_vl", "smolvlm", "internvl")
QUESTIONS = ("What is it?", "And how many?", "Well?")


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    label: str = Field(min_length=1, max_length=6)
    count: int = Field(ge=0, le=20)


class Listed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    items: list[Item] = Field(min_length=1, max_length=2)


SCHEMA = Listed.model_json_schema()


def said(vlm, question, tokens=160, **more):
    return vlm.answer([plate(0, (40, 32))], [Turn("user", question, 1)], tokens, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_a_random_model_of_any_class_writes_what_the_schema_asks_for_and_nothing_of_the_sort_without(loaded, kind):
    vlm = LocalVLM(loaded(kind))
    for question in QUESTIONS:
        assert Listed.model_validate_json(said(vlm, question, schema=SCHEMA)).items
        with pytest.raises(ValidationError):
            Listed.model_validate_json(said(vlm, question))


def test_the_same_answer_comes_whether_the_photo_was_run_before_or_not(loaded):
    first, second = LocalVLM(loaded("llava")), LocalVLM(loaded("llava"))
    fresh = said(first, QUESTIONS[0], schema=SCHEMA)
    said(second, QUESTIONS[0])
    said(second, QUESTIONS[1], schema=SCHEMA)
    assert said(second, QUESTIONS[0], schema=SCHEMA) == fresh
    assert said(second, QUESTIONS[0]) == said(LocalVLM(loaded("llava")), QUESTIONS[0])


def test_an_answer_that_is_cut_short_is_the_beginning_of_one(loaded):
    vlm = LocalVLM(loaded("llava"))
    whole = said(vlm, QUESTIONS[0], schema=SCHEMA)
    assert whole.startswith(said(vlm, QUESTIONS[0], 12, schema=SCHEMA))


def test_words_that_are_allowed_are_the_only_ones(loaded):
    schema = {
        "type": "object",
        "properties": {"part": {"type": "string", "enum": ["bolt", "red nut"]}},
        "required": ["part"],
        "additionalProperties": False,
    }
    found = {json.loads(said(LocalVLM(loaded("llava")), q, schema=schema))["part"] for q in QUESTIONS}
    assert found <= {"bolt", "red nut"}


def test_a_model_whose_tokens_are_no_text_answers_freely_which_is_said_once(folder_of, caplog):
    own = load_model(ModelSpec(source=str(folder_of("llava"))), "vlm", "cpu")
    free = said(LocalVLM(own), QUESTIONS[0], 8)
    vlm, bytes_of = LocalVLM(own), own.processor.tokenizer
    vlm._grammars = Grammars(own)
    # Word pieces are joined by rules of their own: "red" and "##s" are no text in a row.
    own.processor.tokenizer = bert_tokenizer()
    try:
        with caplog.at_level(logging.WARNING, "looktwice"):
            assert [vlm._grammars.holding(SCHEMA) for _ in range(2)] == [[], []]
    finally:
        own.processor.tokenizer = bytes_of
    assert [("no pieces of text" in r.getMessage()) for r in caplog.records] == [True]
    assert said(vlm, QUESTIONS[0], 8, schema=SCHEMA) == free


def test_a_model_without_an_end_answers_freely(folder_of, caplog):
    own = load_model(ModelSpec(source=str(folder_of("llava"))), "vlm", "cpu")
    own.model.generation_config.eos_token_id = own.processor.tokenizer.eos_token = None
    with caplog.at_level(logging.WARNING, "looktwice"):
        assert Grammars(own).holding(SCHEMA) == []
    assert "no token ends an answer" in caplog.text


@pytest.mark.parametrize("labels", [[], ["bolt"], ["bolt", "red nut", "cap"]])
def test_a_random_model_writes_rules_of_known_words_and_freely_none(loaded, labels):
    vlm, names, words = LocalVLM(loaded("llava")), {label: label for label in labels}, known_words(labels)
    held = said(vlm, "What holds?", 4000, schema=rules_schema(labels))
    written = json.loads(held)["rules"]
    assert len(written) <= MOST_RULES
    assert all(rule[key] in words[key] for rule in written for key in rule if key in words)
    # What is still wrong is what no grammar says: a range upside down, a part beside itself.
    _, fault = read_rules(held, names)
    assert fault is None or not any(told in fault for told in ("JSON", "not known", "Input should", "pattern"))
    assert read_rules(said(vlm, "What holds?"), names)[0] == ()


def test_a_random_model_describes_parts(loaded):
    vlm = LocalVLM(loaded("llava"))
    found, fault = read_parts(said(vlm, "Which parts?", 2000, schema=parts_schema("names")))
    assert fault is None
    assert len(found) <= PART_LIMIT
    _, fault = read_parts(said(vlm, "Which parts?", 300, schema=parts_schema("parts")))
    assert fault in (None, "it is cut short; answer in fewer words")

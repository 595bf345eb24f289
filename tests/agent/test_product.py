"""A product tells rules that its references obey from those that a person wants whatever they show."""

import pytest

from agent.products.spec import PartSpec, Product, ProductSpec
from agent.rules import AskRule, CountRule, MeasuredParts
from tools.types import Box, Part, Region


def bolts(count):
    return MeasuredParts(tuple(Part("bolt", Region(Box(20 * n, 0, 20 * n + 10, 10), 0.9)) for n in range(count)))


def product(*rules, counts=()):
    spec = ProductSpec(name="bag", product="bag", parts=(PartSpec(label="bolt", phrase="bolt"),), rules=rules)
    return Product(spec, parts=tuple(bolts(count) for count in counts))


@pytest.mark.parametrize(("counts", "shown"), [((3, 3, 3, 4), True), ((3, 3, 4, 4), True), ((3, 4, 4, 4), False)])
def test_a_rule_is_shown_where_half_of_the_references_obey_it(counts, shown):
    rule = CountRule(part="bolt", low=3, high=3)
    assert product(rule, counts=counts).shows(rule) is shown


def test_without_references_nothing_denies_a_rule():
    rule = CountRule(part="bolt", low=3, high=3)
    assert product(rule).shows(rule)


def test_a_question_is_not_shown_by_parts():
    rule = AskRule(question="Is the seal closed?", expected="yes")
    assert not product(rule, counts=(3, 3)).shows(rule)

"""What a scene says of itself is true."""

import json
from collections import Counter
from functools import cache

import numpy as np
import pytest

import prompts
from nano.world import FAMILIES, HELDOUT, TRAINED, family, render
from nano.world.colours import PALETTE
from nano.world.words import place
from tools.errors import InputError

EVERY = [(name, defect) for name in FAMILIES for defect in family(name).defects]


def test_the_world_is_as_wide_as_promised():
    kinds = {name: family(name).is_logical for name in FAMILIES}
    structural = {d for name in FAMILIES for d in family(name).structural}
    logical = {d for name in FAMILIES for d in family(name).logical}
    assert len(FAMILIES) >= 14 and sum(kinds.values()) >= 8 and len(kinds) - sum(kinds.values()) >= 6
    assert len(structural) >= 10 and len(logical) >= 10 and not structural & logical


def test_heldout_families_are_apart_but_share_nouns_with_trained_ones():
    assert len(TRAINED) >= 10 and not set(TRAINED) & set(HELDOUT)
    assert Counter(family(name).is_logical for name in HELDOUT) == {True: 2, False: 2}
    known = {noun for name in TRAINED for noun in family(name).nouns}
    for name in HELDOUT:
        assert known & set(family(name).nouns), f"{name} has no noun that was ever trained on"


@cache
def good_scene(name):
    return render(name, seed=4, index=1)


@pytest.mark.parametrize(("name", "defect"), EVERY)
def test_a_defect_is_marked_where_it_shows(name, defect):
    bad, good = render(name, seed=4, index=1, defect=defect), good_scene(name)
    changed = np.abs(bad.image.astype(int) - good.image.astype(int)).max(axis=2)
    (found,) = bad.defects
    assert not good.defects and not good.anomaly_mask.any()
    assert found.mask.any() and (found.mask == bad.anomaly_mask).all()
    assert found.kind == ("logical" if defect in family(name).logical else "structural")
    assert 1 <= found.saturation <= found.mask.sum() and 0 < found.pixel_value <= 255
    assert found.place == place(found.mask)
    if found.kind == "structural":
        near = changed[found.mask]
        assert np.percentile(near, 95) > 20, "a careful eye would miss it"
        assert (changed[~found.mask] > 60).sum() < 400, "it changed pixels that it does not own"
    else:
        assert (changed > 30).sum() > 20


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_have_tight_boxes_and_basic_colours(name):
    scene = render(name, seed=8, index=3)
    assert {part.noun for part in scene.parts} <= set(family(name).nouns)
    for part in scene.parts:
        rows, columns = np.nonzero(part.mask)
        assert part.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert part.attributes["colour"] in PALETTE["plain"]
    owned = np.sum([part.mask for part in scene.parts], axis=0)
    assert owned.max() == 1, "a pixel belongs to one part"


@pytest.mark.parametrize("name", FAMILIES)
def test_good_products_obey_the_count_rules(name):
    for index in range(4):
        scene = render(name, seed=9, index=index)
        counts = Counter(part.noun for part in scene.parts)
        for rule in family(name).rules:
            if rule["kind"] == "count":
                assert rule["min"] <= counts[rule["part"]] <= rule["max"], rule["words"]


@pytest.mark.parametrize(("name", "defect"), [(n, family(n).defects[0]) for n in FAMILIES] + [("tray", None)])
def test_answers_agree_with_the_truth(name, defect):
    scene = render(name, seed=6, index=1, defect=defect)
    answers = {q.question: q.answer for q in scene.questions}
    asked = {q.name for q in scene.questions} | {"cause"}
    templates = {key: text for key, text in prompts.questions().items() if key in asked}
    ask = {key: text.format(product=scene.product, part="{part}") for key, text in templates.items()}
    assert answers[ask["detect"]] == ("Yes" if defect else "No")
    assert answers[ask["detect_good"]] == ("No" if defect else "Yes")
    counts = Counter(part.noun for part in scene.parts)
    assert json.loads(answers[ask["list_parts"]]) == [noun for noun in family(name).nouns if counts[noun]]
    for noun in family(name).nouns:
        assert answers[ask["count"].format(part=noun)] == str(counts[noun])
    if defect:
        (found,) = scene.defects
        assert answers[ask["locate"]].rstrip(".").lower() == found.place
        assert found.words in answers[ask["describe"]] and found.words in answers[ask["describe_defect"]]
        assert answers[ask["cause"]] == found.cause and answers[ask["advise"]] == found.advice
    else:
        assert ask["cause"] not in answers


@pytest.mark.parametrize("size", [64, 128, 384])
def test_other_sizes_show_the_same_product(size):
    small, usual = (render("tray", seed=2, index=5, size=side) for side in (size, 256))
    assert small.image.shape == (size, size, 3)
    assert abs(small.parts[0].box.width / size - usual.parts[0].box.width / 256) < 0.03


@pytest.mark.parametrize("name", FAMILIES)
def test_every_defect_can_be_shown_on_the_smallest_photo(name):
    for index, defect in enumerate(family(name).defects):
        assert render(name, seed=2, index=index, defect=defect, size=64).anomaly_mask.any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"family": "spoon"}, "Unknown family 'spoon'; choose from tray"),
        ({"family": "gear", "defect": "wrong fill"}, "A gear has no defect 'wrong fill'; choose from scratch"),
        ({"family": "gear", "style": "noir"}, "Unknown style 'noir'; choose plain or shift"),
        ({"family": "gear", "size": 100}, "Size 100 cannot be rendered"),
    ],
)
def test_what_cannot_be_rendered_is_said_in_one_sentence(arguments, said):
    with pytest.raises(InputError, match=said):
        render(**{"seed": 0, "index": 0, **arguments})

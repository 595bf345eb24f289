"""The sentences by which the text matcher tells good products from bad ones; the words themselves are in prompts/."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prompts import load_yaml
from tools.errors import InputError


def sentences(product: str, state: str, defects: Sequence[str] = ()) -> list[str]:
    """Every sentence that says that a product is "normal" or "anomalous"; braces in its name stay braces.

    Sentences of a product's own defects are whole ones that also say how the defect looks: of the prompts that Yong
    (2022) tried on industrial photos, whole sentences with domain definitions told damage apart best.

    Args:
        product: a noun such as "metal nut".
        state: "normal" or "anomalous".
        defects: what may be wrong with it, each a name ("crack") or a name and how it looks ("crack: a dark line");
            for the anomalous state alone.

    Raises:
        InputError: the product or a defect has no name.

    >>> sentences("nut", "normal")[0]
    'a photo of a nut.'
    >>> sentences("nut", "anomalous", ["nick: a small cut"])[-1]
    'the nut in the photo has a nick: a small cut.'
    """
    noun = " ".join(product.split())
    if not noun:
        raise InputError("the product has no name; say what is shown, for instance 'metal nut'.")
    templates = load_yaml("templates")
    states = [_filled(line, product=noun) for line in load_yaml("states")[state]]
    found = [_filled(template, state=line) for line in states for template in templates["photo"]]
    if state == "anomalous":
        for name, meaning in (_defined(defect) for defect in defects):
            lines = templates["defect"] if meaning else templates["defect"][:1]
            found += [_filled(line, product=noun, defect=name, meaning=meaning) for line in lines]
    return found


def _filled(template: str, **values: str) -> str:
    """The template with its placeholders filled at once, so that braces in a value stay as they are.

    >>> _filled("{a} and {b}", a="{b}", b="two")
    '{b} and two'
    """
    return re.sub("|".join(rf"\{{{name}\}}" for name in values), lambda found: values[found[0][1:-1]], template)


def _defined(defect: str) -> tuple[str, str]:
    """A defect's name and how it looks; the latter from prompts/damage.yaml where it is not told, or empty."""
    name, _, meaning = (" ".join(part.split()) for part in defect.partition(":"))
    if not name:
        raise InputError(f"defect '{defect}' has no name; write it as 'crack' or as 'crack: a dark jagged line'.")
    return name, meaning or load_yaml("damage").get(name.lower(), "")

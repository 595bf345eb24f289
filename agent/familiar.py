"""Whether the narrator knows a product: what it says of one that it has never seen anything like is worth nothing.

It is asked for the parts that it sees. A narrator that knows the product names what people have told of it, or what the
detector finds on its good photos; one that does not names parts of something else, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.learning.propose import proposed_parts

if TYPE_CHECKING:
    from agent.calibrate import Looks
    from agent.context import Context
    from agent.product import Product
    from tools.types import Sample

STRANGE = 0.5
"""A narrator does not know a product when at least this share of the parts that it lists is nothing that is known."""


@dataclass(frozen=True)
class Familiar:
    """Whether the narrator knows a product, and what told so."""

    known: bool
    strange: tuple[str, ...] = ()
    """Parts that it listed and that nobody told or found."""


def familiar_with(context: Context, product: Product, sample: Sample) -> Familiar:
    """What the narrator's list of parts says of a product; asked once for the same references and words.

    Args:
        context: holds the narrator, and what was found out before.
        product: its words, its named parts and its first reference.
        sample: shown where there is no reference.
    """
    shown = product.references[0] if product.references else sample
    key = "\n".join([product.spec.product, product.spec.normal, shown.digest])
    if key not in context.familiar:
        listed = [part.label for part in proposed_parts(context.toolbox.narrator, [shown], product.spec.product)]
        labels = " ".join(part.label for part in product.spec.parts)
        told = f"{product.spec.product} {product.spec.normal} {labels}".lower()
        strange = tuple(label for label in listed if label.split()[-1] not in told)
        context.familiar[key] = Familiar(bool(listed) and len(strange) < STRANGE * len(listed), strange)
    return context.familiar[key]


def looks_for(context: Context, product: Product, sample: Sample) -> Looks:
    """What second looks are worth on a product: the narrator's answers nothing where it does not know it."""
    looks = context.calibration.looks
    if looks.compare.gain == looks.ask.gain == 0 or familiar_with(context, product, sample).known:
        return looks
    return looks.without_narrator()

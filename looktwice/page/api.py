"""The page's functions for programs: stable names, plain values, the same order of turns as for people."""

from __future__ import annotations

import base64
import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.events import api as gradio_api
from pydantic import BaseModel

from agent.evidence.claims import renamed, say_briefly
from agent.report.model import InspectionReport, VerdictOut
from agent.text_limits import QUESTION, checked_text
from looktwice.page.context import PageContext
from looktwice.page.progress import NEXT
from looktwice.page.security import upload_folder
from tools.display_text import display_text
from tools.errors import InputError, LookTwiceError
from tools.image_files import ACCEPTED
from tools.images import decoded_bytes

if TYPE_CHECKING:
    from agent import Product

MOST = 16
"""Good photos of one call."""
LARGEST_PHOTO = 30 * 1024 * 1024
"""Bytes of a photo that is given as a data URI."""


class CitedSentence(BaseModel):
    """A sentence and the ids of the evidence that it rests on."""

    text: str
    cites: list[str]


class ChatAnswer(BaseModel):
    """An answer about a photo, and the verdict as it stands then."""

    text: str
    sentences: list[CitedSentence]
    verdict: VerdictOut


class LearnedProduct(BaseModel):
    """A product that was learned."""

    product: str
    rules: list[str]
    """In words."""
    references: int
    notes: list[str]
    """What was left out, and why."""


class ProductName(BaseModel):
    """A product that photos can be compared with."""

    name: str
    ready_made: bool
    """Whether it ships with the program, without reference photos."""


class ProductNames(BaseModel):
    """All of them."""

    products: list[ProductName]


Tell = Callable[[str], None]
"""Is told in words what begins."""


def tell_nobody(text: str) -> None:
    """Says nothing."""


class Api:
    """inspect, ask, learn and products; each says in words what begins, and raises InputError for what is refused."""

    def __init__(self, page: PageContext, *, paths: bool) -> None:
        """Takes the page.

        Args:
            page: whose engine works.
            paths: whether photos may be named by paths of this machine; only where no other machine can call.
        """
        self._page = page
        self._paths = paths

    def inspect(
        self,
        photo: str,
        product: str = "",
        references: list[str] | None = None,
        normal: str = "",
        *,
        tell: Tell = tell_nobody,
    ) -> InspectionReport:
        """Inspects one photo."""
        return self._inspect(photo, product, references, normal, tell)[0]

    def ask(
        self,
        photo: str,
        question: str,
        product: str = "",
        references: list[str] | None = None,
        normal: str = "",
        *,
        tell: Tell = tell_nobody,
    ) -> ChatAnswer:
        """Inspects one photo and answers a question about it."""
        checked_text("question", question, QUESTION)
        report, known = self._inspect(photo, product, references, normal, tell)
        chat = self._page.engine.inspector.chat(report, product=known, thread="api")
        with self._page.engine.queue.turn():
            reply = chat.ask(question)
        sentences = [CitedSentence(text=s.text, cites=list(s.cites)) for s in reply.sentences]
        return ChatAnswer(text=reply.text, sentences=sentences, verdict=(reply.report or report).verdict)

    def learn(self, name: str, references: list[str], normal: str = "", *, tell: Tell = tell_nobody) -> LearnedProduct:
        """Learns a product and keeps it."""
        self._page.engine.store.refuse_known(name)
        with tempfile.TemporaryDirectory() as folder:
            photos = [self._kept(r, Path(folder), f"good-{n}") for n, r in enumerate(self._few(references), start=1)]
            product = self._page.engine.learn(
                name,
                photos,
                normal=normal,
                on_turn=lambda: tell(self._page.words["learning_now"]),
                on_stage=lambda stage: tell(self._page.words[f"stage_{stage}"]),
            )
        rules = [say_briefly(renamed(rule.claim, product.spec.called)) for rule in product.spec.rules]
        return LearnedProduct(product=product.name, rules=rules, references=len(photos), notes=list(product.notes))

    def products(self) -> ProductNames:
        """Lists the products that photos can be compared with."""
        store = self._page.engine.store
        made = [ProductName(name=name, ready_made=not store.path(name).is_file()) for name in store.names()]
        return ProductNames(products=made)

    def _inspect(
        self, photo: str, product: str, references: list[str] | None, normal: str, tell: Tell
    ) -> tuple[InspectionReport, Product | None]:
        words = self._page.words
        with tempfile.TemporaryDirectory() as folder:
            path = self._kept(photo, Path(folder), "photo")
            good = [self._kept(r, Path(folder), f"good-{n}") for n, r in enumerate(self._few(references), start=1)]
            return self._page.engine.inspect(
                path,
                product=product.strip() or None,
                references=good,
                normal=normal,
                on_step=lambda name, _: tell(words[f"step_{NEXT[name]}"]),
                on_place=lambda ahead: tell(words("waiting", ahead=ahead)),
                on_photo=lambda _: tell(words["step_intake"]),
            )

    def _few(self, references: list[str] | None) -> list[str]:
        found = references or []
        if len(found) > MOST:
            raise InputError(f"references: {len(found)} photos, at most {MOST} are taken; give fewer.")
        return found

    def _kept(self, given: str, folder: Path, name: str) -> Path:
        """A file that holds a given photo."""
        if given.startswith("data:"):
            head, _, data = given.partition(",")
            if not head.startswith("data:image/") or not head.endswith(";base64"):
                raise InputError(
                    f"{name}: begins with {head[:40]!r}; give data:image/png;base64, and the photo's bytes."
                )
            if len(data) > 4 * (LARGEST_PHOTO // 3 + 1):
                raise InputError(
                    f"{name}: its {len(data):,} characters of base64 are more than the {LARGEST_PHOTO // 1024**2} MiB "
                    "that a photo may have; give a smaller photo."
                )
            try:
                content = base64.b64decode(data, validate=True)
            except ValueError as error:
                raise InputError(f"{name}: its base64 is damaged ({error}); encode the photo again.") from error
            kind = "".join(c for c in head[11:-7] if c.isalnum())[:5] or "png"
            path = folder / f"{name}.{kind}"
            path.write_bytes(content)
            return path
        if not self._paths:
            raise InputError(f"{name}: this page is open to other machines and takes no paths; give a data URI.")
        if not given.strip():
            raise InputError(f"{name}: is empty; give a data URI or the path of an image file.")
        return _photo_at(given, name)


def _photo_at(given: str, name: str) -> Path:
    """The path of a photo on this machine; whatever else lies there, or nothing, is refused in the same words.

    A caller is told of no file that is not a photo; a FIFO or a device is not opened. Uploads have owners, which the
    page's functions for programs do not know.
    """
    path = Path(given)
    with contextlib.suppress(RuntimeError, ValueError, OSError, InputError):
        path = path.expanduser()
        if upload_folder().resolve() not in path.resolve().parents:
            decoded_bytes(path)
            return path
    raise InputError(
        f"{name}: {display_text(path.name, 80)!r} is no photo that this page can read; give a data URI, or the path of "
        f"an image file on the page's machine ({ACCEPTED})."
    )


class Endpoints:
    """The functions as programs see them: their documents, and plain values as results."""

    def __init__(self, api: Api) -> None:
        """Takes what works."""
        self._api = api

    def inspect(
        self, photo: str, product: str = "", references: list[str] | None = None, normal: str = ""
    ) -> dict[str, Any]:
        """Inspects one photo and explains the verdict.

        Args:
            photo: a data URI ("data:image/png;base64,..."), or, on the machine itself, the path of an image file.
            product: name of a product that was learned before; empty to use references and normal.
            references: photos of good ones, given like photo; none is accepted.
            normal: what good means, in a sentence, such as "two bolts, three nuts".

        Returns:
            The report: verdict (anomalous, score, confidence), findings with boxes in pixels, explanation with
            citations.
        """
        return _plain(lambda: self._api.inspect(photo, product, references, normal))

    def ask(
        self, photo: str, question: str, product: str = "", references: list[str] | None = None, normal: str = ""
    ) -> dict[str, Any]:
        """Inspects one photo and answers a question about it from measured evidence.

        Args:
            photo: a data URI ("data:image/png;base64,..."), or, on the machine itself, the path of an image file.
            question: in plain words, such as "how many screws are there?"
            product: name of a product that was learned before; empty to use references and normal.
            references: photos of good ones, given like photo; none is accepted.
            normal: what good means, in a sentence.

        Returns:
            The answer as text, its sentences each with the ids of the evidence it rests on, and the verdict.
        """
        return _plain(lambda: self._api.ask(photo, question, product, references, normal))

    def learn(self, name: str, references: list[str], normal: str = "") -> dict[str, Any]:
        """Learns a product from photos of good ones and keeps it under a name.

        Args:
            name: letters, digits, spaces, '.', '_' and '-', at most 60; it must be new.
            references: photos of good ones: data URIs, or, on the machine itself, paths of image files.
            normal: what good means, in a sentence; its parts and counts become rules.

        Returns:
            The product's name, its rules in words, and notes on what was left out.
        """
        return _plain(lambda: self._api.learn(name, references, normal))

    def products(self) -> dict[str, Any]:
        """Lists the products that photos can be compared with: learned ones, and those that ship ready-made."""
        return _plain(self._api.products)


def _plain(work: Callable[[], BaseModel]) -> dict[str, Any]:
    """A result as plain values; what is refused as a sentence for the caller."""
    try:
        return work().model_dump(mode="json", by_alias=True)
    except LookTwiceError as error:
        raise gr.Error(str(error), print_exception=False) from error


def add_api(page: PageContext, *, paths: bool) -> Api:
    """Adds the functions to the blocks that are being built, and gives them."""
    api = Api(page, paths=paths)
    documented = Endpoints(api)
    for function in (documented.inspect, documented.ask, documented.learn, documented.products):
        gradio_api(function, api_name=function.__name__)
    return api

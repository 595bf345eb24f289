"""The second tab: products are learned, read, edited while their faults are told, tested and handed on as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from looktwice.page import widgets as parts
from looktwice.page.context import PageContext
from looktwice.page.engine import LONGEST_NORMAL, LONGEST_NOUN, photo_of
from looktwice.page.progress import WorkFailure, WorkResult, streamed
from looktwice.products import fresh, parse
from prompts import render
from tools.documents import MAX_BYTES
from tools.errors import InputError
from tools.files import read_text

if TYPE_CHECKING:
    from agent import Product
    from agent.products.revision import Check
    from looktwice.page.sessions import Visit


def learn_product(page: PageContext, visit: Visit, name: str, photos: list[Path], describe: str, noun: str) -> Any:
    """Learns and keeps a product; a generator of what is said while it goes on, see `streamed`."""
    stop = visit.fresh_stop()

    def work(say: Callable[[str], None]) -> Product:
        return page.engine.learn(
            name,
            photos,
            normal=describe,
            noun=noun,
            on_place=lambda ahead: stop.check(),
            on_turn=lambda: say(page.words["learning_now"]),
            on_stage=lambda stage: say(page.words[f"stage_{stage}"]),
        )

    return streamed(work, stop)


def build_products_tab(page: PageContext, chosen: gr.Dropdown) -> gr.Dropdown:
    """Builds the tab, and gives its list of products; `chosen` is the inspect tab's, which grows with this one's."""
    tab = _ProductsTab(page)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            tab.lay_out_learning()
        with gr.Column(scale=8, min_width=320):
            tab.lay_out_file()
            tab.lay_out_test()
    tab.connect(chosen)
    return tab.listed


class _ProductsTab:
    """The components, and what each of them does."""

    def __init__(self, page: PageContext) -> None:
        self._page, self._words, self._store = page, page.words, page.engine.store

    def lay_out_learning(self) -> None:
        """Where a new product is learned."""
        words = self._words
        gr.HTML(f"<h3>{words['learn_title']}</h3>")
        self._name = gr.Textbox(label=words["product_name"], max_length=60, elem_id="learn-name")
        self._photos = parts.photos(words["good_photos"], height=170, elem_id="learn-photos")
        self._describe = gr.Textbox(
            label=words["normal"],
            placeholder=words["normal_example"],
            lines=2,
            max_length=LONGEST_NORMAL,
            elem_id="learn-words",
        )
        self._noun = gr.Textbox(label=words["noun"], max_length=LONGEST_NOUN)
        self._learn = gr.Button(words["learn"], variant="primary", elem_id="learn")

    def lay_out_file(self) -> None:
        """Where a product's file is read and edited."""
        words = self._words
        self.listed = gr.Dropdown(
            self._store.names(),
            value=None,
            label=words["products_list"],
            info=words["choose_product"],
            elem_id="listed",
        )
        self._told = gr.HTML(elem_id="product-told", apply_default_css=False, js_on_load=None)
        self._text = gr.Code(
            label=words["edit"], language="yaml", lines=14, max_lines=26, interactive=True, elem_id="spec"
        )
        with gr.Row():
            self._save = gr.Button(words["save"], variant="primary", elem_id="save", min_width=90)
            self._download = gr.DownloadButton(words["download"], elem_id="download", min_width=90)
            self._upload = gr.UploadButton(
                words["upload"], file_types=[".yaml", ".yml"], elem_id="upload", min_width=90
            )

    def lay_out_test(self) -> None:
        """Where a product is tried on a photo."""
        words = self._words
        with gr.Accordion(words["test_title"], open=True), gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=220):
                self._photo = parts.photo(words["photo"], height=200, elem_id="test-photo")
                self._test = gr.Button(words["test"], elem_id="test")
            with gr.Column(scale=3, min_width=300):
                self._fired = gr.HTML(elem_id="fired", apply_default_css=False, js_on_load=None)

    def connect(self, chosen: gr.Dropdown) -> None:
        """Ties what the visitor does to what happens."""
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        lists = [self._told, chosen, self.listed]
        given = [self._name, self._photos, self._describe, self._noun]
        self._learn.click(self.on_learn, given, lists, **hidden)
        self.listed.change(self.on_choice, [self.listed], [self._text, self._download], **hidden)
        edited = [self._text, self.listed]
        self._text.change(self.on_edit, edited, [self._told], trigger_mode="always_last", **hidden)
        self._save.click(self.on_save, edited, [self._told, self._download], **hidden)
        self._upload.upload(self.on_upload, [self._upload], lists, **hidden)
        self._test.click(self.on_test, [self._photo, self.listed], [self._fired], **hidden)

    def on_learn(self, name: str, files: list[Any], describe: str, noun: str, request: gr.Request) -> Any:
        """Learns a product and shows its file."""
        visit, words = self._page.visits.of(request.session_hash), self._words
        for item in learn_product(self._page, visit, name or "", parts.paths_of(files), describe or "", noun or ""):
            if isinstance(item, WorkResult):
                spec = item.result.spec
                said = words("learned", name=spec.name, rules=len(spec.rules), photos=len(item.result.references))
                yield self._page.box("fine", "", said), *self._choices(spec.name)
            elif isinstance(item, WorkFailure):
                yield self._page.trouble(item.reason, inside=item.inside), gr.skip(), gr.skip()
            elif isinstance(item, str):
                yield self._page.box("note", "", item), gr.skip(), gr.skip()

    def on_choice(self, name: str | None, request: gr.Request) -> tuple[str, Any]:
        """Shows a product's file."""
        return (self._store.text(name), _file(self._page, request, name)) if name else ("", None)

    def on_edit(self, text: str, name: str | None) -> str:
        """Says what is wrong with the file as it stands, while it is edited."""
        if not (text or "").strip():
            return ""
        try:
            spec = parse(text, name or "product")
            if name:
                self._store.refuse_foreign_photos(spec, name)
        except InputError as error:
            return self._page.box("trouble", self._words["spec_trouble"], str(error))
        return self._page.box("fine", "", self._words("spec_fine", rules=len(spec.rules), parts=len(spec.parts)))

    def on_save(self, text: str, name: str | None, request: gr.Request) -> tuple[str, Any]:
        """Keeps the edited file, once it reads well."""
        words = self._words
        try:
            spec = self._store.write(name or parse(text or "", "product").name, text or "", new=not name)
        except InputError as error:
            return self._page.box("trouble", words["spec_trouble"], str(error)), gr.skip()
        said = words("spec_fine", rules=len(spec.rules), parts=len(spec.parts))
        return self._page.box("fine", words["spec_saved"], said), _file(self._page, request, name or spec.name)

    def on_upload(self, path: str) -> tuple[str, Any, Any]:
        """Takes a product file that somebody else made."""
        try:
            text = read_text(Path(path), limit=MAX_BYTES, what="product file")
            spec = parse(text, Path(path).name)
            self._store.write(spec.name, text, new=True)
        except InputError as error:
            return self._page.trouble(str(error).replace(path, Path(path).name)), gr.skip(), gr.skip()
        return self._page.box("fine", self._words["spec_saved"], spec.name), *self._choices(spec.name)

    def on_test(self, path: str | None, name: str | None, request: gr.Request) -> Any:
        """Says which rules fire on a photo."""
        flag = self._page.visits.of(request.session_hash).fresh_stop()

        def work(say: Callable[[str], None]) -> tuple[Check, ...]:
            if not name:
                raise InputError("no product is chosen; choose one above.")
            with self._page.engine.queue.turn(lambda ahead: flag.check()):
                sample = photo_of(path)
                say(self._words["testing_now"])
                return self._page.engine.inspector.check(sample, self._page.engine.product(name))

        for item in streamed(work, flag):
            if isinstance(item, WorkResult):
                shown = Path(path or "").name
                yield render("page/checks.html.jinja", checks=item.result, words=self._words, photo_name=shown)
            elif isinstance(item, WorkFailure):
                yield self._page.trouble(item.reason, inside=item.inside)
            elif isinstance(item, str):
                yield self._page.box("note", "", item)

    def _choices(self, name: str) -> tuple[Any, Any]:
        """Both lists of products, with a new one that is shown at once."""
        choices = self._page.product_choices()
        return gr.update(choices=choices), gr.update(choices=self._store.names(), value=name)


def _file(page: PageContext, request: gr.Request, name: str) -> str:
    """A copy of a product's file for this visitor to download."""
    folder = page.visits.of(request.session_hash).folder
    target = fresh(folder, f"{name}.yaml")
    target.write_text(page.engine.store.text(name), encoding="utf-8")
    return str(target)

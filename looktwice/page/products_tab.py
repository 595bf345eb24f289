"""The second tab: products are learned, read, edited while their faults are told, tested and handed on as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from looktwice.page.context import PageContext
from looktwice.page.engine import photo_of
from looktwice.page import parts
from looktwice.page.shelf import fresh, parse
from looktwice.page.work import Done, Failed, streamed
from prompts import render
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import Product
    from agent.revise import Check
    from looktwice.page.visits import Visit


def learn_product(page: PageContext, visit: Visit, name: str, photos: list[Path], describe: str, noun: str) -> Any:
    """Learns and keeps a product; a generator of what is said while it goes on, see `streamed`."""
    stop = visit.fresh_stop()

    def work(say: Callable[[str], None]) -> Product:
        shelf = page.engine.shelf
        target = shelf.path(name)
        if target.exists():
            raise InputError(f"product '{name}' is kept already; choose another name, or edit its file.")
        if not photos and not describe.strip():
            raise InputError("there is nothing to learn from; give photos of good ones, or say what good means.")
        for photo in photos:
            photo_of(photo)
        with page.engine.queue.turn(lambda ahead: stop.check()):
            say(page.words["learning_now"])
            kept = shelf.keep_photos(name, photos)
            learned = page.engine.inspector.learn(
                name.strip(), kept, describe=describe[:2000], product=noun.strip() or None
            )
            shelf.keep(learned)
            return learned

    return streamed(work, stop)


def build_products_tab(page: PageContext, chosen: gr.Dropdown) -> None:
    """Builds the tab; `chosen` is the inspect tab's list of products, which grows with this one's."""
    words, shelf = page.words, page.engine.shelf
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            gr.HTML(f"<h3>{words['learn_title']}</h3>")
            name = gr.Textbox(label=words["product_name"], max_length=60, elem_id="learn-name")
            photos = parts.photos(words["good_photos"], height=140, elem_id="learn-photos")
            describe = gr.Textbox(
                label=words["normal"], placeholder=words["normal_example"], lines=2, elem_id="learn-words"
            )
            noun = gr.Textbox(label=words["noun"], max_length=60)
            learn = gr.Button(words["learn"], variant="primary", elem_id="learn")
        with gr.Column(scale=8, min_width=320):
            listed = gr.Dropdown(
                shelf.names(), value=None, label=words["products_list"], info=words["choose_product"], elem_id="listed"
            )
            told = gr.HTML(elem_id="product-told", apply_default_css=False, js_on_load=None)
            text = gr.Code(
                label=words["edit"], language="yaml", lines=14, max_lines=26, interactive=True, elem_id="spec"
            )
            with gr.Row():
                save = gr.Button(words["save"], variant="primary", elem_id="save")
                download = gr.DownloadButton(words["download"], elem_id="download")
                upload = gr.UploadButton(words["upload"], file_types=[".yaml", ".yml"], elem_id="upload")
            with gr.Accordion(words["test_title"], open=True), gr.Row(equal_height=False):
                with gr.Column(scale=1, min_width=220):
                    photo = parts.photo(words["photo"], height=200, elem_id="test-photo")
                    test = gr.Button(words["test"], elem_id="test")
                with gr.Column(scale=3, min_width=300):
                    fired = gr.HTML(elem_id="fired", apply_default_css=False, js_on_load=None)

    def choices() -> tuple[Any, Any]:
        names = shelf.names()
        return gr.update(choices=[(words["no_product"], ""), *((n, n) for n in names)]), gr.update(choices=names)

    def learned(name: str, files: list[Any], told: str, noun: str, request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        for item in learn_product(page, visit, name or "", parts.paths_of(files), told or "", noun or ""):
            if isinstance(item, Done):
                spec = item.result.spec
                said = words("learned", name=spec.name, rules=len(spec.rules), photos=len(item.result.references))
                first, second = choices()
                second["value"] = spec.name
                yield page.box("fine", "", said), first, second
            elif isinstance(item, Failed):
                yield page.trouble(item.reason, inside=item.inside), gr.skip(), gr.skip()
            elif isinstance(item, str):
                yield page.box("note", "", item), gr.skip(), gr.skip()

    def show(name: str | None, request: gr.Request) -> tuple[str, Any]:
        if not name:
            return "", None
        return shelf.text(name), _file(page, request, name)

    def check(text: str, name: str | None) -> str:
        if not text.strip():
            return ""
        try:
            spec = parse(text, name or "product")
            if name:
                shelf.refuse_foreign_photos(spec, name)
        except InputError as error:
            return page.box("trouble", words["spec_trouble"], str(error))
        return page.box("fine", "", words("spec_fine", rules=len(spec.rules), parts=len(spec.parts)))

    def keep(text: str, name: str | None, request: gr.Request) -> tuple[str, Any]:
        try:
            spec = shelf.write(name or parse(text, "product").name, text)
        except InputError as error:
            return page.box("trouble", words["spec_trouble"], str(error)), gr.skip()
        said = words("spec_fine", rules=len(spec.rules), parts=len(spec.parts))
        return page.box("fine", words["spec_saved"], said), _file(page, request, name or spec.name)

    def taken(path: str) -> tuple[str, Any, Any]:
        try:
            text = Path(path).read_text(encoding="utf-8")
            spec = parse(text, Path(path).name)
            if shelf.path(spec.name).exists():
                raise InputError(
                    f"product '{spec.name}' is kept already; rename the one in the file, then upload it again."
                )
            shelf.write(spec.name, text)
        except (InputError, UnicodeDecodeError) as error:
            return page.trouble(str(error)), gr.skip(), gr.skip()
        first, second = choices()
        second["value"] = spec.name
        return page.box("fine", words["spec_saved"], spec.name), first, second

    def tried(path: str | None, name: str | None, request: gr.Request) -> Any:
        stop = page.visits.of(request.session_hash).fresh_stop()

        def work(say: Callable[[str], None]) -> tuple[Check, ...]:
            sample = photo_of(path)
            if not name:
                raise InputError("no product is chosen; choose one above.")
            with page.engine.queue.turn(lambda ahead: stop.check()):
                say(words["testing_now"])
                return page.engine.inspector.check(sample, page.engine.product(name))

        for item in streamed(work, stop):
            if isinstance(item, Done):
                shown = Path(path or "").name
                yield render("page/checks.html.jinja", checks=item.result, words=words, photo_name=shown)
            elif isinstance(item, Failed):
                yield page.trouble(item.reason, inside=item.inside)
            elif isinstance(item, str):
                yield page.box("note", "", item)

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    learn.click(learned, [name, photos, describe, noun], [told, chosen, listed], **hidden)
    listed.change(show, [listed], [text, download], **hidden)
    text.change(check, [text, listed], [told], trigger_mode="always_last", **hidden)
    save.click(keep, [text, listed], [told, download], **hidden)
    upload.upload(taken, [upload], [told, chosen, listed], **hidden)
    test.click(tried, [photo, listed], [fired], **hidden)


def _file(page: PageContext, request: gr.Request, name: str) -> str:
    """A copy of a product's file for this visitor to download."""
    folder = page.visits.of(request.session_hash).folder
    target = fresh(folder, f"{name}.yaml")
    target.write_text(page.engine.shelf.text(name), encoding="utf-8")
    return str(target)

"""The first tab: a photo in, the loop live, the verdict with its evidence, and the conversation about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from looktwice.examples import examples
from looktwice.page.context import PageContext
from looktwice.page.inspecting import Inspecting, Shown, stop
from looktwice.page import parts
from looktwice.page.pictures import square_uri
from prompts import render

_PICK = (
    "element.addEventListener('click', (e) => { const b = e.target.closest('[data-example]');"
    " if (b) trigger('click', {index: Number(b.dataset.example)}); });"
)


def build_inspect_tab(page: PageContext) -> gr.Dropdown:
    """Builds the tab and gives the choice of a product, which other tabs fill."""
    words, work = page.words, Inspecting(page)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            photo = parts.photo(words["photo"], height=270, elem_id="photo")
            samples = gr.HTML(_examples_html(page), js_on_load=_PICK, elem_id="examples", apply_default_css=False)
            with gr.Row():
                run = gr.Button(words["inspect"], variant="primary", elem_id="inspect", scale=3, min_width=120)
                halt = gr.Button(
                    words["stop"], variant="stop", elem_id="stop", interactive=False, scale=1, min_width=80
                )
            with gr.Accordion(words["what_is_good"], open=True):
                product = gr.Dropdown(
                    [(words["no_product"], ""), *((n, n) for n in page.engine.shelf.names())], value="",
                    label=words["product"], info=words["product_info"], elem_id="product",
                )  # fmt: skip
                good = parts.gallery(words["good_photos"], columns=4, height=170, elem_id="good", object_fit="cover")
                normal = gr.Textbox(
                    label=words["normal"],
                    placeholder=words["normal_example"],
                    lines=2,
                    max_length=2000,
                    elem_id="normal",
                )
        with gr.Column(scale=8, min_width=320):
            view = gr.HTML(
                render("page/empty.html.jinja", words=words), elem_id="view", apply_default_css=False, js_on_load=None
            )
            with gr.Group(visible=False) as teach, gr.Row(equal_height=True):
                fine = gr.Button(words["this_is_good"], elem_id="this-is-good", min_width=140)
                wrong = gr.Textbox(
                    show_label=False, label=words["wrong"], placeholder=words["wrong_example"], scale=3, max_length=500,
                    elem_id="wrong", container=False,
                )  # fmt: skip
                missed = gr.Button(words["you_missed"], elem_id="you-missed", min_width=140)
            gr.HTML(f"<h2 class='lt-ask'>{words['chat']}</h2>", apply_default_css=False)
            chat = gr.HTML(
                render("page/chat.html.jinja", words=words, log=[]),
                elem_id="chat",
                apply_default_css=False,
                js_on_load=None,
            )
            with gr.Group(visible=False) as offer:
                offered = gr.Textbox(label=words["proposal"], interactive=False, elem_id="proposal")
                with gr.Row():
                    yes = gr.Button(words["yes"], variant="primary", elem_id="yes")
                    no = gr.Button(words["no"], elem_id="no")
            with gr.Row(equal_height=True):
                question = gr.Textbox(
                    show_label=False, label=words["ask"], placeholder=words["ask_example"], scale=6, container=False,
                    max_length=2000, elem_id="question",
                )  # fmt: skip
                send = gr.Button(words["send"], elem_id="send", scale=1, min_width=90, variant="primary")

    outputs: list[Any] = [view, chat, run, halt, teach, offer, offered]

    def shown(stream: Iterator[Shown], visit: Any) -> Iterator[tuple[Any, ...]]:
        for item in stream:
            yield (
                gr.skip() if item.view is None else item.view,
                gr.skip() if item.chat is None else item.chat,
                gr.update(interactive=not item.busy),
                gr.update(interactive=item.busy),
                gr.update(visible=visit.report is not None),
                gr.update(visible=item.proposal is not None),
                item.proposal or "",
            )

    def on_inspect(path: str | None, refs: list[Any] | None, text: str, name: str | None, request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        yield from shown(work.inspect(visit, path, parts.paths_of(refs), text or "", name), visit)

    def on_ask(text: str, request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        yield from shown(work.ask(visit, text or ""), visit)

    def agree(request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        yield from shown(work.settle(visit, yes=True), visit)

    def refuse(request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        yield from shown(work.settle(visit, yes=False), visit)

    def is_good(request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        yield from shown(work.teach(visit, None), visit)

    def is_missed(text: str, request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        yield from shown(work.teach(visit, text or ""), visit)

    def halted(request: gr.Request) -> None:
        stop(page.visits.of(request.session_hash))

    def pick(event: gr.EventData) -> tuple[str, list[str], str, str]:
        example, path = _photos()[int(event._data["index"])]
        return str(path), [str(r) for r in example.references], example.normal, ""

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    run.click(on_inspect, [photo, good, normal, product], outputs, **hidden)
    halt.click(halted, None, None, queue=False, **hidden)
    fine.click(is_good, None, outputs, **hidden)
    missed.click(is_missed, [wrong], outputs, **hidden)
    yes.click(agree, None, outputs, **hidden)
    no.click(refuse, None, outputs, **hidden)
    for asked in (send.click, question.submit):
        asked(on_ask, [question], outputs, **hidden)
        asked(lambda: "", None, [question], queue=False, **hidden)
    samples.click(pick, None, [photo, good, normal, product], **hidden)
    return product


def _photos() -> list[tuple[Any, Any]]:
    return [(example, path) for example in examples() for path in example.photos]


def _examples_html(page: PageContext) -> str:
    import numpy as np
    from PIL import Image

    items = [
        {"name": f"{example.product}, {path.stem}", "uri": square_uri(np.asarray(Image.open(path).convert("RGB")), 96)}
        for example, path in _photos()
    ]
    return render("page/examples.html.jinja", items=items, words=page.words)

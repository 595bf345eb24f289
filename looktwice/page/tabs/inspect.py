"""The first tab: a photo in, the loop live, the verdict with its evidence, and the conversation about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from agent.text_limits import QUESTION
from looktwice.examples import examples
from looktwice.page import widgets
from looktwice.page.context import PageContext
from looktwice.page.engine import LONGEST_NORMAL, photo_of
from looktwice.page.sessions import Visit
from looktwice.page.tabs.inspection import LONGEST_WRONG, Inspecting, PageUpdate, stop
from looktwice.page.widgets import square_uri
from prompts import render

_PICK = (
    "element.addEventListener('click', (e) => { const b = e.target.closest('[data-example]');"
    " if (b) trigger('click', {index: Number(b.dataset.example)}); });"
)


def build_inspect_tab(page: PageContext) -> gr.Dropdown:
    """Builds the tab and gives the choice of a product, which other tabs fill."""
    tab = _InspectTab(page)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            tab.lay_out_given()
        with gr.Column(scale=8, min_width=320):
            tab.lay_out_shown()
            tab.lay_out_chat()
    tab.connect()
    return tab.product


class _InspectTab:
    """The components, and what each of them does."""

    def __init__(self, page: PageContext) -> None:
        self._page, self._words, self._work = page, page.words, Inspecting(page)

    def lay_out_given(self) -> None:
        """What the visitor gives: a photo, and what good means."""
        words = self._words
        self._photo = widgets.photo(words["photo"], height=270, elem_id="photo")
        self._samples = gr.HTML(
            _examples_html(self._page), js_on_load=_PICK, elem_id="examples", apply_default_css=False
        )
        with gr.Row():
            self._run = gr.Button(words["inspect"], variant="primary", elem_id="inspect", scale=3, min_width=120)
            self._halt = gr.Button(
                words["stop"], variant="stop", elem_id="stop", interactive=False, scale=1, min_width=80
            )
        with gr.Accordion(words["what_is_good"], open=True):
            self.product = gr.Dropdown(
                self._page.product_choices(),
                value="",
                label=words["product"],
                info=words["product_info"],
                elem_id="product",
            )
            self._good = widgets.gallery(
                words["good_photos"], columns=4, height=170, elem_id="good", object_fit="cover"
            )
            self._normal = gr.Textbox(
                label=words["normal"],
                placeholder=words["normal_example"],
                lines=2,
                max_length=LONGEST_NORMAL,
                elem_id="normal",
            )

    def lay_out_shown(self) -> None:
        """What the inspection shows, and what the visitor says of it."""
        words = self._words
        empty = render("page/empty.html.jinja", words=words)
        self._view = gr.HTML(empty, elem_id="view", apply_default_css=False, js_on_load=None)
        with gr.Group(visible=False) as self._teach, gr.Row(equal_height=True, elem_id="teach"):
            self._fine = gr.Button(words["this_is_good"], elem_id="this-is-good", min_width=140)
            self._wrong = gr.Textbox(
                show_label=False,
                label=words["wrong"],
                placeholder=words["wrong_example"],
                scale=3,
                max_length=LONGEST_WRONG,
                elem_id="wrong",
                container=False,
            )
            self._missed = gr.Button(words["you_missed"], elem_id="you-missed", min_width=140)

    def lay_out_chat(self) -> None:
        """The conversation."""
        words = self._words
        gr.HTML(f"<h2 class='lt-ask'>{words['chat']}</h2>", apply_default_css=False)
        empty = render("page/chat.html.jinja", words=words, log=[])
        self._chat = gr.HTML(empty, elem_id="chat", apply_default_css=False, js_on_load=None)
        with gr.Group(visible=False) as self._offer:
            self._offered = gr.Textbox(label=words["proposal"], interactive=False, elem_id="proposal")
            with gr.Row():
                self._yes = gr.Button(words["yes"], variant="primary", elem_id="yes")
                self._no = gr.Button(words["no"], elem_id="no")
        with gr.Row(equal_height=True):
            self._question = gr.Textbox(
                show_label=False,
                label=words["ask"],
                placeholder=words["ask_example"],
                scale=6,
                container=False,
                max_length=QUESTION,
                elem_id="question",
            )
            self._send = gr.Button(words["send"], elem_id="send", scale=1, min_width=90, variant="primary")

    def connect(self) -> None:
        """Ties what the visitor does to what happens."""
        given: list[Any] = [self._photo, self._good, self._normal, self.product]
        outputs: list[Any] = [self._view, self._chat, self._run, self._halt, self._teach, self._offer, self._offered]
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self._run.click(self.on_inspect, given, outputs, **hidden)
        self._halt.click(self.on_stop, None, None, queue=False, **hidden)
        self._fine.click(self.on_good, None, outputs, **hidden)
        self._missed.click(self.on_missed, [self._wrong], outputs, **hidden)
        self._yes.click(self.on_yes, None, outputs, **hidden)
        self._no.click(self.on_no, None, outputs, **hidden)
        for asked in (self._send.click, self._question.submit):
            asked(self.on_ask, [self._question], outputs, **hidden)
            asked(lambda: "", None, [self._question], queue=False, **hidden)
        self._samples.click(self.on_example, None, given, **hidden)

    def on_inspect(
        self, path: str | None, good: list[Any] | None, normal: str, name: str | None, request: gr.Request
    ) -> Any:
        """Inspects."""
        visit = self._visit(request)
        yield from _shown(self._work.inspect(visit, path, widgets.paths_of(good), normal or "", name), visit)

    def on_ask(self, text: str, request: gr.Request) -> Any:
        """Answers."""
        yield from _shown(self._work.ask(self._visit(request), text or ""), self._visit(request))

    def on_yes(self, request: gr.Request) -> Any:
        """Takes what was proposed."""
        yield from _shown(self._work.settle(self._visit(request), yes=True), self._visit(request))

    def on_no(self, request: gr.Request) -> Any:
        """Leaves what was proposed."""
        yield from _shown(self._work.settle(self._visit(request), yes=False), self._visit(request))

    def on_good(self, request: gr.Request) -> Any:
        """Learns that the photo is a good one."""
        yield from _shown(self._work.teach(self._visit(request), None), self._visit(request))

    def on_missed(self, text: str, request: gr.Request) -> Any:
        """Learns that the photo is a bad one."""
        yield from _shown(self._work.teach(self._visit(request), text or ""), self._visit(request))

    def on_stop(self, request: gr.Request) -> None:
        """Stops what the visitor has running."""
        stop(self._visit(request))

    def on_example(self, event: gr.EventData) -> tuple[str, list[str], str, str]:
        """Fills in a shipped example."""
        example, path = _photos()[int(event._data["index"])]
        return str(path), [str(r) for r in example.references], example.normal, ""

    def _visit(self, request: gr.Request) -> Visit:
        return self._page.visits.of(request.session_hash)


def _shown(stream: Iterator[PageUpdate], visit: Visit) -> Iterator[tuple[Any, ...]]:
    """What changes, in the order of the outputs."""
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


def _photos() -> list[tuple[Any, Any]]:
    return [(example, path) for example in examples() for path in example.photos]


def _examples_html(page: PageContext) -> str:
    items = [
        {"name": f"{example.product}, {path.stem}", "uri": square_uri(photo_of(path).image, 96)}
        for example, path in _photos()
    ]
    return render("page/examples.html.jinja", items=items, words=page.words)

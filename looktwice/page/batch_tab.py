"""The third tab: many photos at once, a threshold to try, and files to hand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from looktwice.page.batch import Row, as_coco, as_csv, as_html, as_json, table_html, unique
from looktwice.page.context import PageContext
from looktwice.page.engine import photo_of
from looktwice.page.inspecting import stop
from looktwice.page import parts
from looktwice.page.pictures import photo_uri
from looktwice.page.shelf import fresh
from looktwice.page.theme import css
from looktwice.page.work import Done, Failed, Stopped, streamed
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import Product
    from looktwice.page.visits import Visit

THUMB = 128
MOST = 2000
"""Photos of one batch."""


def run_batch(
    page: PageContext, visit: Visit, photos: list[Path], references: list[Path], normal: str, product: str | None
) -> Iterator[Any]:
    """Inspects photos one by one, each in its own turn, so that other visitors come in between; see `streamed`."""
    flag = visit.fresh_stop()
    visit.batch.clear()

    def work(say: Callable[[str], None]) -> None:
        from tools.images import SUFFIXES

        found = [p for p in photos if p.suffix.lower() in SUFFIXES]
        if not found:
            raise InputError(page.words["batch_none"])
        if len(found) > MOST:
            raise InputError(f"{len(found)} photos are more than the {MOST} of one batch; use `looktwice inspect DIR`.")
        known: Product | str | None = product or None
        if known is None and references:
            samples = [photo_of(p) for p in references]
            with page.engine.queue.turn(lambda ahead: _tell(page, ahead, say)):
                known = page.engine.inspector.learn("product", samples, describe=normal)
        for path, name in zip(found, unique([p.name for p in found]), strict=True):
            visit.batch.append(_row(page, path, name, known, normal, say))
            refused = sum(r.report is None for r in visit.batch)
            say(page.words("batch_progress", done=len(visit.batch), total=len(found), refused=refused))

    return iter(streamed(work, flag))


def _tell(page: PageContext, ahead: int, say: Callable[[str], None]) -> None:
    say(page.words("batch_waiting", ahead=ahead))


def _row(
    page: PageContext, path: Path, name: str, product: Product | str | None, normal: str, say: Callable[[str], None]
) -> Row:
    try:
        sample = photo_of(path)
    except InputError as error:
        return Row(name, None, None, str(error))
    thumb = photo_uri(sample.image, THUMB)
    report = page.engine.inspect(
        sample, product=product, references=[], normal=normal, on_step=lambda *_: say(""),
        on_place=lambda ahead: _tell(page, ahead, say),
    )  # fmt: skip
    told = report.model_dump(mode="json", by_alias=True)
    return Row(name, thumb, {**told, "image": name})


def build_batch_tab(page: PageContext) -> None:
    """Builds the tab."""
    words = page.words
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            photos = parts.photos(words["batch_photos"], height=150, elem_id="batch-photos")
            folder = gr.File(label=words["batch_folder"], file_count="directory", type="filepath", height=120)
            product = gr.Dropdown(
                [(words["no_product"], "")], value="", label=words["product"], elem_id="batch-product"
            )
            good = parts.photos(words["good_photos"], height=120, elem_id="batch-good")
            normal = gr.Textbox(label=words["normal"], placeholder=words["normal_example"], lines=2)
            with gr.Row():
                run = gr.Button(words["batch_run"], variant="primary", elem_id="batch-run", scale=3, min_width=120)
                halt = gr.Button(words["stop"], variant="stop", interactive=False, elem_id="batch-stop", min_width=80)
        with gr.Column(scale=8, min_width=320):
            with gr.Row():
                threshold = gr.Slider(0, 1, value=0.5, step=0.01, label=words["threshold"], elem_id="threshold")
                choices = [(words["all"], "all"), (words["only_anomalous"], "anomalous"), (words["only_good"], "good"),
                           (words["only_refused"], "refused")]  # fmt: skip
                shown = gr.Radio(choices, value="all", label=words["filter"], elem_id="filter")
            table = gr.HTML(
                table_html([], words, threshold=0.5, shown="all"),
                elem_id="table",
                apply_default_css=False,
                js_on_load=None,
            )
            with gr.Row():
                files = [
                    gr.DownloadButton(kind, elem_id=f"get-{kind.lower()}", interactive=False, min_width=80)
                    for kind in ("CSV", "JSON", "HTML", "COCO")
                ]

    def listed() -> Any:
        return gr.update(choices=[(words["no_product"], ""), *((n, n) for n in page.engine.shelf.names())])

    def on_batch(
        many: Any, whole: Any, name: str, refs: Any, text: str, least: float, kept: str, request: gr.Request
    ) -> Any:
        visit = page.visits.of(request.session_hash)
        idle = [gr.skip()] * len(files)
        busy = (gr.update(interactive=False), gr.update(interactive=True))
        free = (gr.update(interactive=True), gr.update(interactive=False))
        told = ""
        for item in run_batch(
            page, visit, [*parts.paths_of(many), *parts.paths_of(whole)], parts.paths_of(refs), text or "", name
        ):
            if isinstance(item, Done | Failed | Stopped):
                made = _files(page, visit, least) if visit.batch else idle
                if isinstance(item, Failed) and not visit.batch:
                    yield page.trouble(item.reason, inside=item.inside), *free, *made
                    continue
                ended = {Done: told, Stopped: f"{told} {words['stopped']}"}
                said = ended.get(type(item)) or words("failed_inside", reason=getattr(item, "reason", ""))
                yield table_html(visit.batch, words, threshold=least, shown=kept, told=said), *free, *made
            elif item:
                told = str(item)
                yield table_html(visit.batch, words, threshold=least, shown=kept, told=told), *busy, *idle

    def redraw(least: float, kept: str, request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        return table_html(visit.batch, words, threshold=least, shown=kept)

    def rewrite(least: float, request: gr.Request) -> Any:
        visit = page.visits.of(request.session_hash)
        return _files(page, visit, least) if visit.batch else [gr.skip()] * len(files)

    def halted(request: gr.Request) -> None:
        stop(page.visits.of(request.session_hash))

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    inputs = [photos, folder, product, good, normal, threshold, shown]
    run.click(on_batch, inputs, [table, run, halt, *files], **hidden)
    halt.click(halted, None, None, queue=False, **hidden)
    threshold.change(redraw, [threshold, shown], [table], trigger_mode="always_last", **hidden)
    threshold.release(rewrite, [threshold], files, **hidden)
    shown.change(redraw, [threshold, shown], [table], **hidden)
    product.focus(listed, None, [product], **hidden)


def _files(page: PageContext, visit: Visit, threshold: float) -> list[Any]:
    """The four files of a batch, as the download buttons take them."""
    rows = visit.batch
    texts = {
        "looktwice.csv": as_csv(rows, threshold),
        "looktwice.json": as_json(rows, threshold),
        "looktwice.html": as_html(rows, page.words, threshold, css()),
        "looktwice-coco.json": as_coco(rows),
    }
    made = []
    for name, text in texts.items():
        target = fresh(visit.folder, name)
        target.write_text(text, encoding="utf-8")
        made.append(gr.update(value=str(target), interactive=True))
    return made

"""The batch tab: photos in, a table, CSV, COCO and HTML out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from agent.text_limits import checked_text
from looktwice.page import widgets
from looktwice.page.context import PageContext
from looktwice.page.engine import LONGEST_NORMAL, photo_of, refuse_many
from looktwice.page.progress import Stopped, WorkFailure, streamed
from looktwice.page.report_view import report_html
from looktwice.page.tabs.inspection import stop
from looktwice.page.widgets import css, photo_uri
from looktwice.page.words import Words
from looktwice.products import fresh
from prompts import render
from tools.display_text import csv_text
from tools.errors import InputError
from tools.files import write_atomic
from tools.image_files import SUFFIXES

if TYPE_CHECKING:
    from agent import Product
    from looktwice.page.sessions import Visit


@dataclass(frozen=True)
class BatchRow:
    """One photo of a batch."""

    name: str
    """Unique in the batch."""
    thumb: str | None
    """A data URI, or None where the photo could not be read."""
    report: dict[str, Any] | None
    """The report's JSON, or None where the photo was refused."""
    refused: str = ""
    """Why, in a sentence."""
    page: Path | None = None
    """A file with the report as a piece of the page; None where there is none."""

    @property
    def score(self) -> float | None:
        """The anomaly score, in [0, 1]."""
        return None if self.report is None else float(self.report["verdict"]["score"])

    @property
    def finding(self) -> str:
        """The strongest finding in a few words."""
        findings = self.report["findings"] if self.report is not None else []
        return str(findings[0]["what"]) if findings else ""

    @property
    def unchecked(self) -> str:
        """What a person stated and was not checked; empty where all was."""
        return "; ".join(self.report["verdict"].get("unchecked", ())) if self.report is not None else ""

    def state(self, threshold: float) -> str:
        """ "unsure" where the verdict is, else "good" or "anomalous" at a threshold; or "refused"."""
        if self.report is None or self.score is None:
            return "refused"
        if self.report["verdict"].get("word") == "unsure":
            return "unsure"
        return "anomalous" if self.score >= threshold else "good"


def unique(names: Sequence[str]) -> list[str]:
    """The names, a second one of the same name with a number.

    >>> unique(["a.png", "b.png", "a.png"])
    ['a.png', 'b.png', 'a-2.png']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        path, n, fresh = Path(name), 1, name
        while fresh in taken:
            n += 1
            fresh = f"{path.stem}-{n}{path.suffix}"
        taken.add(fresh)
        found.append(fresh)
    return found


def table_html(rows: Sequence[BatchRow], words: Words, *, threshold: float, shown: str, told: str = "") -> str:
    """The rows as a table, every value escaped; `shown` is "all" or a state."""
    states = [row.state(threshold) for row in rows]
    counts = {state: states.count(state) for state in ("anomalous", "unsure", "good", "refused")}
    kept = [(n, row, s) for n, (row, s) in enumerate(zip(rows, states, strict=True)) if shown in ("all", s)]
    kept.sort(key=lambda item: -1.0 if item[1].score is None else -item[1].score)
    return render("page/batch.html.jinja", rows=kept, counts=counts, words=words, told=told)


def as_csv(rows: Sequence[BatchRow], threshold: float) -> str:
    """A line a photo; no value is a formula to a spreadsheet, or breaks a line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("photo", "verdict", "score", "confidence", "kinds", "top_finding", "refused", "unchecked"))
    for row in rows:
        verdict = row.report["verdict"] if row.report is not None else {}
        cells = (
            row.name,
            row.state(threshold),
            row.score,
            verdict.get("confidence"),
            "+".join(verdict.get("kinds", [])),
            row.finding,
            row.refused,
            row.unchecked,
        )
        writer.writerow([csv_text(cell) if isinstance(cell, str) else cell for cell in cells])
    return stream.getvalue()


def as_json(rows: Sequence[BatchRow], threshold: float) -> str:
    """All reports and the threshold."""
    photos = [
        {"photo": r.name, "verdict": r.state(threshold), "refused": r.refused or None, "report": r.report} for r in rows
    ]
    return json.dumps({"threshold": threshold, "photos": photos}, ensure_ascii=False, indent=1)


def as_html(rows: Sequence[BatchRow], words: Words, threshold: float, css: str) -> str:
    """A page that stands alone."""
    table = table_html(rows, words, threshold=threshold, shown="all")
    return render("page/batch_page.html.jinja", table=table, css=css, language=words.language)


def as_coco(rows: Sequence[BatchRow]) -> str:
    """One COCO annotation for each place that was found; boxes are x, y, width, height, masks compressed run lengths.

    Several findings of one place are one annotation, with the kind, score and mask of the likeliest and all words.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    kinds = {"logical": 1, "structural": 2}
    for number, row in enumerate((r for r in rows if r.report is not None), start=1):
        report = row.report or {}
        width, height = report["size"]
        images.append({"id": number, "file_name": row.name, "width": width, "height": height})
        for found in _by_place(report["findings"]):
            first = max(found, key=lambda finding: float(finding["score"]))
            x0, y0, x1, y1 = first["box"]
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": kinds[first["kind"]],
                "iscrowd": 0,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "score": first["score"],
                "segmentation": next((f["mask"] for f in (first, *found) if f["mask"]), []),
                "description": "; ".join(dict.fromkeys(str(f["what"]) for f in found)),
            }
            annotations.append(annotation)
    categories = [{"id": n, "name": kind} for kind, n in kinds.items()]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories}, ensure_ascii=False)


def _by_place(findings: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Findings that have a box, those of one hypothesis or one box together, in the order of the first."""
    places: list[tuple[set[Any], list[dict[str, Any]]]] = []
    for finding in findings:
        if finding["box"] is None:
            continue
        keys = {tuple(finding["box"]), finding.get("hypothesis") or tuple(finding["box"])}
        known = next((place for place in places if place[0] & keys), None)
        if known is None:
            places.append((keys, [finding]))
        else:
            known[0].update(keys)
            known[1].append(finding)
    return [found for _, found in places]


THUMB = 128
_OPEN = (
    "element.addEventListener('click', (e) => { const b = e.target.closest('[data-open]');"
    " if (b) trigger('click', {row: Number(b.dataset.open)}); });"
)
MOST = 2000
"""Photos of one batch."""


def run_batch(
    page: PageContext, visit: Visit, photos: list[Path], references: list[Path], normal: str, product: str | None
) -> Iterator[Any]:
    """Inspects photos one by one, each in its own turn, so that other visitors come in between; see `streamed`."""
    flag = visit.fresh_stop()
    for row in visit.batch:
        if row.page is not None:
            row.page.unlink(missing_ok=True)
    visit.batch.clear()

    def work(say: Callable[[str], None]) -> None:
        found = [p for p in photos if p.suffix.lower() in SUFFIXES]
        if not found:
            raise InputError(page.words["batch_none"])
        if len(found) > MOST:
            raise InputError(f"{len(found)} photos are more than the {MOST} of one batch; use `looktwice inspect DIR`.")
        checked_text("normal", normal, LONGEST_NORMAL)
        known: Product | str | None = product or None
        if known is None and references:
            refuse_many(references)
            with page.engine.queue.turn(lambda ahead: _tell(page, ahead, say)):
                samples = [photo_of(p) for p in references]
                known = page.engine.inspector.learn("product", samples, describe=normal)
        for path, name in zip(found, unique([p.name for p in found]), strict=True):
            visit.batch.append(_row(page, visit, (path, name), known, normal, say))
            refused = sum(r.report is None for r in visit.batch)
            say(page.words("batch_progress", done=len(visit.batch), total=len(found), refused=refused))

    return iter(streamed(work, flag))


def _tell(page: PageContext, ahead: int, say: Callable[[str], None]) -> None:
    say(page.words("batch_waiting", ahead=ahead))


def _row(
    page: PageContext,
    visit: Visit,
    photo: tuple[Path, str],
    product: Product | str | None,
    normal: str,
    say: Callable[[str], None],
) -> BatchRow:
    """Inspects one photo, given by its path and its name in the batch, and keeps its report's page for the visitor."""
    path, name = photo
    thumbs: list[str] = []
    try:
        report, _ = page.engine.inspect(
            path,
            product=product,
            references=[],
            normal=normal,
            on_step=lambda *_: say(""),
            on_place=lambda ahead: _tell(page, ahead, say),
            on_photo=lambda sample: thumbs.append(photo_uri(sample.image, THUMB)),
        )
    except InputError as error:
        if thumbs:
            raise
        return BatchRow(name, None, None, str(error))
    told = report.model_dump(mode="json", by_alias=True)
    target = fresh(visit.folder, "report.html")
    write_atomic(target, report_html(report, page.words))
    return BatchRow(name, thumbs[0], {**told, "image": name}, page=target)


def build_batch_tab(page: PageContext) -> gr.Dropdown:
    """Builds the tab, and gives its list of products."""
    tab = _BatchTab(page)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            tab.lay_out_given()
        with gr.Column(scale=8, min_width=320):
            tab.lay_out_table()
    tab.connect()
    return tab.product


class _BatchTab:
    """The components, and what each of them does."""

    def __init__(self, page: PageContext) -> None:
        self._page, self._words = page, page.words

    def lay_out_given(self) -> None:
        """What is inspected, and what good means."""
        words = self._words
        self._photos = widgets.photos(words["batch_photos"], height=170, elem_id="batch-photos")
        self._folder = gr.File(label=words["batch_folder"], file_count="directory", type="filepath", height=150)
        self.product = gr.Dropdown(
            self._page.product_choices(), value="", label=words["product"], elem_id="batch-product"
        )
        self._good = widgets.photos(words["good_photos"], height=150, elem_id="batch-good")
        self._normal = gr.Textbox(
            label=words["normal"], placeholder=words["normal_example"], lines=2, max_length=LONGEST_NORMAL
        )
        with gr.Row():
            self._run = gr.Button(words["batch_run"], variant="primary", elem_id="batch-run", scale=3, min_width=120)
            self._halt = gr.Button(words["stop"], variant="stop", interactive=False, elem_id="batch-stop", min_width=80)

    def lay_out_table(self) -> None:
        """What came of it."""
        words = self._words
        with gr.Row():
            self._threshold = gr.Slider(
                0, 1, value=0.5, step=0.01, label=words["threshold"], elem_id="threshold", min_width=260
            )
            choices = [
                (words["all"], "all"),
                (words["only_anomalous"], "anomalous"),
                (words["unsure"], "unsure"),
                (words["only_good"], "good"),
                (words["only_refused"], "refused"),
            ]
            self._filter = gr.Radio(choices, value="all", label=words["filter"], elem_id="filter", min_width=260)
        empty = table_html([], words, threshold=0.5, shown="all")
        self._table = gr.HTML(empty, elem_id="table", apply_default_css=False, js_on_load=_OPEN)
        self._report = gr.HTML(elem_id="batch-report", apply_default_css=False, js_on_load=None)
        with gr.Row():
            self._files = [
                gr.DownloadButton(kind, elem_id=f"get-{kind.lower()}", interactive=False, min_width=80)
                for kind in ("CSV", "JSON", "HTML", "COCO")
            ]

    def connect(self) -> None:
        """Ties what the visitor does to what happens."""
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        shown: list[Any] = [self._threshold, self._filter]
        given = [self._photos, self._folder, self.product, self._good, self._normal, *shown]
        self._run.click(self.on_run, given, [self._table, self._run, self._halt, *self._files], **hidden)
        self._halt.click(self.on_stop, None, None, queue=False, **hidden)
        self._threshold.change(self.on_redraw, shown, [self._table], trigger_mode="always_last", **hidden)
        self._threshold.change(self.on_rewrite, [self._threshold], self._files, trigger_mode="always_last", **hidden)
        self._filter.change(self.on_redraw, shown, [self._table], **hidden)
        self._table.click(self.on_open, None, [self._report], **hidden)
        self.product.focus(self.on_products, None, [self.product], **hidden)

    def on_run(
        self, many: Any, whole: Any, name: str, good: Any, normal: str, least: float, kept: str, request: gr.Request
    ) -> Any:
        """Inspects the batch, and shows it as it goes."""
        visit, words = self._page.visits.of(request.session_hash), self._words
        idle = [gr.skip()] * len(self._files)
        busy = (gr.update(interactive=False), gr.update(interactive=True))
        free = (gr.update(interactive=True), gr.update(interactive=False))
        photos, told = [*widgets.paths_of(many), *widgets.paths_of(whole)], ""
        for item in run_batch(self._page, visit, photos, widgets.paths_of(good), normal or "", name):
            if isinstance(item, str):
                told = item or told
                yield table_html(visit.batch, words, threshold=least, shown=kept, told=told), *busy, *idle
                continue
            made = _files(self._page, visit, least) if visit.batch else idle
            if isinstance(item, WorkFailure):
                trouble = self._page.trouble(item.reason, inside=item.inside)
                yield trouble + table_html(visit.batch, words, threshold=least, shown=kept), *free, *made
            else:
                said = f"{told} {words['stopped']}" if isinstance(item, Stopped) else told
                yield table_html(visit.batch, words, threshold=least, shown=kept, told=said), *free, *made

    def on_stop(self, request: gr.Request) -> None:
        """Stops the batch; what was inspected is kept."""
        stop(self._page.visits.of(request.session_hash))

    def on_redraw(self, least: float, kept: str, request: gr.Request) -> str:
        """Counts anew at another threshold."""
        visit = self._page.visits.of(request.session_hash)
        return table_html(visit.batch, self._words, threshold=least, shown=kept)

    def on_rewrite(self, least: float, request: gr.Request) -> list[Any]:
        """Writes the files anew at another threshold."""
        visit = self._page.visits.of(request.session_hash)
        return _files(self._page, visit, least) if visit.batch else [gr.skip()] * len(self._files)

    def on_open(self, event: gr.EventData, request: gr.Request) -> str:
        """Shows the report of a row."""
        rows, number = self._page.visits.of(request.session_hash).batch, int(event._data["row"])
        file = rows[number].page if 0 <= number < len(rows) else None
        return "" if file is None else file.read_text(encoding="utf-8")

    def on_products(self) -> Any:
        """The products that there are by now."""
        return gr.update(choices=self._page.product_choices())


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

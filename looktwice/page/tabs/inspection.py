"""What the inspect tab does: inspects, answers, learns from the visitor's yes and no; yields pieces of the page."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.events import StepEvent
from agent.text_limits import QUESTION, checked_text
from looktwice.page.context import PageContext
from looktwice.page.engine import photo_of
from looktwice.page.progress import Live, StopFlag, Stopped, WorkFailure, WorkResult, streamed
from looktwice.page.report_view import report_html
from looktwice.page.sessions import Visit, VisitTurn
from prompts import render

if TYPE_CHECKING:
    from agent import InspectionReport, Product
    from agent.chat import Chat, Reply
    from agent.state import Update
    from tools.types import Sample

LONGEST_WRONG = 500
"""Characters of what is wrong with a photo."""


@dataclass(frozen=True)
class PageUpdate:
    """What changes on the page; None leaves a piece as it is."""

    view: str | None = None
    chat: str | None = None
    busy: bool = False
    proposal: str | None = None
    """What would change, if an answer proposes a change."""


class Inspecting:
    """The inspect tab's work, without its components."""

    def __init__(self, page: PageContext) -> None:
        self._page = page

    def inspect(
        self, visit: Visit, photo: str | None, references: list[Path], normal: str, product: str | None
    ) -> Iterator[PageUpdate]:
        """Inspects a photo: first the loop as it goes, then the report."""
        words, stop = self._page.words, visit.fresh_stop()
        live = Live(words)
        yield PageUpdate(view=live.html(), busy=True)

        def work(say: Callable[[bool], None]) -> tuple[InspectionReport, Product | None]:
            def on_step(name: str, update: Update) -> None:
                live.step(StepEvent.of(name, update))
                say(True)

            def on_place(ahead: int) -> None:
                stop.check()
                if ahead != live.ahead:
                    live.ahead = ahead
                    say(True)

            def on_photo(sample: Sample) -> None:
                live.shows(sample)
                live.began()
                say(True)

            return self._page.engine.inspect(
                photo,
                product=product or None,
                references=references,
                normal=normal,
                on_step=on_step,
                on_place=on_place,
                on_photo=on_photo,
            )

        for item in streamed(work, stop):
            if isinstance(item, WorkResult):
                report, known = item.result
                self._begin(visit, report, known, kept=bool(product))
                yield PageUpdate(view=report_html(report, words), chat=self.chat_html(visit))
            elif isinstance(item, WorkFailure):
                yield PageUpdate(view=self._page.trouble(item.reason, inside=item.inside), chat=self.chat_html(visit))
            elif isinstance(item, Stopped):
                step = live.steps[-1].title if live.steps else words["step_none"]
                told = self._page.box("note", words["stopped"], words("stopped_after", step=step))
                yield PageUpdate(view=told, chat=self.chat_html(visit))
            else:
                yield PageUpdate(view=live.html(), busy=True)

    def ask(self, visit: Visit, question: str) -> Iterator[PageUpdate]:
        """Answers a question about the last report, piece by piece."""
        if question.strip():
            visit.log.append(VisitTurn("user", ((question.strip()[:QUESTION], ()),)))
            yield from self._answer(visit, lambda chat, on_text: chat.ask(question.strip(), on_text=on_text))

    def settle(self, visit: Visit, *, yes: bool) -> Iterator[PageUpdate]:
        """Takes or leaves a change that an answer proposed."""
        visit.log.append(VisitTurn("user", ((self._page.words["yes" if yes else "no"], ()),)))
        yield from self._answer(visit, lambda chat, _: chat.confirm() if yes else chat.decline())

    def _answer(self, visit: Visit, asked: Callable[[Chat, Callable[[str], None]], Reply]) -> Iterator[PageUpdate]:
        words, chat = self._page.words, visit.chat
        if chat is None:
            visit.log.append(VisitTurn("note", ((words["chat_needs_report"], ()),)))
            yield PageUpdate(chat=self.chat_html(visit))
            return
        stop = visit.fresh_stop()
        yield PageUpdate(chat=self.chat_html(visit, words["thinking"]), busy=True)

        def work(say: Callable[[str], None]) -> Reply:
            with self._page.engine.queue.turn(lambda ahead: stop.check()):
                return asked(chat, say)

        said = ""
        for item in streamed(work, stop):
            if isinstance(item, WorkResult):
                yield self._answered(visit, item.result)
            elif isinstance(item, WorkFailure):
                visit.log.append(
                    VisitTurn(
                        "note", ((words("failed_inside", reason=item.reason) if item.inside else item.reason, ()),)
                    )
                )
                yield PageUpdate(chat=self.chat_html(visit))
            elif isinstance(item, Stopped):
                visit.log.append(VisitTurn("note", ((words["stopped"], ()),)))
                yield PageUpdate(chat=self.chat_html(visit))
            else:
                said += str(item)
                yield PageUpdate(chat=self.chat_html(visit, said), busy=True)

    def _answered(self, visit: Visit, reply: Reply) -> PageUpdate:
        visit.log.append(VisitTurn("inspector", tuple((s.text, s.cites) for s in reply.sentences)))
        if reply.report is not None:
            visit.report = reply.report
        product = visit.chat.product if visit.chat is not None else None
        if product is not None and visit.product is not None and product.spec != visit.product.spec:
            visit.product = product
            self._keep(visit)
        view = None if reply.report is None else report_html(reply.report, self._page.words)
        proposal = None if reply.proposal is None else reply.proposal.words
        return PageUpdate(view=view, chat=self.chat_html(visit), proposal=proposal)

    def teach(self, visit: Visit, missed: str | None) -> Iterator[PageUpdate]:
        """Takes the last photo as a good one, or (with what is wrong with it, if only "") as a miss."""
        words, report, product = self._page.words, visit.report, visit.product
        if report is None or product is None:
            visit.log.append(VisitTurn("note", ((words["teach_needs_report"], ()),)))
            yield PageUpdate(chat=self.chat_html(visit))
            return
        sample, stop = report.sample, visit.fresh_stop()
        yield PageUpdate(chat=self.chat_html(visit, words["learning"]), busy=True)

        def work(say: Callable[[str], None]) -> tuple[Product, tuple[str, ...]]:
            inspector = self._page.engine.inspector
            with self._page.engine.queue.turn(lambda ahead: stop.check()):
                if missed is not None:
                    wrong = checked_text("what is wrong", missed.strip(), LONGEST_WRONG)
                    return inspector.reject(product, [sample], wrong)
                return inspector.add(product, [self._referable(visit, sample)])

        for item in streamed(work, stop):
            if isinstance(item, WorkResult):
                visit.product, changed = item.result
                self._keep(visit)
                told = words("taught", changes="; ".join(changed) or words["nothing_changed"])
                visit.log.append(VisitTurn("inspector", ((told, ()), (words["taught_next"], ()))))
                self._open_chat(visit, report)
            elif isinstance(item, WorkFailure):
                visit.log.append(
                    VisitTurn(
                        "note", ((words("failed_inside", reason=item.reason) if item.inside else item.reason, ()),)
                    )
                )
            elif isinstance(item, Stopped):
                visit.log.append(VisitTurn("note", ((words["stopped"], ()),)))
            yield PageUpdate(chat=self.chat_html(visit))

    def chat_html(self, visit: Visit, coming: str = "") -> str:
        """The conversation as HTML, escaped; `coming` is an answer that is not finished."""
        log = [*visit.log, *([VisitTurn("inspector", ((coming, ()),))] if coming else [])]
        return render("page/chat.html.jinja", words=self._page.words, log=log)

    def _begin(self, visit: Visit, report: InspectionReport, product: Product | None, *, kept: bool) -> None:
        visit.report, visit.product, visit.product_kept = report, product, kept
        name = Path(report.image).name
        verdict = report.explanation[0] if report.explanation else None
        visit.log.append(VisitTurn("note", ((self._page.words("chat_about", name=name), ()),)))
        if verdict is not None:
            visit.log.append(VisitTurn("inspector", ((verdict.text, verdict.cites[:4]),)))
        self._open_chat(visit, report)

    def _open_chat(self, visit: Visit, report: InspectionReport) -> None:
        visit.chat = self._page.engine.inspector.chat(report, product=visit.product, thread=uuid.uuid4().hex)

    def _referable(self, visit: Visit, sample: Sample) -> Sample:
        """The photo at a place where it stays, for a product that is kept."""
        if not visit.product_kept or visit.product is None or sample.path is None:
            return sample
        (path,) = self._page.engine.store.keep_photos(visit.product.name, [sample.path])
        return photo_of(path)

    def _keep(self, visit: Visit) -> None:
        if visit.product_kept and visit.product is not None:
            self._page.engine.store.keep(visit.product)


def stop(visit: Visit) -> None:
    """Ends what a visitor has running, at the next step."""
    flag: StopFlag = visit.stop
    flag.set()

"""What a conversation is about: the report, the product and, while it can be had, the photo itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.chat.records import PartFact, facts_of, line, worded
from agent.evidence.claims import MOST_CITED, Sentence, in_words, place_in_words, translated
from agent.evidence.types import Claim, Evidence, Fact, Hypothesis, Kind, appended
from agent.graph import build_revision, state_after
from agent.products.learn import known_parts
from agent.report.model import Finding, InspectionReport
from agent.state import Context, InspectionState, Revision
from tools.errors import LookTwiceError
from tools.types import Box, Region, Sample

if TYPE_CHECKING:
    from agent.products.spec import Product

ASKED = "M"
"""Ids of what was measured because somebody asked begin so; it says nothing for or against the part."""


class BlindError(LookTwiceError):
    """The photo would have to be looked at, and cannot be."""


class Case:
    """The report and what stands behind it; what is measured in a conversation is added to the report."""

    def __init__(
        self,
        context: Context,
        report: InspectionReport,
        product: Product | None,
        inspect: Callable[[Sample, Product | None], InspectionReport],
        report_of: Callable[[InspectionState], InspectionReport],
    ) -> None:
        """Takes a report, fresh or read from a file.

        Args:
            context: tools and maps of the inspector.
            report: what is spoken about.
            product: as learned; by default the one that a fresh report was made with.
            inspect: makes a fresh report of a photo.
            report_of: the report of a state.
        """
        self.context = context
        self.report = report
        self.product = product or (report.state.product if report.state is not None else None)
        self._inspect = inspect
        self._report_of = report_of
        self._state = report.state
        self._parts: tuple[PartFact, ...] | None = None
        self.digest = self._state.sample.digest if self._state is not None and self._state.sample is not None else ""

    def adopt(
        self, report: InspectionReport, digest: str, parts: Sequence[PartFact] | None, product: Product | None
    ) -> None:
        """Goes on from what a thread has kept: its report, with what was added, takes the place of the given one."""
        self.digest = self.digest or digest
        self._parts = tuple(parts) if parts is not None else None
        self.product = product
        self.report = report

    @property
    def name(self) -> str:
        """The photo's file name."""
        return Path(self.report.image).name

    @property
    def language(self) -> str:
        """Of the report, and so of the answers."""
        return self.report.language

    def worded(self, key: str, **facts: Fact) -> str:
        """One of the chat's sentences in the report's language; raises like `records.worded`."""
        return worded(key, self.language, **facts)

    def line(self, key: str, cites: tuple[str, ...] = (), **facts: Fact) -> Sentence:
        """A sentence in the report's language with what it rests on; raises like `records.line`."""
        return line(key, cites, self.language, **facts)

    def listed(self, items: Iterable[str]) -> str:
        """A list in the report's language."""
        return in_words(items, self.language)

    def place(self, box: Box) -> str:
        """Where a box lies on the photo, in words of the report's language."""
        return str(translated({"place": place_in_words(box, *self.report.size)}, self.language)["place"])

    def told(self, findings: Iterable[Finding]) -> list[Sentence]:
        """The sentences that tell of findings, as the report does, each once with all that it tells of."""
        cites: dict[str, list[str]] = {}
        for finding in findings:
            cites.setdefault(self.report.told(finding), []).append(finding.id)
        return [Sentence(text, tuple(ids[:MOST_CITED])) for text, ids in cites.items()]

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all evidence that the report holds."""
        return frozenset(e.id for e in self.report.evidence)

    @property
    def live(self) -> bool:
        """Whether the photo has been looked at in this process."""
        return self._state is not None

    def state(self) -> InspectionState:
        """What the inspection found out, with what the report holds beyond it, such as second looks of a kept thread.

        A report from a file is inspected again for it.

        Raises:
            BlindError: the photo is not there any more, or is another one.
        """
        if self._state is None:
            fresh = self._inspect(self.sample(), self.product)
            if fresh.state is None:
                raise RuntimeError("an inspection ended without a state")
            self.product = self.product or fresh.state.product
            self._state = fresh.state
        known = {e.id for e in self._state.evidence}
        beyond = [e for e in self.report.evidence if e.id not in known and not e.id.startswith(ASKED)]
        if beyond:
            self._state = self._revise(self._state, added=[_restored(e) for e in beyond])
        return self._state

    def sample(self) -> Sample:
        """The photo; raises like `state`."""
        from tools.images import in_range, load_sample

        if self._state is not None and self._state.sample is not None:
            return self._state.sample
        try:
            stated = self.context.value_range if self.product is None else self.product.spec.value_range
            sample = in_range(load_sample(Path(self.report.image)), stated)
        except LookTwiceError as error:
            raise BlindError(str(error)) from error
        if self.digest and sample.digest != self.digest:
            raise BlindError(f"{self.name} now holds another photo than the one that was inspected")
        self.digest = sample.digest
        return sample

    def good(self) -> tuple[Sample, ...]:
        """The photos of good ones that are at hand."""
        if self._state is not None and self._state.good:
            return self._state.good
        return self.product.references if self.product is not None else ()

    def kept_parts(self) -> tuple[PartFact, ...] | None:
        """The parts where they are known without looking; else None."""
        if self._parts is None and self._state is not None and self._state.glance is not None:
            self._parts = facts_of(self._state.glance.measured)
        return self._parts

    def parts(self) -> tuple[PartFact, ...]:
        """The parts that the product speaks of, as measured; raises like `state`."""
        known = self.kept_parts()
        if known is None:
            if self.product is None:
                self.state()
                return self.kept_parts() or ()
            found = known_parts(self.context.toolbox, self.sample(), self.product.spec, self.product.types)
            known = self._parts = facts_of(found)
        return known

    def note(
        self,
        what: str,
        *,
        box: Box | None = None,
        part: str | None = None,
        kind: Kind = "logical",
        source: str = "measured",
        facts: dict[str, Fact] | None = None,
    ) -> str:
        """Adds what was measured on request to the report, without weight in the verdict, and returns its id.

        `facts` holds what only the details state, such as CIELAB values.
        """
        known = next((e for e in self.report.evidence if e.id.startswith(ASKED) and e.what == what), None)
        if known is not None:
            return known.id
        number = sum(e.id.startswith(ASKED) for e in self.report.evidence) + 1
        rounded = None if box is None else (round(box.x0, 1), round(box.y0, 1), round(box.x1, 1), round(box.y1, 1))
        noted = Finding(
            id=f"{ASKED}{number}",
            kind=kind,
            part=part,
            what=what,
            box=rounded,
            mask=None,
            score=0.5,
            llr=0.0,
            source=source,
            look=None,
            facts=facts or {},
        )
        self.report = self.report.model_copy(update={"evidence": (*self.report.evidence, noted)})
        return noted.id

    def look(self, hypothesis: Hypothesis) -> tuple[Finding, ...]:
        """Looks at a place again by the same step as an inspection; the verdict is fused anew.

        Raises:
            BlindError: as `state`.
        """
        state = self.state()
        self._state = self._revise(state, hypothesis=hypothesis)
        looked = {e.id for e in self._state.evidence[len(state.evidence) :] if e.look is not None}
        return tuple(e for e in self.report.evidence if e.id in looked)

    def append(self, evidence: Sequence[Evidence]) -> tuple[str, ...]:
        """Adds evidence, ids given here, and fuses the verdict anew; raises like `state`."""
        state = self.state()
        more = appended(evidence, state.evidence)
        self._state = self._revise(state, added=more)
        return tuple(e.id for e in more)

    def renew(self, product: Product) -> None:
        """Inspects the photo by a changed product; raises like `state`."""
        sample = self.sample()
        self.product = product
        self.report = self._inspect(sample, product)
        self._state, self._parts = self.report.state, None

    def _revise(
        self, state: InspectionState, *, added: Sequence[Evidence] = (), hypothesis: Hypothesis | None = None
    ) -> InspectionState:
        """Lets the graph add evidence or look again, then judge and explain; takes the report of the new state.

        What was measured on request stays in the report.
        """
        given = Revision(**{**vars(state), "hypothesis": hypothesis}, added=tuple(added))
        revised = state_after(build_revision(), given, self.context)
        made, asked = self._report_of(revised), [e for e in self.report.evidence if e.id.startswith(ASKED)]
        self.report = made.model_copy(
            update={"evidence": (*made.evidence, *asked), "answer": self.report.answer, "image": self.report.image}
        )
        return revised


def _restored(finding: Finding) -> Evidence:
    region = None if finding.box is None else Region(Box(*finding.box), finding.score, absent=finding.absent)
    claim = Claim("noted", {"what": finding.what, "said": f"{finding.what[:1].upper()}{finding.what[1:]}."})
    if finding.claim:
        claim = Claim(finding.claim, finding.facts, finding.topic, finding.status)
    return Evidence(
        finding.kind,
        claim,
        finding.llr,
        finding.source,
        finding.hypothesis or finding.what,
        part=finding.part,
        region=region,
        look=finding.look,
        id=finding.id,
    )

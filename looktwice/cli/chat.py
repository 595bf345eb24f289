"""`looktwice chat`: a conversation about one photo, in the terminal or a question a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent import Inspector, Product
from agent.chat.records import worded
from agent.chat.store import checked_thread, kept_report, refuse_other
from agent.photo_input import expanded_paths
from agent.products.files import PRODUCTS
from agent.text_limits import DESCRIPTION
from looktwice.batch.records import exit_status, verdict_kind
from looktwice.cli.learn import load_product
from looktwice.cli.options import Language, ModelOptions
from looktwice.cli.output import cited, given_text, stage_printer
from prompts import strings
from tools.display_text import display_text
from tools.files import exclusive
from tools.images import load_sample

if TYPE_CHECKING:
    from agent.chat import Chat, Reply

STORE = Path("conversations.sqlite")
"""Where conversations with a name are kept."""


def chat(
    image: Annotated[Path, typer.Argument(help="The photo to talk about.")],
    product: Annotated[str | None, typer.Option(help="A learned product: its name, or its YAML file.")] = None,
    ref: Annotated[list[str] | None, typer.Option(help="A photo of a good one; several may follow one --ref.")] = None,
    normal: Annotated[str, typer.Option(help="What good means: 'two bolts, three nuts'.")] = "",
    thread: Annotated[str | None, typer.Option(help="Name of the conversation; one that is there goes on.")] = None,
    store: Annotated[Path, typer.Option(help="SQLite file that keeps conversations with a name.")] = STORE,
    language: Language = "en",
    *,
    models: ModelOptions,
) -> None:
    """Talk about a photo: why, where, how many, how sure; zoom, compare, ignore, remember.

    Reads questions from standard input, one a line. The exit status is that of `looktwice inspect`, as the verdict
    stands at the end: 0 good, 1 anomalous, 2 wrong input, 3 undecided, or good but not fully checked.
    """
    normal = given_text("--normal", normal, DESCRIPTION)
    if thread is not None:
        checked_thread(thread)
    kept = kept_report(store, thread) if thread is not None else None
    if thread is not None and kept is not None and Path(kept.image).name != image.name:
        refuse_other(thread, kept.image, str(image))
    sample = load_sample(image)
    references = list(expanded_paths(map(Path, ref or ())))
    inspector = Inspector(models.profile, device=models.device, looks=models.looks, language=language)
    known = load_product(inspector, product) if product else _learned(inspector, references, normal)
    same_path = kept is not None and Path(kept.image).resolve() == image.resolve()
    report = kept if kept is not None and same_path else inspector.inspect(sample, product=known, normal=normal)
    conversation = inspector.chat(
        report, product=known, store=store if thread is not None else None, thread=thread or "chat"
    )
    try:
        _talk(conversation, _file_of(product))
    finally:
        conversation.close()
    raise typer.Exit(exit_status({verdict_kind(conversation.report.verdict): 1}))


def _learned(inspector: Inspector, references: list[Path], normal: str) -> Product | None:
    if not references and not normal:
        return None
    return inspector.learn("product", references, describe=normal, on_stage=stage_printer(len(references)))


def _file_of(product: str | None) -> Path | None:
    """The file of a product that a person may change; None for one that was not named or is ready-made."""
    if product is None:
        return None
    path = Path(product) if product.endswith((".yaml", ".yml")) else PRODUCTS / f"{product}.yaml"
    return path if path.exists() else None


def _talk(conversation: Chat, file: Path | None) -> None:
    """Questions in, answers out, until the end of the input or an empty line of a person."""
    asked = sys.stdin.isatty()
    _opening(conversation, asked)
    while True:
        if asked:
            sys.stderr.write(worded("prompt"))
            sys.stderr.flush()
        question = sys.stdin.readline()
        if not question or (asked and not question.strip()):
            break
        if not question.strip():
            continue
        reply = conversation.ask(question)
        _print(reply)
        if reply.intent == "confirm" and conversation.product is not None and file is not None:
            with exclusive(file):
                conversation.product.save(file)
            _aside(worded("saved", conversation.report.language, path=str(file)))
        elif reply.intent == "confirm" and file is None and reply.text:
            _aside(worded("spec_at", conversation.report.language))


def _opening(conversation: Chat, asked: bool) -> None:
    report = conversation.report
    facts = {"name": Path(report.image).name, "verdict": report.explanation[0].text}
    count = len(conversation.turns) // 2
    if count:
        _aside(worded("resumed", report.language, **facts, thread=conversation.thread, count=count))
    elif asked:
        _aside(worded("opened", report.language, **facts))
    if report.verdict.unchecked:
        _aside(f"{strings(report.language)['unchecked']}: {'; '.join(report.verdict.unchecked)}.")


def _print(reply: Reply) -> None:
    """An answer, a sentence a line, with the ids of what it rests on."""
    for sentence in reply.sentences:
        told = f"{sentence.text} {cited(sentence.cites)}" if sentence.cites else sentence.text
        sys.stdout.write(f"{display_text(told)}\n")
    sys.stdout.flush()


def _aside(text: str) -> None:
    sys.stderr.write(f"{display_text(text)}\n")

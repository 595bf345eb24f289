"""The fourth tab: eval runs, one or two side by side."""

from __future__ import annotations

from typing import Any

import gradio as gr

from looktwice.page.context import PageContext
from looktwice.page.evals_view import read_run, run_html, runs_in
from tools.errors import InputError


def build_evals_tab(page: PageContext) -> None:
    """Builds the tab; it reads runs below one folder and nothing else."""
    words, folder = page.words, page.results
    names = runs_in(folder)
    with gr.Row(equal_height=True):
        first = gr.Dropdown(names, value=None, label=words["evals_run"], elem_id="run", scale=4)
        second = gr.Dropdown(names, value=None, label=words["evals_other"], elem_id="other-run", scale=4)
        again = gr.Button(words["refresh"], scale=1, min_width=90, elem_id="refresh")
    shown = gr.HTML(
        page.box("note", "", words["evals_choose"] if names else words["evals_none"]), elem_id="evals",
        apply_default_css=False, js_on_load=None,
    )  # fmt: skip

    def show(name: str | None, other: str | None) -> str:
        if not name:
            return page.box("note", "", words["evals_choose"] if runs_in(folder) else words["evals_none"])
        try:
            beside = read_run(folder, other) if other and other != name else None
            return run_html(read_run(folder, name), beside, words)
        except InputError as error:
            return page.trouble(str(error))

    def listed() -> tuple[Any, Any]:
        found = runs_in(folder)
        return gr.update(choices=found), gr.update(choices=found)

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    first.change(show, [first, second], [shown], **hidden)
    second.change(show, [first, second], [shown], **hidden)
    again.click(listed, None, [first, second], **hidden)

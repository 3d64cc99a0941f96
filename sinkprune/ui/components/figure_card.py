"""What stands around a figure: its title, its definition and its numbers as a file above it, a sentence of numbers below it."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Sequence

import gradio as gr

from sinkprune.figures.rows import Row, as_csv, as_json
from sinkprune.ui.components.served import WEB, served_folder
from sinkprune.ui.inputs import in_words
from sinkprune.ui.words.figure_texts import FigureText

SAVE = (WEB / "figure_card.js").read_text(encoding="utf-8")
TYPES = {"csv": "text/csv", "json": "application/json"}


def figure_card(name: str, text: FigureText) -> tuple[gr.HTML, gr.Plot, gr.HTML]:
    """(head, plot, words): the head asks for its file by "submit" (see `figure_file`); words takes `words(sentence)`."""
    head = gr.HTML(
        html_template=_head(text), js_on_load=SAVE, assets=served_folder(WEB / "shared"), elem_id=f"{name}-head"
    )
    plot = gr.Plot(show_label=False, container=False, elem_id=f"{name}-figure")
    return head, plot, gr.HTML(elem_id=f"{name}-words")


def _head(text: FigureText) -> str:
    title = html.escape(text.title)
    buttons = " ".join(
        f'<button type="button" data-format="{kind}" aria-label="Save the numbers as {kind.upper()}: {title}">{kind.upper()}</button>'
        for kind in TYPES
    )
    return (
        f'<div class="figure-head"><h3>{title}</h3><p class="figure-files">Numbers: {buttons}</p></div>'
        f'<details class="definition"><summary>What is this?</summary>{text.definition}</details>'
    )


def words(sentence: str) -> str:
    """The sentence of numbers below a figure."""
    return f"<p class='figure-words'>{html.escape(sentence)}</p>"


def figure_file(name: str, event: gr.EventData, rows: Callable[[], Sequence[Row]], about: dict) -> dict:
    """A figure's numbers as the value that its head saves, in the format that the event names. about: what JSON says before its rows."""
    with in_words():
        kind = event._data.get("format") if isinstance(event._data, dict) else event._data
        if not isinstance(kind, str) or kind not in TYPES:
            raise ValueError(f"numbers are saved as {' or '.join(TYPES)}, not as {str(kind)[:40]!r}")
        text = as_csv(rows()) if kind == "csv" else as_json(rows(), about)
    return {"name": f"sinkprune-{name}.{kind}", "type": TYPES[kind], "text": text, "asked": uuid.uuid4().hex}

"""Section "Results": the pruning table that ships with the model as one sentence, figures and tables; every finding in a disclosure."""

from __future__ import annotations

import html
from functools import partial

import gradio as gr

from sinkprune.figures.pruning import gain_caption, gain_figure
from sinkprune.recorded.table_text import (
    bits_table,
    details_table,
    findings,
    gains_table,
    measured,
    structured_table,
    verdict,
    verdicts_table,
)
from sinkprune.ui.components.scripts import SCROLLERS, WHEN_SEEN
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.words.text import NO_TABLE, TABLE_TERMS

FIGURES = {
    "ablation": "Sink weight on against off, all else equal",
    "official": "Against the official baselines",
}


def table_section(table: dict | None) -> None:
    """Build the section from a summary (recorded.table_summary), or say that there is none."""
    heading = gr.HTML("<h2>Does sink-aware pruning help this model?</h2>", js_on_load=WHEN_SEEN + SCROLLERS)
    if table is None:
        gr.Markdown(NO_TABLE, elem_id="verdict", elem_classes="reading")
        return
    gr.Markdown(
        f"**{verdict(table)}**\n\n{verdicts_table(table)}", elem_id="verdict", elem_classes=["reading", "numbers"]
    )
    with gr.Accordion("Which method, where, and by how much", open=False, elem_id="every-finding"):
        gr.Markdown(findings(table), elem_id="findings", elem_classes="reading")
    gr.HTML("<h3>What the sink-aware methods save (paper Fig. 6)</h3>")
    with gr.Row(elem_classes="figures"):
        plots = [_figure(table, kind, title) for kind, title in FIGURES.items()]
    gr.Markdown(f"### Bits per token\n{measured(table)}\n\n{bits_table(table)}", elem_classes="numbers")
    gr.Markdown(f"### Structured: speed beside quality\n{structured_table(table)}", elem_classes="numbers")
    with gr.Accordion("Every number, and what the words mean", open=False, elem_id="all-numbers"):
        gr.Markdown(TABLE_TERMS)
        gr.Markdown(f"{gains_table(table)}\n\n{details_table(table)}", elem_classes="numbers")
    heading.click(partial(_draw, table), None, plots, **QUICK_EVENT)


def _figure(table: dict, kind: str, title: str) -> gr.Plot:
    with gr.Column(min_width=320):
        gr.HTML(f"<h4>{title}</h4>")
        plot = gr.Plot(show_label=False, container=False, elem_id=f"gains-{kind}")
        gr.HTML(f"<p class='figure-words'>{html.escape(gain_caption(table, kind))}</p>")
        return plot


def _draw(table: dict) -> list:
    return [gain_figure(table, kind) for kind in FIGURES]

"""What changing attention costs this model, on the Results tab: verdicts, a figure, tables, and what dropped keys save in time."""

from __future__ import annotations

from functools import partial

import gradio as gr

from sinkprune.figures.what_if import what_if_figure
from sinkprune.recorded.eviction_times import times_table
from sinkprune.recorded.what_if_text import cache_table, cover_table, heads_table, measured, texts_table, verdicts
from sinkprune.ui.components.scripts import SCROLLERS, WHEN_SEEN
from sinkprune.ui.events import QUICK_EVENT

NOT_MEASURED = "Not measured for this model yet: `python -m sinkprune.recorded.what_if` measures it."


def what_if_results_section(summary: dict | None, times: dict | None) -> None:
    """Build the section from a summary (recorded.what_if_summary) and times (benchmarks.eviction), or say that there is none."""
    heading = gr.HTML("<h2>What if attention is changed while the model writes?</h2>", js_on_load=WHEN_SEEN + SCROLLERS)
    if summary is None:
        gr.Markdown(NOT_MEASURED, elem_id="what-if-verdicts")
        return
    gr.Markdown("\n\n".join(verdicts(summary, times)), elem_id="what-if-verdicts", elem_classes="reading")
    plot = gr.Plot(show_label=False, container=False, elem_id="what-if-figure")
    gr.Markdown(f"{measured(summary)}\n\n{cache_table(summary)}", elem_classes="numbers")
    with gr.Accordion("Covered columns, heads, own texts and times in numbers", open=False, elem_id="what-if-numbers"):
        tables = [cover_table(summary), heads_table(summary), texts_table(summary)]
        gr.Markdown("\n\n".join(tables + ([times_table(times)] if times else [])), elem_classes="numbers")
    heading.click(partial(what_if_figure, summary), None, plot, **QUICK_EVENT)

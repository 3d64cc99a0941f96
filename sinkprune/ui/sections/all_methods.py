"""Section "All methods": every method at one sparsity on the page's prompt, as a table that fills while it is measured."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial

import gradio as gr
from gradio.components import Component

from sinkprune.lab.all_methods import ORDER, MethodRow, Refusal, Underway, compare_all
from sinkprune.pruning import CalibrationConfig
from sinkprune.recorded.comparison import RecordedComparison
from sinkprune.traces.numbers import percent
from sinkprune.ui.components.methods_table import methods_table
from sinkprune.ui.events import QUICK_EVENT, now_and_then
from sinkprune.ui.inputs import BOUNDS, COPY, MAX_SPARSITY, PATTERNS, calibration_from, pruning_from, request_from
from sinkprune.ui.run_button import Update, run_button, wire_run
from sinkprune.ui.sections.copy_controls import sparsity_slider
from sinkprune.ui.server.runs import visitor
from sinkprune.ui.server.scheduler import LONG, Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note, progress_bar, progress_line, recorded_note, waiting_line

EMPTY = "No method has run yet."
PRUNED = 0.9  # of the time of a method, when its copy is there
INVITATION = "The prompt above is written by the whole model and by one pruned copy a method, all decoded alike."
DEFINITIONS = """
- **Bits of the dense answer**: cross-entropy, in bits per token, of masked tokens of the dense model's answer under this copy. It is the
  mean over five mask levels with four draws each, the same masks for every copy. Below it: the difference to the dense model ± its
  standard error over the draws. It says how much the copy lost on this one answer, not on language as a whole: the sweep below can be
  measured on held-out answers.
- **Bits of its text**: the same for what this copy wrote, under the dense model: low means that the dense model could have written it.
- **Best and worst** are marked by the number as it is shown, among the pruned copies. A loop of one word can win a column: read the text.
- **Write, s** is one measurement on this machine without recording attention; copies with the same shape differ by chance and by forwards.
"""


def methods_section(
    bench: Workbench, prompt: gr.Textbox, decoding: dict[str, Component], recorded: RecordedComparison | None
) -> gr.Slider:
    """Build the section and wire it to the page's prompt and decoding controls; returns the control of `calibration_from`.

    recorded: what the table opens with.
    """
    gr.HTML("<h2>All methods at one sparsity</h2>")
    with gr.Row(elem_classes="choices"):
        sparsity = gr.Slider(
            0, MAX_SPARSITY, value=COPY["sparsity"], step=0.05, label="Sparsity of every copy", elem_id="all-sparsity",
            info="share of the weights set to zero, or removed by the structured methods",
        )  # fmt: skip
        pattern = gr.Radio(list(PATTERNS), value="free", label="Pattern of every copy", elem_classes="plain-radio")
        samples = gr.Slider(
            *BOUNDS["samples"], value=COPY["samples"], step=8, label="Sequences to calibrate on", elem_id="all-samples",
            info="of 128 tokens, from the built-in text",
        )  # fmt: skip
    pattern.change(partial(sparsity_slider, COPY["method"]), [sparsity, pattern], sparsity, **QUICK_EVENT)
    with gr.Row(elem_classes="actions"):
        button = run_button("Run all methods", "all-run", "Cancel", "all-cancel")
    status = gr.HTML(_opening_note(recorded), elem_id="all-status")
    rows = recorded and {"run": "recorded", "rows": [asdict(row) for row in recorded.methods], "refused": []}
    shown = methods_table(EMPTY, elem_id="all-methods", value=rows)
    with gr.Accordion("What the numbers mean", open=False):
        gr.Markdown(DEFINITIONS)
    inputs = {"prompt": prompt, "sparsity": sparsity, "pattern": pattern, "samples": samples, **decoding}
    wire_run(button, bench, partial(_run, bench), inputs, {"status": status, "shown": shown}, _cancelled)
    return samples


def _opening_note(recorded: RecordedComparison | None) -> str:
    if recorded is None:
        return note("", INVITATION)
    copies = f"a copy of every method at {percent(recorded.request.pruning.target)}"
    return recorded_note(recorded, copies, "Run all methods")


def all_methods(
    bench: Workbench, prompt: str, sparsity: float, pattern: str, calibration: CalibrationConfig, config: object
) -> Iterator[Waiting | Underway | Refusal | MethodRow]:
    """`lab.all_methods` on the bench's model, in the long line, from the values of the page or the API. Raises ValueError at the call."""
    pruning = pruning_from(
        COPY["method"], sparsity, pattern, COPY["sink_rule"], COPY["sink_weight"], COPY["allocation"]
    )
    dense = bench.loaded
    steps = compare_all(dense, prompt, config, pruning, calibration, partial(bench.prune, dense=dense))
    return bench.lines.run(LONG, steps, visitor(), "all methods")


def collect(table: dict, step: Refusal | MethodRow) -> dict:
    """The table with one row or refusal more, as a new value: {"run", "rows", "refused"}, JSON values only."""
    name = "rows" if isinstance(step, MethodRow) else "refused"
    return {**table, name: [*table[name], asdict(step)]}


def new_table() -> dict:
    """A table without rows; its run id differs from every other."""
    return {"run": uuid.uuid4().hex, "rows": [], "refused": []}


def underway_line(step: Waiting | Underway) -> str:
    """What goes on, as a line of the page."""
    if isinstance(step, Waiting):
        return waiting_line(step)
    if step.progress is not None:
        return progress_line(step.progress, step.method)
    return note("Live", f"{'The dense model' if step.method == 'dense' else step.method} {_doing(step)}.")


def _doing(step: Underway) -> str:
    return f"writes, {step.forwards} forward passes so far" if step.doing == "writing" else "is measured"


def _line(step: Waiting | Underway) -> str:
    """The same with a bar for the whole: which of all methods it is, and how far that method is."""
    if isinstance(step, Waiting) or step.method not in ORDER:
        return underway_line(step)
    before, count = ORDER.index(step.method), len(ORDER)
    named = f"method {before + 1} of {count} · {step.method}"
    if step.progress is not None:
        return progress_line(step.progress, named, before, count)
    return progress_bar((before + PRUNED) / count, "All methods", f"{named} {_doing(step)}.")


def _cancelled() -> Update:
    said = "The rows that are there stay. Copies that were finished need not be pruned again."
    return {"status": note("Cancelled", said)}


def _run(bench: Workbench, values: dict) -> Iterator[Update]:
    asked = request_from(values)
    chosen = values["sparsity"], values["pattern"], calibration_from(values["samples"])
    steps = all_methods(bench, asked.prompt, *chosen, asked.decoding)
    table = new_table()
    yield {"status": note("Live", "The dense model writes."), "shown": table}
    with closing(steps):
        for step in now_and_then(steps, Underway):
            if isinstance(step, Waiting | Underway):
                yield {"status": _line(step)}
            else:
                table = collect(table, step)
                yield {"shown": table}
    yield {"status": note("Done", _said(bench, table))}


def _said(bench: Workbench, table: dict) -> str:
    return f"{len(table['rows']) - 1} pruned copies beside the dense model, all measured on this machine ({bench.machine})."

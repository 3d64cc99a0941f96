"""Section "Sparsity sweep": bits per token under copies at several sparsities, a curve a method, live beside the recorded table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial

import gradio as gr
from gradio.components import Component

from sinkprune.decoding import DecodeConfig
from sinkprune.figures.sweep import sweep_figure, sweep_table
from sinkprune.lab.all_methods import ORDER, Refusal, Underway
from sinkprune.lab.sweep import (
    MAX_POINTS,
    MAX_SECONDS,
    TEXTS,
    OutOfTime,
    Ruler,
    SweepPoint,
    held_out_ruler,
    prompt_ruler,
    sweep,
)
from sinkprune.models import LoadedModel
from sinkprune.traces.numbers import percent
from sinkprune.traces.runs import check_prompt
from sinkprune.ui.events import now_and_then
from sinkprune.ui.inputs import MAX_SPARSITY, calibration_from, request_from
from sinkprune.ui.run_button import Update, run_button, wire_run
from sinkprune.ui.sections.all_methods import underway_line
from sinkprune.ui.server.runs import visitor
from sinkprune.ui.server.scheduler import LONG, Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note

SPARSITIES = (0.1, 0.25, 0.3, 0.5, 0.6, 0.7, 0.75, 0.9)
SCORED = {
    "prompt": "the dense model's answer to the prompt above",
    "held-out": f"the teacher's answers to {TEXTS} held-out prompts",
}
ABOUT = f"""In brackets: the difference to the dense model ± its standard error, over texts or, for one answer, over four draws of masks.
Live points are measured now, with one calibration seed. Recorded curves are the table of the Results tab: more texts and masks, several
seeds. They score held-out answers, so for one prompt compare their shape and not their height. A sweep has at most {MAX_POINTS} points and
ends after {MAX_SECONDS / 60:.0f} minutes; copies that were finished are kept, so a second press goes on."""


def sweep_section(
    bench: Workbench,
    prompt: gr.Textbox,
    decoding: dict[str, Component],
    samples: gr.Slider,
    table: dict | None,
) -> None:
    """Build the section.

    samples: the control of `calibration_from`; table: a summary (recorded.table_summary), drawn beside the live points.
    """
    gr.HTML("<h2>Sparsity sweep</h2>")
    with gr.Row(elem_classes="choices"):
        scored = gr.Radio(
            [(words, name) for name, words in SCORED.items()], value="held-out", label="Scored text",
            info="the teacher: the model whose answers this one was trained on",
            elem_id="sweep-scored", elem_classes=["plain-radio", "stacked"],
        )  # fmt: skip
        methods = gr.CheckboxGroup(
            list(ORDER),
            value=["magnitude", "wanda"],
            label="Methods",
            elem_id="sweep-methods",
            elem_classes="plain-radio",
        )
        sparsities = gr.CheckboxGroup(
            [(percent(sparsity), sparsity) for sparsity in SPARSITIES], value=[0.25, 0.5, 0.7], label="Sparsities",
            elem_id="sweep-sparsities", elem_classes="plain-radio",
        )  # fmt: skip
    with gr.Row(elem_classes="actions"):
        button = run_button("Run the sweep", "sweep-run", "Cancel", "sweep-cancel")
    status = gr.HTML(note("", "Each copy is calibrated on as many sequences as chosen above."), elem_id="sweep-status")
    with gr.Column(visible=False) as results:
        figure = gr.Plot(show_label=False, container=False, elem_id="sweep-figure")
        numbers = gr.Markdown(elem_id="sweep-numbers", elem_classes="numbers")
        gr.Markdown(ABOUT)
    outputs = {"status": status, "results": results, "figure": figure, "numbers": numbers}
    inputs = {"prompt": prompt, "scored": scored, "methods": methods, "sparsities": sparsities, "samples": samples}
    wire_run(button, bench, partial(_run, bench, table), inputs | decoding, outputs, _cancelled)


def run_sweep(
    bench: Workbench,
    scored: str,
    prompt: str,
    methods: Sequence[str],
    sparsities: Sequence[float],
    samples: int,
    config: DecodeConfig,
) -> Iterator[Waiting | Underway | Refusal | OutOfTime | SweepPoint]:
    """`lab.sweep` on the bench's model, in the long line, from the values of the page or the API. Raises ValueError at the call."""
    for name, values, offered in (("methods", methods, str), ("sparsities", sparsities, int | float)):
        if not isinstance(values, list) or not all(
            isinstance(value, offered) and not isinstance(value, bool) for value in values
        ):
            raise ValueError(f"{name} must be a list, for example {['wanda'] if offered is str else [0.5]}")
    unknown = set(methods) - set(ORDER)
    if unknown:
        raise ValueError(f"method must be one of {', '.join(ORDER)}, not {min(unknown)[:40]!r}")
    if not all(0 <= sparsity <= MAX_SPARSITY for sparsity in sparsities):
        raise ValueError(f"sparsities must lie between 0 and {MAX_SPARSITY}")
    dense = bench.loaded
    ruler = _ruler(dense, scored, prompt, config)
    steps = sweep(dense, ruler, methods, sparsities, calibration_from(samples), partial(bench.prune, dense=dense))
    return bench.lines.run(LONG, steps, visitor(), "sweep")


def _ruler(dense: LoadedModel, scored: str, prompt: str, config: DecodeConfig) -> Callable[[], Ruler]:
    """What makes the ruler when the sweep's turn has come: making it may take a run of the model."""
    if scored == "held-out":
        return partial(held_out_ruler, dense)
    if scored == "prompt":
        check_prompt(dense, prompt, config.gen_length)
        return partial(prompt_ruler, dense, prompt, config)
    raise ValueError(f"what is scored must be one of {', '.join(SCORED)}, not {str(scored)[:40]!r}")


def _cancelled() -> Update:
    return {"status": note("Cancelled", "The points that are there stay.")}


def _run(bench: Workbench, table: dict | None, values: dict) -> Iterator[Update]:
    asked = request_from(values)
    scored, *chosen = (values[name] for name in ("scored", "methods", "sparsities", "samples"))
    steps = run_sweep(bench, scored, asked.prompt, *chosen, asked.decoding)
    recorded = table if table and table["model"] == bench.name else None  # another model may have been loaded since
    points, missing = [], []
    yield {"status": note("Live", "The dense model is measured.")}
    with closing(steps):
        for step in now_and_then(steps, Underway):
            if isinstance(step, SweepPoint):
                points.append(step)
                shown = {"figure": sweep_figure(points, recorded), "numbers": sweep_table(points)}
                yield {"results": gr.Column(visible=True), **shown}
            elif isinstance(step, Waiting | Underway):
                yield {"status": underway_line(step)}
            else:
                missing.append(_missing(step))
    done = f"{len(points) - 1} copies, scored on {SCORED[scored]} ({bench.machine})."
    yield {"status": note("Done", " ".join([done, *missing]))}


def _missing(step: Refusal | OutOfTime) -> str:
    if isinstance(step, OutOfTime):
        return (
            f"The time was over: {step.missing} points are missing; press again to go on from the copies made so far."
        )
    return f"{step.method}: {step.sentence}."

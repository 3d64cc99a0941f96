"""Section "Sparsity sweep": bits per token under copies at several sparsities, a curve a method, live beside the recorded table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial

import gradio as gr

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
from sinkprune.traces.runs import check_prompt
from sinkprune.ui.events import MODEL_EVENT, PROGRESS_EVERY, QUICK_EVENT
from sinkprune.ui.inputs import MAX_SPARSITY, calibration_from, decoding_from, in_words
from sinkprune.ui.sections.all_methods import underway_line
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note

IDLE = {"go": gr.Button(interactive=True), "cancel": gr.Button(interactive=False)}
BUSY = {"go": gr.Button(interactive=False), "cancel": gr.Button(interactive=True)}
OUTPUTS = ("status", "results", "figure", "numbers", "go", "cancel")
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
    decoding: list[gr.components.Component],
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
            [(f"{sparsity:.0%}", sparsity) for sparsity in SPARSITIES], value=[0.25, 0.5, 0.7], label="Sparsities",
            elem_id="sweep-sparsities", elem_classes="plain-radio",
        )  # fmt: skip
    with gr.Row(elem_classes="actions"):
        go = gr.Button("Run the sweep", variant="primary", elem_id="sweep-run", scale=0, min_width=200)
        cancel = gr.Button("Cancel", elem_id="sweep-cancel", interactive=False, scale=0, min_width=90)
    status = gr.HTML(note("", "Each copy is calibrated on as many sequences as chosen above."), elem_id="sweep-status")
    with gr.Column(visible=False) as results:
        figure = gr.Plot(show_label=False, container=False, elem_id="sweep-figure")
        numbers = gr.Markdown(elem_id="sweep-numbers", elem_classes="numbers")
        gr.Markdown(ABOUT)
    outputs = [status, results, figure, numbers, go, cancel]
    # "once" would swallow a press while the cancelled run before it still closes.
    run = go.click(
        partial(_run, bench, table), [prompt, scored, methods, sparsities, samples, *decoding], outputs,
        trigger_mode="multiple", **MODEL_EVENT,
    )  # fmt: skip
    run.then(lambda: _update(**IDLE), None, outputs, **QUICK_EVENT)
    stopped = _update(status=note("Cancelled", "The points that are there stay."), **IDLE)
    cancel.click(lambda: stopped, None, outputs, cancels=run, **QUICK_EVENT)


def run_sweep(
    bench: Workbench,
    scored: str,
    prompt: str,
    methods: Sequence[str],
    sparsities: Sequence[float],
    samples: int,
    config: DecodeConfig,
) -> Iterator[Underway | Refusal | OutOfTime | SweepPoint]:
    """`lab.sweep` on the bench's model, from the values of the page or the API. Raises ValueError at the call."""
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
    return sweep(dense, ruler, methods, sparsities, calibration_from(samples), partial(bench.prune, dense=dense))


def _ruler(dense: LoadedModel, scored: str, prompt: str, config: DecodeConfig) -> Callable[[], Ruler]:
    """What makes the ruler when the sweep's turn has come: making it may take a run of the model."""
    if scored == "held-out":
        return partial(held_out_ruler, dense)
    if scored == "prompt":
        check_prompt(dense, prompt, config.gen_length)
        return partial(prompt_ruler, dense, prompt, config)
    raise ValueError(f"what is scored must be one of {', '.join(SCORED)}, not {str(scored)[:40]!r}")


def _run(
    bench: Workbench, table: dict | None, prompt: str, scored: str, methods: list[str], sparsities: list[float], samples: int,
    *decoding: object,
) -> Iterator[tuple]:  # fmt: skip
    with in_words():
        if not bench.ready:
            yield _update(status=note("Live", "The model is still loading: the sweep starts by itself."), **BUSY)
        steps = run_sweep(bench, scored, prompt, methods, sparsities, samples, decoding_from(*decoding))
        recorded = table if table and table["model"] == bench.name else None  # another model may have been loaded since
        points, missing, said = [], [], 0.0
        yield _update(status=note("Live", "The dense model is measured."), **BUSY)
        with closing(steps):
            for step in steps:
                if isinstance(step, SweepPoint):
                    points.append(step)
                    shown = {"figure": sweep_figure(points, recorded), "numbers": sweep_table(points)}
                    yield _update(results=gr.Column(visible=True), **shown)
                elif not isinstance(step, Underway):
                    missing.append(_missing(step))
                elif time.monotonic() - said > PROGRESS_EVERY:
                    said = time.monotonic()
                    yield _update(status=underway_line(step))
        done = f"{len(points) - 1} copies, scored on {SCORED[scored]} ({bench.machine})."
        yield _update(status=note("Done", " ".join([done, *missing])), **IDLE)


def _missing(step: Refusal | OutOfTime) -> str:
    if isinstance(step, OutOfTime):
        return (
            f"The time was over: {step.missing} points are missing; press again to go on from the copies made so far."
        )
    return f"{step.method}: {step.sentence}."


def _update(**values: object) -> tuple:
    """The values of some of OUTPUTS; the others stay as they are."""
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)

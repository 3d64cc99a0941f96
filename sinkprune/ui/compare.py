"""Section B of the page, "Prune and compare": choose a method, prune a copy, and see dense and pruned write side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import gradio as gr

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.commits import commit_figure, confidence_needed, lane_commits
from sinkprune.lab.compare import layer_sparsity
from sinkprune.lab.comparison import measure
from sinkprune.lab.figures import sink_trajectory
from sinkprune.lab.pruning_figures import sparsity_per_layer
from sinkprune.lab.runs import check_prompt, compare_run
from sinkprune.lab.statistics import trace_statistics
from sinkprune.pruning import ALLOCATIONS, SINK_RULES, STRUCTURED, CalibrationConfig, PruneConfig, PruneResult
from sinkprune.ui.changes import changes_section, show_changes
from sinkprune.ui.inputs import (
    BOUNDS,
    COPY,
    MAX_SPARSITY,
    PATTERNS,
    calibration_from,
    decoding_from,
    in_words,
    pruning_from,
    sparsity_bound,
)
from sinkprune.ui.player_component import player
from sinkprune.ui.pruning import prune_and_say
from sinkprune.ui.reading import commits_reading
from sinkprune.ui.result_card import result_card
from sinkprune.ui.text import COMMITS, method_choices, note, progress_line, seconds_info
from sinkprune.ui.watch import MODEL_EVENT, QUICK_EVENT, STATE_SECONDS, ended
from sinkprune.ui.workbench import Workbench

OUTPUTS = (
    "status",
    "shown",
    "last",
    "measured",
    "card",
    "said",
    "commits",
    "trajectory",
    "layers",
    "record",
    "changes",
    "made",
    "go",
    "cancel",
)
IDLE = {"go": gr.Button(interactive=True), "cancel": gr.Button(interactive=False)}
BUSY = {"go": gr.Button(interactive=False), "cancel": gr.Button(interactive=True)}


def compare_section(
    bench: Workbench, prompt: gr.Textbox, decoding: list[gr.components.Component], table: dict | None
) -> None:
    """Build the section and wire it to the page's prompt and decoding controls. table: a summary (lab.table_summary), for seconds."""
    choices = _choices(table)
    with gr.Row(elem_classes="actions"):
        go = gr.Button("Prune and generate", variant="primary", elem_id="compare-run", scale=0, min_width=220)
        cancel = gr.Button("Cancel", elem_id="compare-cancel", interactive=False, scale=0, min_width=90)
    invitation = "The prompt above is written twice: by the whole model and by its pruned copy, from the same masked canvas and seed."
    status = gr.HTML(note("", invitation), elem_id="compare-status")
    with gr.Column(elem_id="compare-results"):  # hidden by the style sheet until the player has a run
        gr.HTML("<h2 class='quiet'>Dense and pruned, side by side</h2>")
        shown = player(bench.answer_map, elem_id="compare-player")
        results = [*_results(), *changes_section(bench)]
    last = gr.State(time_to_live=STATE_SECONDS)
    outputs = [status, shown, last, *results, go, cancel]
    live = go.click(partial(_compare, bench), [prompt, *choices, *decoding], outputs, **MODEL_EVENT)
    live.then(lambda: _update(**IDLE), None, outputs, **QUICK_EVENT)
    cancel.click(_cancelled, last, outputs, cancels=live, **QUICK_EVENT)


def _choices(table: dict | None) -> list[gr.components.Component]:
    """The controls of `pruning_from` and, last, that of `calibration_from`."""
    with gr.Row(elem_classes="choices"):
        method = gr.Radio(
            method_choices(table), value=COPY["method"], label="Method", info=seconds_info(table),
            elem_id="method", elem_classes=["plain-radio", "stacked"],
        )  # fmt: skip
        with gr.Column(min_width=300):
            sparsity = gr.Slider(
                0, MAX_SPARSITY, value=COPY["sparsity"], step=0.05, label="Sparsity", elem_id="sparsity",
                info="share of the weights set to zero",
            )  # fmt: skip
            pattern = gr.Radio(
                list(PATTERNS), value=COPY["pattern"], label="Pattern", elem_classes="plain-radio",
                info="2:4 is two zeros in every four inputs: half of the weights, whatever the slider says",
            )  # fmt: skip
            with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                samples = gr.Slider(
                    *BOUNDS["samples"], value=COPY["samples"], step=8, label="Calibration sequences",
                    info="of 128 tokens, from the built-in text",
                )  # fmt: skip
                sink_rule = gr.Radio(
                    list(SINK_RULES), value=COPY["sink_rule"], label="Sink rule", elem_classes="plain-radio",
                    info="reference: the official code; paper: eq. 10-12",
                )  # fmt: skip
                sink_weight = gr.Checkbox(COPY["sink_weight"], label="Weight sinks down (off: the ablation)")
                allocation = gr.Radio(
                    list(ALLOCATIONS), value=COPY["allocation"], label="Allocation", elem_classes="plain-radio",
                    info="structured methods: every layer loses the same share, or all layers compete",
                )  # fmt: skip
    method.input(_bounds, [method, sparsity], [sparsity, pattern], **QUICK_EVENT)
    return [method, sparsity, pattern, sink_rule, sink_weight, allocation, samples]


def _bounds(method: str, sparsity: float) -> tuple[gr.Slider, gr.Radio]:
    """What a method allows: the structured ones remove less, and know no pattern."""
    most, structured = sparsity_bound(method), method in STRUCTURED
    info = "share of the layers' weights removed" if structured else "share of the weights set to zero"
    pattern = gr.Radio(value="free", interactive=False) if structured else gr.Radio(interactive=True)
    return gr.Slider(maximum=most, value=min(sparsity, most), info=info), pattern


def _results() -> list[gr.components.Component]:
    """[measured, card, said, commits, trajectory, layers, record]: what is known when both lanes are written."""
    with gr.Column(visible=False) as measured:
        gr.HTML("<h2>What it cost and what it changed</h2>")
        with gr.Row(elem_classes="figures"):
            with gr.Column(min_width=320):
                card = gr.HTML(elem_id="card")
            with gr.Column(min_width=320):
                gr.HTML(f"<h3>Tokens committed by each forward pass</h3>{COMMITS}")
                said = gr.Markdown(elem_classes="reading", elem_id="commits-reading")
                commits = gr.Plot(show_label=False, container=False, elem_id="commits")
        with gr.Row(elem_classes="figures"):
            with gr.Column(min_width=320):
                gr.HTML("<h3>Where the sinks are, dense and pruned</h3>")
                trajectory = gr.Plot(show_label=False, container=False)
            with gr.Column(min_width=320):
                gr.HTML("<h3>Achieved sparsity of each layer</h3>")
                layers = gr.Plot(show_label=False, container=False)
        with gr.Accordion("Full record of this run", open=False):
            record = gr.Markdown()
    return [measured, card, said, commits, trajectory, layers, record]


def _update(**values: object) -> tuple:
    """The values of some of OUTPUTS; the others stay as they are."""
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


def _cancelled(trace: dict | None) -> tuple:
    if not trace or all(lane["done"] for lane in trace["lanes"]):
        return _update(status=note("Cancelled", "Nothing was written."), **IDLE)
    trace = ended(trace)
    return _update(status=note("Stopped", "What was written so far stays."), shown=trace, last=trace, **IDLE)


def _compare(bench: Workbench, prompt: str, *choices: object) -> Iterator[tuple]:
    """Prune (or take from the store), write side by side, measure. choices: of `pruning_from`, `calibration_from`, `decoding_from`."""
    with in_words():
        pruning, calibration = pruning_from(*choices[:6]), calibration_from(choices[6])
        config = decoding_from(*choices[7:])
        check_prompt(bench.loaded, prompt, config.gen_length)
        yield _update(status=progress_line(None), **BUSY)
        result, kept = yield from prune_and_say(bench, pruning, calibration, lambda line: _update(status=line))
        yield from _write(bench, prompt, config, pruning, calibration, result, kept)


def _write(
    bench: Workbench, prompt: str, config: DecodeConfig, pruning: PruneConfig, calibration: CalibrationConfig,
    result: PruneResult, kept: bool,
) -> Iterator[tuple]:  # fmt: skip
    how = "was pruned before and kept" if kept else f"was pruned in {result.seconds:.1f} s"
    are = "were removed" if pruning.method in STRUCTURED else "are zero"
    said = f"The copy {how}: {result.sparsity:.1%} of its layers' weights {are}."
    yield _update(
        status=note("Live", f"{said} Both write now, on this machine ({bench.machine})."),
        measured=gr.Column(visible=False),
        changes=gr.Column(visible=False),
    )
    dense = bench.loaded
    with closing(
        compare_run(dense, result.loaded, bench.key(pruning, calibration), prompt, config, pruning, calibration)
    ) as steps:
        for trace in steps:
            yield _update(shown=trace, last=trace)
    yield _update(status=note("Live", f"{said} Measuring how likely each model finds the other's answer."))
    comparison = measure(dense, result, trace, config, pruning, calibration)
    yield _update(
        status=note("Done", said),
        measured=gr.Column(visible=True),
        card=result_card(comparison),
        said=commits_reading(lane_commits(trace), confidence_needed(trace["settings"])),
        commits=commit_figure(trace),
        trajectory=sink_trajectory(trace_statistics(trace)),
        layers=sparsity_per_layer(layer_sparsity(result.masks), pruning.target),
        record=comparison.record(),
        **dict(zip(("changes", "made"), show_changes(pruning, calibration), strict=True)),
        **IDLE,
    )

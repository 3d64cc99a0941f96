"""Section B of the page, "Prune and compare": choose a method, prune a copy, and see dense and pruned write side by side."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial

import gradio as gr

from sinkprune.decoding import DecodeConfig
from sinkprune.figures.commits import commit_figure
from sinkprune.figures.pruning import sparsity_per_layer
from sinkprune.figures.sinks import sink_trajectory
from sinkprune.lab.comparison import Comparison, measure
from sinkprune.lab.store import store_key
from sinkprune.models import LoadedModel
from sinkprune.pruning import STRUCTURED, CalibrationConfig, PruneConfig, PruneResult
from sinkprune.pruning.settings import layer_sparsity
from sinkprune.traces.commits import confidence_needed, lane_commits
from sinkprune.traces.parting import fingerprint
from sinkprune.traces.runs import check_prompt, compare_run
from sinkprune.traces.sink_statistics import trace_statistics
from sinkprune.ui.components.pins import pin_of, pins
from sinkprune.ui.components.player import player
from sinkprune.ui.events import MODEL_EVENT, QUICK_EVENT, STATE_SECONDS, prune_and_say
from sinkprune.ui.inputs import calibration_from, decoding_from, in_words, pruning_from
from sinkprune.ui.sections.changes import changes_section, show_changes
from sinkprune.ui.sections.copy_controls import copy_controls
from sinkprune.ui.sections.watch import ended
from sinkprune.ui.server.links import comparison_link, without_expect
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.reading import commits_reading
from sinkprune.ui.words.result_card import result_card
from sinkprune.ui.words.text import COMMITS, note, progress_line

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
    "pinned",
    "go",
    "cancel",
)
IDLE = {"go": gr.Button(interactive=True), "cancel": gr.Button(interactive=False)}
BUSY = {"go": gr.Button(interactive=False), "cancel": gr.Button(interactive=True)}


def compare_section(
    bench: Workbench, prompt: gr.Textbox, decoding: list[gr.components.Component], table: dict | None
) -> tuple[list[gr.components.Component], gr.State]:
    """Build the section and wire it to the page's prompt and decoding controls. table: a summary (recorded.table_summary), for seconds.

    Returns the controls of the copy, in the order of `inputs.COPY`, and the state that holds the link the page was opened with, or None.
    """
    copy = copy_controls(table)
    linked = gr.State()
    with gr.Row(elem_classes="actions"):
        go = gr.Button("Prune and generate", variant="primary", elem_id="compare-run", scale=0, min_width=220)
        cancel = gr.Button("Cancel", elem_id="compare-cancel", interactive=False, scale=0, min_width=90)
    invitation = "The prompt above is written twice: by the whole model and by its pruned copy, from the same masked canvas and seed."
    status = gr.HTML(note("", invitation), elem_id="compare-status")
    with gr.Column(elem_id="compare-results"):  # hidden by the style sheet until the player has a run
        gr.HTML("<h2 class='quiet'>Dense and pruned, side by side</h2>")
        shown = player(bench.answer_map, elem_id="compare-player")
        results = [*_results(), *changes_section(bench)]
    pinned = pins(elem_id="pins")
    last = gr.State(time_to_live=STATE_SECONDS)
    outputs = [status, shown, last, *results, pinned, go, cancel]
    live = go.click(partial(_compare, bench), [linked, prompt, *copy, *decoding], outputs, **MODEL_EVENT)
    live.then(lambda: _update(**IDLE), None, outputs, **QUICK_EVENT)
    cancel.click(_cancelled, last, outputs, cancels=live, **QUICK_EVENT)
    return copy, linked


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
                gr.HTML("<h3>Achieved sparsity of each layer</h3>")
                layers = gr.Plot(show_label=False, container=False)
        gr.HTML("<h3>Where the sinks are, dense and pruned</h3>")
        trajectory = gr.Plot(show_label=False, container=False)
        with gr.Accordion("Full record of this run", open=False):
            record = gr.Markdown()
    return [measured, card, said, commits, trajectory, layers, record]


def _update(**values: object) -> tuple:
    """The values of some of OUTPUTS; the others stay as they are."""
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


def _cancelled(trace: dict | None) -> tuple:
    if not trace:
        return _update(status=note("Cancelled", "Nothing was written."), **IDLE)
    if all(lane["done"] for lane in trace["lanes"]):  # an earlier comparison, or this one while it was measured
        return _update(status=note("Cancelled", "What is below was written before."), **IDLE)
    trace = ended(trace)
    return _update(status=note("Stopped", "What was written so far stays."), shown=trace, last=trace, **IDLE)


def _compare(bench: Workbench, linked: str | None, prompt: str, *choices: object) -> Iterator[tuple]:
    """Prune (or take from the store), write side by side, measure. choices: of `pruning_from`, `calibration_from`, `decoding_from`."""
    with in_words():
        pruning, calibration = pruning_from(*choices[:6]), calibration_from(choices[6])
        config = decoding_from(*choices[7:])
        if not bench.ready:
            yield _update(status=note("", "The model is still loading: the comparison starts by itself."), **BUSY)
        dense = bench.loaded  # to the end, also where another model is loaded meanwhile
        check_prompt(dense, prompt, config.gen_length)
        yield _update(status=progress_line(None), **BUSY)
        result, kept = yield from prune_and_say(bench, pruning, calibration, lambda line: _update(status=line), dense)
        said = _pruned(result, pruning, kept)
        begun = note("Live", f"{said} Both write now, on this machine ({bench.machine}).")
        yield _update(status=begun, measured=gr.Column(visible=False), changes=gr.Column(visible=False))
        trace = yield from _write(dense, result, prompt, config, pruning, calibration)
        link = comparison_link(dense.spec.public_name, prompt, config, pruning, calibration, fingerprint(trace))
        yield _update(status=note("Live", f"{said} Measuring how likely each model finds the other's answer."))
        comparison = measure(dense, result, trace, config, pruning, calibration)
        yield _update(
            status=note("Done", f"{said} {_as_linked(link, linked)}"),
            pinned=pin_of(comparison, trace, link, dense.spec.end_token_ids),
            **_measured(comparison, trace, result, pruning),
            **dict(zip(("changes", "made"), show_changes(pruning, calibration), strict=True)),
            **IDLE,
        )


def _pruned(result: PruneResult, pruning: PruneConfig, kept: bool) -> str:
    how = "was pruned before and kept" if kept else f"was pruned in {result.seconds:.1f} s"
    are = "were removed" if pruning.method in STRUCTURED else "are zero"
    return f"The copy {how}: {result.sparsity:.1%} of its layers' weights {are}."


def _write(
    dense: LoadedModel, result: PruneResult, prompt: str, config: DecodeConfig,
    pruning: PruneConfig, calibration: CalibrationConfig,
) -> Generator[tuple, None, dict]:  # fmt: skip
    """Shows both lanes while they are written; returns the finished trace."""
    query = comparison_link(dense.spec.public_name, prompt, config, pruning, calibration)
    key = store_key(dense.spec, pruning, calibration)
    with closing(compare_run(dense, result.loaded, key, prompt, config, pruning, calibration)) as steps:
        for trace in steps:
            trace = {**trace, "query": query}
            yield _update(shown=trace, last=trace)
    return trace


def _measured(comparison: Comparison, trace: dict, result: PruneResult, pruning: PruneConfig) -> dict:
    """The updates of `_results`."""
    return {
        "measured": gr.Column(visible=True),
        "card": result_card(comparison),
        "said": commits_reading(lane_commits(trace), confidence_needed(trace["settings"])),
        "commits": commit_figure(trace),
        "trajectory": sink_trajectory(trace_statistics(trace)),
        "layers": sparsity_per_layer(layer_sparsity(result.masks), pruning.target),
        "record": comparison.record(),
    }


def _as_linked(link: str, linked: str | None) -> str:
    """Whether this run is the one that the link promised; nothing where its settings are others, or there was no link."""
    if linked is None or without_expect(link) != without_expect(linked):
        return ""
    if link == linked:
        return "Same as in the link you opened: both answers, token by token, and the forward passes."
    return "Not the same as in the link you opened: another model, machine or library version wrote it. The card says which ones ran here."

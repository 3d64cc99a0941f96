"""What the sink weight changed (paper Fig. 7 and 8): on request, a sink-aware copy's plain twin is pruned and their masks compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import gradio as gr

from sinkprune.figures.pruning import change_heatmap
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneProgress, PruneResult, calibration_set
from sinkprune.pruning.changes import LINEARS, MaskChanges, mask_changes
from sinkprune.traces.numbers import percent
from sinkprune.ui.events import STATE_SECONDS, now_and_then
from sinkprune.ui.run_button import Update, run_button, wire_run
from sinkprune.ui.server.runs import visitor
from sinkprune.ui.server.scheduler import LONG, Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.reading import changes_reading
from sinkprune.ui.words.text import CHANGES, note, progress_line, waiting_line

SEQUENCES = (
    8  # calibration sequences on which the strength of sinks is measured: more would take long and change little
)
TWINS = {"ablation": "the same method with the sink weight off", "official": "the official baseline"}
MEASURING = "measuring"
FIGURES = ("strength", "disagreement", "difference", "linears")

Copy = tuple[PruneConfig, CalibrationConfig]  # what made the pruned copy on show


def changes_section(bench: Workbench) -> tuple[gr.Column, gr.State]:
    """Build the section, closed; returns it and the state that tells it which copy is on show (a `Copy`): see `show_changes`."""
    made = gr.State(time_to_live=STATE_SECONDS)
    with gr.Column(visible=False) as section:
        gr.HTML("<h2>What the sink weight changed</h2>")
        against = gr.Radio(
            [(words, name) for name, words in TWINS.items()], value="ablation", label="Twin of this copy",
            info="the official baseline differs in noise and sums as well", elem_classes="plain-radio",
        )  # fmt: skip
        with gr.Row(elem_classes="actions"):
            words = "Prune it and compare the masks"
            button = run_button(words, "changes-run", "Cancel", "changes-cancel", "secondary", min_width=300)
        outputs = {"status": gr.HTML(elem_id="changes-status")}
        with gr.Column(visible=False) as outputs["figures"]:
            outputs["reading"] = gr.Markdown(elem_classes="reading")
            for pair in (FIGURES[:2], FIGURES[2:]):
                with gr.Row(elem_classes="figures"):
                    outputs |= {name: _figure(name) for name in pair}
    inputs = {"made": made, "against": against}
    run = wire_run(button, bench, partial(_compare_masks, bench), inputs, outputs, _cancelled)
    run.instead(made.change, lambda: {"status": "", "figures": gr.Column(visible=False)})
    return section, made


def show_changes(pruning: PruneConfig, calibration: CalibrationConfig) -> dict:
    """The updates of the section ("changes") and its state ("made") when a copy comes on show: only sink-aware copies have a plain twin."""
    return {"changes": gr.Column(visible=is_sink_aware(pruning)), "made": (pruning, calibration)}


def is_sink_aware(pruning: PruneConfig) -> bool:
    """Whether sinks were weighted down."""
    return pruning.record.sink_aware and pruning.sink_weight and 0 < pruning.target < 1


def twin(pruning: PruneConfig, against: str) -> PruneConfig:
    """The plain twin of a sink-aware setting, at the same sparsity. Raises ValueError for an unknown kind of twin."""
    if against == "ablation":
        return dataclasses.replace(pruning, sink_weight=False)
    if against == "official":
        return dataclasses.replace(pruning, method=pruning.record.baseline)
    raise ValueError(f"a copy is compared with its {' or its '.join(TWINS)} twin, not with {str(against)[:40]!r}")


def _figure(name: str) -> gr.Plot:
    title, definition = CHANGES[name]
    with gr.Column(min_width=320):
        gr.HTML(f"<h3>{title}</h3><details class='definition'><summary>What is this?</summary>{definition}</details>")
        return gr.Plot(show_label=False, container=False, elem_id=f"changes-{name}")


def _cancelled() -> Update:
    return {"status": note("Cancelled", "The twin was not pruned.")}


def _compare_masks(bench: Workbench, values: dict) -> Iterator[Update]:
    if values["made"] is None:
        raise ValueError("there is no copy to compare: press Prune and generate first")
    pruning, against = values["made"][0], values["against"]
    plain = twin(pruning, against)
    yield {"status": progress_line(None)}
    with closing(bench.lines.run(LONG, _masks(bench, values["made"], plain), visitor(), "masks")) as steps:
        for step in now_and_then(steps, PruneProgress):
            if isinstance(step, Waiting):
                yield {"status": waiting_line(step)}
            elif isinstance(step, PruneProgress):
                yield {"status": progress_line(step)}
            elif step is MEASURING:
                yield {"status": note("", "Measuring how strong the sinks are in every head of the dense model.")}
    said = f"{pruning.method} at {percent(pruning.target)} compared with {TWINS[against]} ({_name(plain)})."
    yield {
        "status": note("Done", said),
        "figures": gr.Column(visible=True),
        "reading": changes_reading(step),
        **_draw(step),
    }


def _masks(bench: Workbench, made: Copy, plain: PruneConfig) -> Iterator[PruneProgress | str | MaskChanges]:
    """The progress of both prunes, MEASURING, and the changes."""
    (pruning, calibration), dense, masks = made, bench.loaded, []
    for config in (plain, pruning):  # the copy itself is in the store, if it did not have to leave
        with closing(bench.prune(config, calibration, dense)) as steps:
            for step in steps:
                if not isinstance(step, PruneResult):
                    yield step
        masks.append(step.masks)
    yield MEASURING
    ids = calibration_set(dense, calibration)[:SEQUENCES]
    yield mask_changes(dense, *masks, ids, calibration.seed, pruning.sink_rule)


def _name(pruning: PruneConfig) -> str:
    return pruning.method if pruning.sink_weight else f"{pruning.method}, weight 1"


def _draw(changes: MaskChanges) -> dict:
    """The figure of each of FIGURES."""
    heads = [str(head + 1) for head in range(changes.sink_strength.shape[1])]
    linears = [name.split(".")[1].removesuffix("_proj") for name in LINEARS]
    return {
        "strength": change_heatmap(changes.sink_strength.numpy(), heads, "head"),
        "disagreement": change_heatmap(changes.disagreement_by_head.numpy(), heads, "head"),
        "difference": change_heatmap(changes.difference_by_head.numpy(), heads, "head", signed=True),
        "linears": change_heatmap(changes.disagreement_by_linear.numpy(), linears, "linear"),
    }

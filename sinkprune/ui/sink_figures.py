"""The paper's figures below the player: where the sinks of a trace are, and how much they move, in the mean over layers or in one layer."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from sinkprune.lab.figures import sink_trajectory, variance_bars, variance_by_layer
from sinkprune.lab.statistics import trace_statistics
from sinkprune.ui.reading import reading
from sinkprune.ui.text import DEFINITIONS

WHEN_SEEN = Path(__file__).with_name("when_seen.js").read_text(encoding="utf-8")
FIGURES = ("layer", "reading", "trajectory", "variances", "layers")
MEAN = 0  # in the list of layers, which counts from 1 as the player does


def figure_section(trace: dict | None) -> tuple[gr.HTML, dict[str, gr.components.Component]]:
    """(heading, component of each of FIGURES). The heading is "clicked" when somebody scrolls near: plotly need not hold up the player."""
    heading = gr.HTML("<h2>How the sinks moved</h2>", js_on_load=WHEN_SEEN)
    parts = {"layer": layer_list(trace), "reading": gr.Markdown(elem_classes="reading")}
    with gr.Row(elem_classes="figures"):
        with gr.Column(scale=3, min_width=300):
            gr.HTML("<h3>Where the sinks are while the text is written (paper Fig. 5)</h3>")
            parts["trajectory"] = gr.Plot(show_label=False, container=False)
        with gr.Column(scale=2, min_width=300):
            gr.HTML("<h3>Spatial and temporal variance (Fig. 4)</h3>")
            parts["variances"] = gr.Plot(show_label=False, container=False)
    gr.HTML("<h3>Temporal variance in each layer</h3>")
    parts["layers"] = gr.Plot(show_label=False, container=False)
    with gr.Accordion("What is measured here", open=False):
        gr.Markdown(DEFINITIONS)
    return heading, parts


def layer_list(trace: dict | None) -> gr.Dropdown:
    """The layers of a trace's model, set to the one that the trace opens with."""
    count = trace["model"]["layers"] if trace else 0
    choices = [("the mean over all layers", MEAN), *((f"layer {layer}", layer) for layer in range(1, count + 1))]
    shown = (trace or {}).get("view", {}).get("layer")
    return gr.Dropdown(
        choices, value=MEAN if shown is None else shown + 1, label="Measured in", elem_id="figures-layer", scale=0
    )


def layer_index(choice: int) -> int | None:
    """The engine's layer (from 0) of an entry of the list, None for the mean."""
    return None if choice == MEAN else choice - 1


def draw(trace: dict, choice: int) -> dict:
    """Everything in FIGURES but the list itself, for a trace that has a step in each lane."""
    return draw_layer(trace, choice) | {"layers": variance_by_layer(trace)}


def draw_layer(trace: dict, choice: int) -> dict:
    """Those of FIGURES that depend on the chosen layer: cheap enough to be drawn while a run goes on."""
    lanes = trace_statistics(trace, layer_index(choice))
    return {"reading": reading(lanes), "trajectory": sink_trajectory(lanes), "variances": variance_bars(lanes)}

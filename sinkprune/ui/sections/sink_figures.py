"""The paper's figures below the player: where the sinks of a run are and how much they move, and the same for the recorded prompt set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import gradio as gr

from sinkprune.figures.rows import Row, stage_rows, trajectory_rows, value_rows, variance_rows
from sinkprune.figures.sinks import sink_trajectory, stage_heatmaps, variance_bars, variance_by_layer
from sinkprune.figures.value_norms import value_norm_scatter
from sinkprune.recorded.prompt_set import PromptSet
from sinkprune.traces.format import is_cached
from sinkprune.traces.sink_statistics import LaneStatistics, layer_statistics, trace_statistics
from sinkprune.traces.stages import Stages, trace_stages
from sinkprune.traces.value_norms import ValuePoints, value_points
from sinkprune.ui.components.figure_card import figure_card, figure_file, words
from sinkprune.ui.components.scripts import WHEN_SEEN
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import in_words
from sinkprune.ui.words.figure_texts import SINK_FIGURES
from sinkprune.ui.words.reading import CACHED, layers_words, stage_words, trajectory_words, value_words, variance_words
from sinkprune.ui.words.text import DEFINITIONS

MEAN = 0  # in the list of layers, which counts from 1 as the player does
RUN, SET = "run", "set"
FIGURES = ("layer", "source", *(part for name in SINK_FIGURES for part in (name, f"{name}_words")))


def figure_section(recorded: PromptSet | None, trace: dict | None, last: gr.State) -> tuple[dict, gr.State]:
    """(component of each of FIGURES, whether they were ever seen). last: holds the trace on show, at first `trace`.

    Nothing is drawn before somebody scrolls near: plotly need not hold up the player.
    """
    heading = gr.HTML("<h2>How the sinks moved</h2>", js_on_load=WHEN_SEEN)
    seen = gr.State(False)
    with gr.Row(elem_classes="choices figure-choices"):
        parts = {"layer": layer_list(trace), "source": _source_list(recorded)}
    heads = {}
    for names in (("trajectory", "variances"), ("stages", "layers"), ("values",)):
        with gr.Row(elem_classes="figures"):
            for name in names:
                with gr.Column(min_width=300):
                    heads[name], parts[name], parts[f"{name}_words"] = figure_card(name, SINK_FIGURES[name])
    with gr.Accordion("What is measured here", open=False):
        gr.Markdown(DEFINITIONS)
    chosen = [last, parts["layer"], parts["source"]]
    outputs = [parts[name] for name in FIGURES]
    show = partial(_show, recorded)
    gr.on([parts["layer"].input, parts["source"].input], show, chosen, outputs, **QUICK_EVENT)
    heading.click(show, chosen, outputs, **QUICK_EVENT)
    heading.click(lambda: True, None, seen, **QUICK_EVENT)
    for name, head in heads.items():
        head.submit(_saver(recorded, name), chosen, head, **QUICK_EVENT)
    return {name: parts[name] for name in FIGURES}, seen


def layer_list(trace: dict | None) -> gr.Dropdown:
    """The layers of a trace's model, set to the one that the trace opens with."""
    count = trace["model"]["layers"] if trace else 0
    choices = [("the mean over all layers", MEAN), *((f"layer {layer}", layer) for layer in range(1, count + 1))]
    shown = (trace or {}).get("view", {}).get("layer")
    return gr.Dropdown(
        choices, value=MEAN if shown is None else shown + 1, label="Measured in", elem_id="figures-layer", scale=0,
        min_width=260,
    )  # fmt: skip


def _source_list(recorded: PromptSet | None) -> gr.Radio:
    choices = [("this run", RUN)]
    if recorded:
        choices.append((f"{len(recorded.prompts)} prompts, recorded", SET))
    return gr.Radio(
        choices, value=RUN, label="Shown", elem_id="figures-source", elem_classes="plain-radio",
        visible=recorded is not None,
    )  # fmt: skip


def layer_index(choice: int) -> int | None:
    """The engine's layer (from 0) of an entry of the list, None for the mean. Raises ValueError for what is no entry."""
    if type(choice) is not int or choice < MEAN:
        raise ValueError("choose the mean over all layers, or one layer, from the list")
    return None if choice == MEAN else choice - 1


def draw(recorded: PromptSet | None, trace: dict, choice: int) -> dict:
    """All of FIGURES but the list of layers, for a trace that has a step in each lane."""
    return {"source": RUN} | _drawn(run_numbers(recorded, trace, layer_index(choice)))


def draw_layer(recorded: PromptSet | None, trace: dict, choice: int) -> dict:
    """Those of FIGURES that grow with every step: cheap enough to be drawn while a run goes on."""
    return {"source": RUN} | _drawn(run_numbers(recorded, trace, layer_index(choice), whole=False))


@dataclass(frozen=True)
class Numbers:
    """What the figures show. lanes: in the chosen layer; over_prompts: the band around them; layers: the lanes in every single layer;
    stages: one or two lanes. values: None where the run is not finished, empty where they were not recorded. about: what a JSON file says
    before its rows.
    """

    lanes: list[LaneStatistics]
    over_prompts: list[LaneStatistics]
    layers: list[LaneStatistics]
    stages: list[Stages]
    about: dict
    values: list[ValuePoints] | None = None


def run_numbers(recorded: PromptSet | None, trace: dict, layer: int | None, whole: bool = True) -> Numbers:
    """The numbers of one run, without single layers and stages unless whole; recorded prompts of the same model are its band."""
    band = recorded.in_layer(layer) if recorded and recorded.model == trace["model"] else []
    about = {"prompt": trace["prompt"], "model": trace["model"], "settings": trace["settings"]}
    if is_cached(trace):
        about["note"] = CACHED
    layers, stages = (layer_statistics(trace), trace_stages(trace)) if whole else ([], [])
    values = value_points(trace, layer) if whole else None
    return Numbers(trace_statistics(trace, layer), band, layers, stages, about, values)


def set_numbers(recorded: PromptSet, layer: int | None) -> Numbers:
    """The numbers of the recorded prompts. Raises ValueError without that layer."""
    lanes = recorded.in_layer(layer)
    if not lanes:
        raise ValueError(f"the recorded prompts have no layer {layer}: choose one of the list")
    about = {"prompts": recorded.prompts, "model": recorded.model, "settings": recorded.settings}
    return Numbers(lanes, [], recorded.layers, recorded.stages, about | {"stages": recorded.typical}, [])


def _numbers(recorded: PromptSet | None, trace: dict | None, choice: int, source: str) -> Numbers | None:
    if source == SET and recorded:
        return set_numbers(recorded, layer_index(choice))
    if trace is None or not all(lane["frames"] for lane in trace["lanes"]):
        return None
    return run_numbers(recorded, trace, layer_index(choice))


def _drawn(numbers: Numbers) -> dict:
    """The figures that there are numbers for, and their words."""
    one_run = len({lane.title for lane in numbers.lanes}) == len(numbers.lanes)
    trajectory = sink_trajectory(numbers.lanes, numbers.over_prompts) if one_run else sink_trajectory([], numbers.lanes)
    drawn = {
        "trajectory": (trajectory, trajectory_words(numbers.lanes)),
        "variances": (variance_bars(numbers.lanes), variance_words(numbers.lanes)),
    }
    if numbers.layers:
        drawn["layers"] = (variance_by_layer(numbers.layers), layers_words(numbers.layers))
    if numbers.stages:
        typical = numbers.about.get("stages")
        drawn["stages"] = (stage_heatmaps(numbers.stages), stage_words(numbers.stages, typical))
    if numbers.values is not None:
        drawn["values"] = (value_norm_scatter(numbers.values) if numbers.values else None, value_words(numbers.values))
    note = numbers.about.get("note", "")
    return {
        key: value
        for name, (figure, sentence) in drawn.items()
        for key, value in ((name, figure), (f"{name}_words", words(f"{sentence} {note}")))
    }


def _show(recorded: PromptSet | None, trace: dict | None, choice: int, source: str) -> tuple:
    with in_words():
        numbers = _numbers(recorded, trace, choice, source)
        drawn = _drawn(numbers) if numbers else {}
    return tuple(drawn.get(name, gr.skip()) for name in FIGURES)


def _saver(recorded: PromptSet | None, name: str) -> Callable[..., dict]:
    """The handler of a head's buttons; a separate function, because Gradio hands no event data to a partial."""

    def save(trace: dict | None, choice: int, source: str, event: gr.EventData) -> dict:
        with in_words():
            numbers = _numbers(recorded, trace, choice, source)
            if numbers is None:
                raise ValueError("there is no run yet: press Run first")
        return figure_file(name, event, partial(_rows, name, numbers), numbers.about)

    return save


def _rows(name: str, numbers: Numbers) -> list[Row]:
    if name == "values":
        if not numbers.values:
            raise ValueError("the lengths of value vectors were not recorded in this run")
        return value_rows(numbers.values)
    if name == "stages":
        return stage_rows(numbers.stages)
    if name == "trajectory":
        return trajectory_rows(numbers.lanes)
    return variance_rows(numbers.layers if name == "layers" else numbers.lanes)

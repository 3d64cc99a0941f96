"""Section A of the page, "Watch the sinks": presets, a live run, the player, and the paper's figures of what was played."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import gradio as gr

from sinkprune.recorded.presets import Preset
from sinkprune.recorded.prompt_set import PromptSet, load_prompt_set
from sinkprune.traces.check import read_trace
from sinkprune.traces.runs import trace_run
from sinkprune.ui.components.player import player
from sinkprune.ui.events import MODEL_EVENT, QUICK_EVENT, STATE_SECONDS
from sinkprune.ui.inputs import decoding_from, in_words
from sinkprune.ui.sections.sink_figures import FIGURES, MEAN, draw, draw_layer, figure_section, layer_index, layer_list
from sinkprune.ui.server.links import preset_link, watch_link
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import final_mark, note

FIGURES_EVERY = 2.0  # seconds between two updates of the figures during a run
OUTPUTS = ("shown", "last", "said", "chips", *FIGURES, "run", "stop")
IDLE = {"run": gr.Button(interactive=True), "stop": gr.Button(interactive=False)}
BUSY = {"run": gr.Button(interactive=False), "stop": gr.Button(interactive=True)}


def watch_section(
    bench: Workbench, presets: list[Preset], prompt: gr.Textbox, decoding: list[gr.components.Component]
) -> gr.Checkbox:
    """Build the section and wire it to the page's prompt and decoding controls; returns the choice of the autoregressive lane."""
    first = presets[0] if presets else None
    trace = first and _preset_trace(first)
    with gr.Row(elem_classes="actions"):
        run = gr.Button("Run", variant="primary", elem_id="run", scale=0, min_width=120)
        stop = gr.Button("Stop", elem_id="stop", interactive=False, scale=0, min_width=90)
        both = gr.Checkbox(True, label="Autoregressive lane, same weights", elem_id="both", container=False)
        opened = gr.UploadButton(
            "Open a saved run", file_types=[".json", ".gz"], elem_id="open-run", size="sm", scale=0, min_width=150
        )
    chips = gr.Radio(
        [(preset.title, preset.name) for preset in presets], value=first and first.name, visible=bool(presets),
        label="Recorded runs", elem_id="presets", elem_classes="chips", container=True,
    )  # fmt: skip
    said = gr.HTML(_preset_note(first), elem_id="note")
    gr.HTML("<h2 class='quiet'>The run</h2>")
    shown = player(bench.answer_map, elem_id="watch-player", value=trace)
    last = gr.State(trace, time_to_live=STATE_SECONDS)
    recorded = load_prompt_set()
    figures, seen = figure_section(recorded, trace, last)
    layer = figures["layer"]

    outputs = [shown, last, said, chips, *figures.values(), run, stop]
    redraw = partial(_drawn, recorded)
    inputs = [prompt, both, layer, seen, *decoding]
    live = run.click(partial(_live_run, bench, recorded), inputs, outputs, **MODEL_EVENT)
    live.then(redraw, [last, layer, seen], outputs, **QUICK_EVENT)
    stopped = stop.click(_stopped, last, outputs, cancels=live, **QUICK_EVENT)
    stopped.then(redraw, [last, layer, seen], outputs, **QUICK_EVENT)
    chosen = chips.input(
        partial(_play_preset, {preset.name: preset for preset in presets}), chips, [prompt, *outputs],
        cancels=live, **QUICK_EVENT,
    )  # fmt: skip
    chosen.then(redraw, [last, layer, seen], outputs, **QUICK_EVENT)
    read = opened.upload(_open_saved, opened, outputs, cancels=live, **QUICK_EVENT)
    read.then(redraw, [last, layer, seen], outputs, **QUICK_EVENT)
    return both


def ended(trace: dict) -> dict:
    """A run that was stopped, as one that ends here: the player then stops waiting for more."""
    return {**trace, "lanes": [{**lane, "done": True} for lane in trace["lanes"]]}


def _update(**values: object) -> tuple:
    """The values of some of OUTPUTS; the others stay as they are."""
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


def _live_run(
    bench: Workbench, recorded: PromptSet | None, prompt: str, both: bool, layer: int, seen: bool, *decoding: object
) -> Iterator[tuple]:
    with in_words():
        config = decoding_from(*decoding)
        if not bench.ready:
            yield _update(said=note("Live", "The model is still loading: the run starts by itself."), **BUSY)
        dense = bench.loaded  # to the end, also where another model is loaded meanwhile
        lanes = ("dlm", "ar") if both and dense.spec.causal else ("dlm",)
        if layer > dense.model.config.num_hidden_layers:  # chosen for a deeper model, before another took its place
            layer = MEAN
        steps = trace_run(dense, prompt, config, lanes, layer_index(layer))
        news = {
            "said": note("Live", f"The model {bench.name} writes now, on this machine ({bench.machine})."),
            "chips": None,
            **BUSY,
        }
        query = watch_link(dense.spec.public_name, prompt, config, both)
        drawn = time.monotonic()
        with closing(steps):
            for trace in steps:
                trace = {**trace, "query": query}
                if seen and time.monotonic() - drawn > FIGURES_EVERY:
                    news |= draw_layer(recorded, trace, layer)
                    drawn = time.monotonic()
                yield _update(shown=trace, last=trace, **news)
                news = {}
        yield _update(said=_costs(bench, trace, dense.spec.drops_final_mark), layer=layer_list(trace), **IDLE)


def _costs(bench: Workbench, trace: dict, drops_final_mark: bool) -> str:
    lanes = ", ".join(
        f"{lane['title'].lower()} {lane['nfe']} forward passes in {lane['seconds']:.1f} s" for lane in trace["lanes"]
    )
    about_mark = final_mark(trace["prompt"], drops_final_mark)
    return note("Live", f"Written on this machine ({bench.machine}): {lanes}. {about_mark}")


def _stopped(trace: dict | None) -> tuple:
    if not _has_steps(trace) or all(lane["done"] for lane in trace["lanes"]):
        return _update(**IDLE)
    trace = ended(trace)
    said = note("Stopped", "What was written so far stays: play it, or press Run again.")
    return _update(shown=trace, last=trace, said=said, **IDLE)


def _drawn(recorded: PromptSet | None, trace: dict | None, layer: int, seen: bool) -> tuple:
    """What follows a run, also one that failed: the buttons, and the figures where somebody has looked at them."""
    figures = draw(recorded, trace, layer) if seen and _has_steps(trace) else {}
    return _update(**figures, **IDLE)


def _has_steps(trace: dict | None) -> bool:
    return trace is not None and all(lane["frames"] for lane in trace["lanes"])


def _play_preset(presets: dict[str, Preset], name: str) -> tuple:
    preset = presets[name]
    trace = _preset_trace(preset)
    return (
        trace["prompt"],
        *_update(shown=trace, last=trace, said=_preset_note(preset), layer=layer_list(trace), **IDLE),
    )


def _preset_trace(preset: Preset) -> dict:
    return {**preset.trace, "query": preset_link(preset.name)}


def _open_saved(path: str) -> tuple:
    """A trace that somebody saved. It gets a run id of its own, so that no file can pass for another visitor's run."""
    try:
        trace = {**read_trace(Path(path).read_bytes()), "run": uuid.uuid4().hex, "query": None}
    except ValueError as error:
        sentence = str(error)
        return _update(said=note("Not opened", f"{sentence[:1].upper()}{sentence[1:]}."), **IDLE)
    if not _has_steps(trace):
        return _update(said=note("Not opened", "The file holds a run that has not taken a step."), **IDLE)
    trace = ended(trace)
    said = note(
        "Opened", "A run from a file. Its texts and numbers are those that were saved; nothing is computed again."
    )
    return _update(shown=trace, last=trace, said=said, chips=None, layer=layer_list(trace), **IDLE)


def _preset_note(preset: Preset | None) -> str:
    return note("Recorded", preset.look) if preset else note("", "No recorded run here. Press Run to see a live one.")

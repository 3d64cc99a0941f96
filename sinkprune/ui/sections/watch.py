"""Section A of the page, "Watch the sinks": presets, a live run, the player, and the paper's figures of what was played."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import gradio as gr
from gradio.components import Component

from sinkprune.lab.request import WATCHED
from sinkprune.recorded.presets import Preset
from sinkprune.recorded.prompt_set import PromptSet, load_prompt_set
from sinkprune.traces.check import MAX_BYTES, TOO_LARGE, read_trace
from sinkprune.traces.runs import check_prompt
from sinkprune.ui.components.player import player
from sinkprune.ui.events import QUICK_EVENT, STATE_SECONDS
from sinkprune.ui.inputs import request_from
from sinkprune.ui.run_button import RunButton, Update, wire_run
from sinkprune.ui.sections.recorded_settings import recorded_settings
from sinkprune.ui.sections.sink_figures import MEAN, draw, draw_layer, figure_section, layer_index, layer_list
from sinkprune.ui.server.kept_runs import KEPT
from sinkprune.ui.server.links import link_to, preset_link
from sinkprune.ui.server.runs import seen_as, watched
from sinkprune.ui.server.scheduler import Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import as_sentence, final_mark, kept_words, note, waiting_line

FIGURES_EVERY = 2.0  # seconds between two updates of the figures during a run


def watch_section(
    bench: Workbench,
    presets: list[Preset],
    prompt: gr.Textbox,
    recorded_too: dict[str, gr.Checkbox],
    button: RunButton,
    decoding: dict[str, Component],
) -> None:
    """Build the section and wire it to the page's prompt, button and decoding controls.

    recorded_too: "both", the autoregressive lane; "closely", candidates and value norms.
    """
    first = presets[0] if presets else None
    trace = first and _preset_trace(first)
    with gr.Row(elem_id="recorded"):
        chips = gr.Radio(
            [(preset.title, preset.name) for preset in presets], value=first and first.name, visible=bool(presets),
            label="Recorded runs", elem_id="presets", elem_classes="chips", container=True,
        )  # fmt: skip
        opened = gr.UploadButton(
            "Open a saved run", file_types=[".json", ".gz"], elem_id="open-run", size="sm", scale=0, min_width=150
        )
    recorded_settings(presets, chips, {"both": recorded_too["both"], **decoding})
    status = gr.HTML(_preset_note(first), elem_id="note")
    gr.HTML("<h2 class='quiet'>The run</h2>")
    shown = player(bench.answer_map, elem_id="watch-player", value=trace)
    last = gr.State(trace, time_to_live=STATE_SECONDS)
    recorded = load_prompt_set()
    figures, seen = figure_section(recorded, trace, last)
    outputs = {"prompt": prompt, "shown": shown, "last": last, "status": status, "chips": chips, **figures}
    drawn = {"trace": last, "layer": figures["layer"], "seen": seen}
    inputs = {"prompt": prompt, **recorded_too, "layer": figures["layer"], "seen": seen, **decoding}
    run = wire_run(button, bench, partial(_live_run, bench, recorded), inputs, outputs, stopped, {"trace": last})
    prompt.input(None, None, chips, js="() => null", **QUICK_EVENT)  # another prompt: no longer that of a recorded run
    by_name = {preset.name: preset for preset in presets}
    chosen = run.instead(chips.input, lambda name: _play_preset(by_name, name), {"name": chips})
    read = run.instead(opened.upload, _open_saved, {"path": opened})
    for event in (run.started, run.stopped, chosen, read):
        run.then(event, partial(_drawn, recorded), drawn)


def ended(trace: dict) -> dict:
    """A run that was stopped, as one that ends here: the player then stops waiting for more."""
    return {**trace, "lanes": [{**lane, "done": True} for lane in trace["lanes"]]}


def _live_run(bench: Workbench, recorded: PromptSet | None, values: dict) -> Iterator[Update]:
    asked = request_from(values)
    dense = bench.loaded  # to the end, also where another model is loaded meanwhile
    lanes = asked.lanes if dense.spec.causal else WATCHED
    asked = replace(asked, model=dense.spec.public_name, lanes=lanes)
    layer = values["layer"]
    if layer > dense.model.config.num_hidden_layers:  # chosen for a deeper model, before another took its place
        layer = MEAN
    check_prompt(dense, asked.prompt, asked.decoding.gen_length)
    yield {"status": note("Live", "The model begins."), "chips": None}
    shown_as, news, drawn = None, {}, time.monotonic()
    with closing(watched(bench, dense, asked)) as steps:
        for how, value in steps:
            if isinstance(value, Waiting):
                yield {"status": waiting_line(value)}
                continue
            if shown_as is None:
                shown_as = seen_as(how, value)["run"]
                news["status"] = _begun(bench, how)
            trace = {**value, "run": shown_as, "query": link_to(asked), "view": {"layer": layer_index(layer)}}
            if values["seen"] and time.monotonic() - drawn > FIGURES_EVERY:
                news |= draw_layer(recorded, trace, layer)
                drawn = time.monotonic()
            yield {"shown": trace, "last": trace, **news}
            news = {}
    yield {"status": _costs(bench, trace, how, dense.spec.drops_final_mark), "layer": layer_list(trace)}


def _begun(bench: Workbench, how: str) -> str:
    if how == KEPT:
        return note("Kept", kept_words(how))
    return note("Live", f"The model {bench.name} writes now, on this machine ({bench.machine}). {kept_words(how)}")


def _costs(bench: Workbench, trace: dict, how: str, drops_final_mark: bool) -> str:
    lanes = ", ".join(
        f"{lane['title'].lower()} {lane['nfe']} forward passes in {lane['seconds']:.1f} s" for lane in trace["lanes"]
    )
    said = f"Written on this machine ({bench.machine}): {lanes}."
    about_mark = final_mark(trace["prompt"], drops_final_mark)
    return note("Kept" if how == KEPT else "Live", " ".join(filter(None, (said, kept_words(how), about_mark))))


def stopped(trace: dict | None) -> Update:
    """The update after Stop; a section's outputs "shown" and "last" hold its trace."""
    if not _has_steps(trace) or all(lane["done"] for lane in trace["lanes"]):
        return {"status": note("Stopped", "Nothing was written; what is below was there before.")}
    trace = ended(trace)
    said = note("Stopped", "What was written so far stays: play it, or press Run again.")
    return {"shown": trace, "last": trace, "status": said}


def _drawn(recorded: PromptSet | None, trace: dict | None, layer: int, seen: bool) -> Update:
    """What follows a run, also one that failed: the figures, where somebody has looked at them."""
    return draw(recorded, trace, layer) if seen and _has_steps(trace) else {}


def _has_steps(trace: dict | None) -> bool:
    return trace is not None and all(lane["frames"] for lane in trace["lanes"])


def _play_preset(presets: dict[str, Preset], name: str | None) -> Update:
    preset = presets.get(name)
    if preset is None:
        raise ValueError("choose one of the recorded runs above")
    trace = _preset_trace(preset)
    said = _preset_note(preset)
    return {"prompt": trace["prompt"], "shown": trace, "last": trace, "status": said, "layer": layer_list(trace)}


def _preset_trace(preset: Preset) -> dict:
    return {**preset.trace, "query": preset_link(preset.name)}


def _open_saved(path: str | None) -> Update:
    """A trace that somebody saved. It gets a run id of its own, so that no file can pass for another visitor's run."""
    try:
        if not isinstance(path, str):
            raise ValueError("there is no file: choose one that this page or the command line saved")
        if Path(path).stat().st_size > MAX_BYTES:
            raise ValueError(TOO_LARGE)
        trace = {**read_trace(Path(path).read_bytes()), "run": uuid.uuid4().hex, "query": None}
    except (ValueError, OSError) as error:
        return {"status": note("Not opened", as_sentence(error))}
    if not _has_steps(trace):
        return {"status": note("Not opened", "The file holds a run that has not taken a step.")}
    trace = ended(trace)
    said = "A run from a file. Its texts and numbers are those that were saved; nothing is computed again."
    return {"shown": trace, "last": trace, "status": note("Opened", said), "chips": None, "layer": layer_list(trace)}


def _preset_note(preset: Preset | None) -> str:
    return note("Recorded", preset.look) if preset else note("", "No recorded run here. Press Run to see a live one.")

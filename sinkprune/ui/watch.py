"""Section A of the page, "Watch the sinks": presets, a live run, the player, and the paper's figures of what was played."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import gradio as gr

from sinkprune.lab.attention import answer_map_question
from sinkprune.lab.figures import sink_trajectory, variance_bars
from sinkprune.lab.presets import Preset
from sinkprune.lab.runs import trace_run
from sinkprune.lab.statistics import trace_statistics
from sinkprune.ui.inputs import decoding_from, in_words
from sinkprune.ui.player_component import player
from sinkprune.ui.reading import reading
from sinkprune.ui.text import DEFINITIONS, note
from sinkprune.ui.workbench import Workbench

MODEL_EVENT = {
    "concurrency_id": "model",
    "concurrency_limit": 1,
    "api_visibility": "private",
    "show_progress": "hidden",
}
QUICK_EVENT = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
WHEN_SEEN = Path(__file__).with_name("when_seen.js").read_text(encoding="utf-8")
FIGURES_EVERY = 2.0  # seconds between two updates of the figures during a run
OUTPUTS = ("shown", "last", "said", "reading", "trajectory", "variances", "run", "stop")
IDLE = {"run": gr.Button(interactive=True), "stop": gr.Button(interactive=False)}
BUSY = {"run": gr.Button(interactive=False), "stop": gr.Button(interactive=True)}


def watch_section(
    bench: Workbench, presets: list[Preset], prompt: gr.Textbox, decoding: list[gr.components.Component]
) -> None:
    """Build the section and wire it to the page's prompt and decoding controls."""
    first = presets[0] if presets else None
    with gr.Row(elem_classes="actions"):
        run = gr.Button("Run", variant="primary", elem_id="run", scale=0, min_width=120)
        stop = gr.Button("Stop", elem_id="stop", interactive=False, scale=0, min_width=90)
        both = gr.Checkbox(True, label="Autoregressive lane beside it, same weights", elem_id="both", container=False)
    chips = gr.Radio(
        [(preset.title, preset.name) for preset in presets], value=first and first.name, visible=bool(presets),
        label="Recorded runs", elem_id="presets", elem_classes="chips", container=True,
    )  # fmt: skip
    said = gr.HTML(_preset_note(first), elem_id="note")
    gr.HTML("<h2 class='quiet'>The run</h2>")
    shown = player(partial(answer_map_question, bench.find), elem_id="watch-player", value=first and first.trace)
    last = gr.State(first and first.trace)
    heading = gr.HTML("<h2>How the sinks moved</h2>", js_on_load=WHEN_SEEN)
    figures = figure_row()
    with gr.Accordion("What is measured here", open=False):
        gr.Markdown(DEFINITIONS)

    outputs = [shown, last, said, *figures, run, stop]
    live = run.click(partial(_live_run, bench), [prompt, both, *decoding], outputs, **MODEL_EVENT)
    live.then(lambda: _update(**IDLE), None, outputs, **QUICK_EVENT)
    stop.click(_stopped, last, outputs, cancels=live, **QUICK_EVENT)
    heading.click(lambda trace: _update(**figures_of(trace)) if trace else _update(), last, outputs, **QUICK_EVENT)
    chips.input(
        partial(_play_preset, {preset.name: preset for preset in presets}), chips, [prompt, *outputs],
        cancels=live, **QUICK_EVENT,
    )  # fmt: skip


def figure_row() -> list[gr.components.Component]:
    """[reading, trajectory, variances]: empty until somebody scrolls to them, so that plotly does not hold up the player."""
    said = gr.Markdown(elem_classes="reading")
    with gr.Row(elem_classes="figures"):
        with gr.Column(scale=3, min_width=320):
            gr.HTML("<h3>Where the sinks are while the text is written (paper Fig. 5)</h3>")
            left = gr.Plot(show_label=False, container=False)
        with gr.Column(scale=2, min_width=320):
            gr.HTML("<h3>How uneven attention is, how much the sinks move (Fig. 4)</h3>")
            right = gr.Plot(show_label=False, container=False)
    return [said, left, right]


def figures_of(trace: dict) -> dict:
    """What `figure_row` shows of a trace that has at least one step in each lane."""
    lanes = trace_statistics(trace)
    return {"reading": reading(lanes), "trajectory": sink_trajectory(lanes), "variances": variance_bars(lanes)}


def ended(trace: dict) -> dict:
    """A run that was stopped, as one that ends here: the player then stops waiting for more."""
    return {**trace, "lanes": [{**lane, "done": True} for lane in trace["lanes"]]}


def _update(**values: object) -> tuple:
    """The values of some of OUTPUTS; the others stay as they are."""
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


def _live_run(bench: Workbench, prompt: str, both: bool, *decoding: object) -> Iterator[tuple]:
    with in_words():
        config = decoding_from(*decoding)
        if not bench.ready:
            yield _update(said=note("Live", "The model is still loading: the run starts by itself."), **BUSY)
        steps = trace_run(bench.loaded, prompt, config, ("dlm", "ar") if both else ("dlm",))
        news = {"said": note("Live", f"The bundled model writes now, on this machine ({bench.machine})."), **BUSY}
        drawn = time.monotonic()
        with closing(steps):
            for trace in steps:
                if time.monotonic() - drawn > FIGURES_EVERY:
                    news |= figures_of(trace)
                    drawn = time.monotonic()
                yield _update(shown=trace, last=trace, **news)
                news = {}
        yield _update(said=_costs(bench, trace), **figures_of(trace), **IDLE)


def _costs(bench: Workbench, trace: dict) -> str:
    lanes = ", ".join(
        f"{lane['title'].lower()} {lane['nfe']} forward passes in {lane['seconds']:.1f} s" for lane in trace["lanes"]
    )
    return note("Live", f"Written on this machine ({bench.machine}): {lanes}.")


def _stopped(trace: dict | None) -> tuple:
    if not trace or all(lane["done"] for lane in trace["lanes"]) or not all(lane["frames"] for lane in trace["lanes"]):
        return _update(**IDLE)
    trace = ended(trace)
    said = note("Stopped", "What was written so far stays: play it, or press Run again.")
    return _update(shown=trace, last=trace, said=said, **figures_of(trace), **IDLE)


def _play_preset(presets: dict[str, Preset], name: str) -> tuple:
    preset = presets[name]
    trace = preset.trace
    return (trace["prompt"], *_update(shown=trace, last=trace, said=_preset_note(preset), **figures_of(trace), **IDLE))


def _preset_note(preset: Preset | None) -> str:
    return note("Recorded", preset.look) if preset else note("", "No recorded run here. Press Run to see a live one.")

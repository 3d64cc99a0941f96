"""The tab "Learn": the microscope on the visitor's own prompt, five questions, a worksheet, the paper's claims, and the words.

Works before the model is loaded: the microscope opens on what was recorded. What was measured for a prompt is kept, so another layer,
row or sparsity answers at once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

import gradio as gr
import torch

from sinkprune.lab.microscope import measure, microscope, text_ids
from sinkprune.models import LoadedModel
from sinkprune.pruning import SINK_RULES, PruneConfig
from sinkprune.pruning.explain import LINEARS, Evidence, Spot
from sinkprune.recorded.claims import load_claims, load_recordings
from sinkprune.recorded.microscope import load_microscope
from sinkprune.recorded.predictions import predictions
from sinkprune.recorded.presets import Preset
from sinkprune.recorded.worksheet import worksheet
from sinkprune.traces.runs import check_prompt
from sinkprune.ui.components import learn as components
from sinkprune.ui.events import EVERY, QUICK_EVENT
from sinkprune.ui.inputs import MAX_SPARSITY, in_words
from sinkprune.ui.run_button import MODEL_EVENT
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note

TEXTS = {"my prompt and its answer": "prompt", "the default calibration text": "calibration"}
NAMES = {"q": "query", "k": "key", "v": "value", "o": "output", "gate": "MLP gate", "up": "MLP up", "down": "MLP down"}
MOST_KEPT = 6  # texts whose evidence is kept: about 0.5 MB each for the bundled model
IDLE = (gr.Button(interactive=True), gr.Button(interactive=False))  # the button that looks, the one that cancels
BUSY = (gr.Button(interactive=False), gr.Button(interactive=True))
FIRST_INPUT = -1  # stands for: where most decisions of the row flip


def guide_section() -> gr.HTML:
    """The guide, for every tab: it stands above them."""
    return components.guide(predictions(load_recordings()))


def learn_section(bench: Workbench, prompt: gr.Textbox, presets: list[Preset], table: dict | None) -> None:
    """Build the tab and wire the microscope to the page's prompt."""
    recorded = load_microscope()
    gr.HTML("<h2>The microscope: one pruning decision, from attention to the weight that goes</h2>")
    controls = _controls(recorded)
    with gr.Row(elem_classes="actions"):
        go = gr.Button("Look at my prompt", variant="primary", elem_id="scope-run", scale=0, min_width=200)
        cancel = gr.Button("Cancel", elem_id="scope-cancel", interactive=False, scale=0, min_width=90)
    said = gr.HTML(_opening(recorded), elem_id="scope-status")
    shown = components.microscope(recorded)
    outputs = [shown, said, go, cancel]
    look = partial(_look, bench, Kept(MOST_KEPT))
    chosen = [
        controls[0].input,
        controls[1].input,
        controls[2].submit,
        controls[3].submit,
        *(c.input for c in controls[4:]),
    ]
    run = gr.on(
        [go.click, *chosen], look, [prompt, *controls], outputs, **MODEL_EVENT | {"trigger_mode": "always_last"}
    )
    run.then(lambda: (gr.skip(), gr.skip(), *IDLE), None, outputs, **QUICK_EVENT)
    stopped = (gr.skip(), note("Cancelled", "What is below was there before."), *IDLE)
    cancel.click(lambda: stopped, None, outputs, cancels=run, **QUICK_EVENT)
    model = recorded["model"] if recorded else bench.name
    components.lesson(worksheet(presets, table, recorded), load_claims(), model)


class Kept:
    """What was measured last, by what made it: (model, text, rule) -> (ids, evidence). Safe between visitors."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple, tuple[torch.Tensor, Evidence]] = OrderedDict()

    def get(self, key: tuple) -> tuple[torch.Tensor, Evidence] | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: tuple, found: tuple[torch.Tensor, Evidence]) -> None:
        with self._lock:
            self._found[key] = found
            while len(self._found) > self._most:
                self._found.popitem(last=False)


def _controls(recorded: dict | None) -> list[gr.components.Component]:
    """[layer, projection, row, first input, sparsity, rule, text], opened on what was recorded."""
    value = recorded or {"layers": 1, "layer": 0, "linear": "q", "row": 0, "sparsity": 0.5, "rule": "reference"}
    with gr.Row(elem_id="scope-controls"):
        layer = gr.Dropdown(
            [(f"layer {number}", number) for number in range(1, value["layers"] + 1)], value=value["layer"] + 1,
            label="Layer", elem_id="scope-layer", min_width=130,
        )  # fmt: skip
        linear = gr.Dropdown(
            [(NAMES[name], name) for name in LINEARS],
            value=value["linear"],
            label="Projection",
            elem_id="scope-linear",
            min_width=130,
        )
        row = gr.Number(value["row"], precision=0, minimum=0, label="Output row", elem_id="scope-row", min_width=110)
        first = gr.Number(
            FIRST_INPUT, precision=0, minimum=FIRST_INPUT, label="First input", elem_id="scope-input", min_width=110,
            info="-1: where most decisions flip",
        )  # fmt: skip
        sparsity = gr.Slider(
            0.05, MAX_SPARSITY, value=value["sparsity"], step=0.05, label="Sparsity", elem_id="scope-sparsity"
        )
    with gr.Row():
        rule = gr.Radio(
            list(SINK_RULES), value=value["rule"], label="Sink rule", elem_id="scope-rule", elem_classes="plain-radio"
        )
        text = gr.Radio(
            list(TEXTS.items()), value="prompt", label="Measured on", elem_id="scope-text", elem_classes="plain-radio"
        )
    return [layer, linear, row, first, sparsity, rule, text]


def _opening(recorded: dict | None) -> str:
    if recorded is None:
        return note("", "Nothing was recorded for this model: press the button.")
    return note(
        "Recorded",
        f"The prompt “{recorded['prompt']}”, in the layer and row of the query projections in which most decisions flip.",
    )


def _look(
    bench: Workbench, kept: Kept, prompt: str, layer: int, linear: str, row: int, first: int, sparsity: float, rule: str, text: str
) -> Iterator[tuple]:  # fmt: skip
    begun = time.perf_counter()
    with in_words():
        config, spot = _asked(layer, linear, row, first, sparsity, rule, text)
        if not bench.ready:
            yield (
                gr.skip(),
                note("", "The model is still loading: the microscope starts by itself."),
                *BUSY,
            )
        dense = bench.loaded
        asked = prompt if text == "prompt" else None
        if asked is not None:
            check_prompt(dense, asked, 64)
        ids, evidence = yield from _evidence(dense, kept, asked, rule)
        value = microscope(dense, config, spot, evidence, asked, ids)
    seconds = time.perf_counter() - begun
    yield value, note("Live", f"Measured on this machine ({bench.machine}) in {seconds:.1f} s."), *IDLE


def _asked(layer, linear, row, first, sparsity, rule, text) -> tuple[PruneConfig, Spot]:
    """What the controls ask for; the rest is checked where the model is known."""
    for name, number in (("layer", layer), ("output row", row), ("first input", first)):
        if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number):
            raise ValueError(f"the {name} must be a whole number")
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float) or not 0 < sparsity <= MAX_SPARSITY:
        raise ValueError(f"sparsity must lie between 0.05 and {MAX_SPARSITY}")
    if text not in TEXTS.values():
        raise ValueError("the text must be the prompt or the calibration text")
    column = None if first < 0 else int(first)
    return PruneConfig(sparsity=float(sparsity), sink_rule=rule), Spot(int(layer) - 1, linear, int(row), column)


def _evidence(dense: LoadedModel, kept: Kept, asked: str | None, rule: str) -> Iterator[tuple]:
    """Says how far the measuring is; returns (ids, evidence)."""
    key = (dense.spec, id(dense.model), asked, rule)
    found = kept.get(key)
    if found:
        return found
    yield (
        gr.skip(),
        note("Live", "The model answers, and its attention is measured at ten noise levels."),
        *BUSY,
    )
    ids, said = text_ids(dense, asked), 0.0
    for step in measure(dense, ids, rule):
        if isinstance(step, Evidence):
            kept.put(key, (ids, step))
            return ids, step
        if time.monotonic() - said > EVERY:
            said = time.monotonic()
            yield gr.skip(), note("Live", f"Measured {step[0]} of {step[1]} sequences."), gr.skip(), gr.skip()
    raise RuntimeError("measuring ended without a result")

"""The tab "Learn": the microscope on the visitor's own prompt, five questions, a worksheet, the paper's claims, and the words.

Works before the model is loaded: the microscope opens on what was recorded. What was measured for a prompt is kept, so another layer,
row or sparsity answers at once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import gradio as gr
import torch
from gradio.components import Component

from sinkprune.lab.microscope import ANSWER, is_quick, measure, microscope, text_ids
from sinkprune.models import LoadedModel
from sinkprune.pruning import SINK_RULES, Measured, PruneConfig
from sinkprune.pruning.explain import LINEARS, Evidence, Spot
from sinkprune.recorded.claim_verdicts import load_recordings
from sinkprune.recorded.claims import load_claims
from sinkprune.recorded.microscope import load_microscope
from sinkprune.recorded.predictions import predictions
from sinkprune.recorded.presets import Preset
from sinkprune.recorded.worksheet import worksheet
from sinkprune.traces.runs import check_prompt
from sinkprune.ui.components import learn as components
from sinkprune.ui.events import QUICK_EVENT, now_and_then
from sinkprune.ui.inputs import MAX_SPARSITY
from sinkprune.ui.run_button import Update, run_button, wire_run
from sinkprune.ui.server.runs import visitor
from sinkprune.ui.server.scheduler import LONG, SHORT, Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import note, waiting_line

TEXTS = {"my prompt and its answer": "prompt", "the default calibration text": "calibration"}
NAMES = {"q": "query", "k": "key", "v": "value", "o": "output", "gate": "MLP gate", "up": "MLP up", "down": "MLP down"}
MOST_KEPT = 6  # texts whose evidence is kept: about 0.5 MB each for the bundled model
FIRST_INPUT = -1  # stands for: where most decisions of the row flip
# Another choice presses the button: one way to run, with its queue, its messages and its way to stop.
PRESS = "() => { document.getElementById('scope-run')?.click(); }"


def guide_section() -> gr.HTML:
    """The guide, for every tab: it stands above them."""
    return components.guide(predictions(load_recordings()))


def learn_section(bench: Workbench, prompt: gr.Textbox, presets: list[Preset], table: dict | None) -> None:
    """Build the tab and wire the microscope to the page's prompt."""
    recorded = load_microscope()
    gr.HTML("<h2>The microscope: one pruning decision, from attention to the weight that goes</h2>")
    controls = _controls(recorded)
    with gr.Row(elem_classes="actions"):
        button = run_button("Look at my prompt", "scope-run", "Cancel", "scope-cancel")
    outputs = {"status": gr.HTML(_opening(recorded), elem_id="scope-status"), "shown": components.microscope(recorded)}
    wire_run(
        button, bench, partial(_look, bench, Kept(MOST_KEPT)), {"prompt": prompt, **controls}, outputs,
        lambda: {"status": note("Cancelled", "What is below was there before.")},
    )  # fmt: skip
    typed = [controls[name].submit for name in ("row", "first")]
    chosen = [controls[name].input for name in ("layer", "linear", "rule", "text")]
    gr.on([*typed, *chosen, controls["sparsity"].release], None, None, None, js=PRESS, **QUICK_EVENT)
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


def _controls(recorded: dict | None) -> dict[str, Component]:
    """By the names that `_asked` gives them, opened on what was recorded."""
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
    return {
        "layer": layer,
        "linear": linear,
        "row": row,
        "first": first,
        "sparsity": sparsity,
        "rule": rule,
        "text": text,
    }


def _opening(recorded: dict | None) -> str:
    if recorded is None:
        return note("", "Nothing was recorded for this model: press the button.")
    return note(
        "Recorded",
        f"The prompt “{recorded['prompt']}”, in the layer and row of the query projections in which most decisions flip.",
    )


def _look(bench: Workbench, kept: Kept, values: dict) -> Iterator[Update]:
    """Waits in its line, says how far the measuring is, and shows the decision. Raises ValueError for what it refuses."""
    begun = time.perf_counter()
    prompt, dense = values.pop("prompt"), bench.loaded
    config, spot, text = _asked(**values)
    asked = prompt if text == "prompt" else None
    if asked is not None:
        check_prompt(dense, asked, ANSWER.gen_length)
    key = (dense.spec, id(dense.model), asked, config.sink_rule)
    at_hand = asked is None and is_quick(dense, config.sink_rule, bench.measured)
    line = SHORT if asked is not None or kept.get(key) or at_hand else LONG
    work = _measured(dense, kept, key, asked, config, spot, bench.measured)
    with closing(bench.lines.run(line, work, visitor(), kind="microscope")) as steps:
        for step in now_and_then(steps, tuple):
            if isinstance(step, Waiting):
                yield {"status": waiting_line(step)}
            elif isinstance(step, tuple):
                yield {"status": note("Live", f"Measured {step[0]} of {step[1]} sequences.")}
    norms = ", with input norms that were at hand" if at_hand else ""
    said = f"Measured on this machine ({bench.machine}) in {time.perf_counter() - begun:.1f} s{norms}."
    yield {"shown": step, "status": note("Live", said)}


def _asked(
    layer: object, linear: str, row: object, first: object, sparsity: object, rule: str, text: str
) -> tuple[PruneConfig, Spot, str]:
    """What the controls ask for; the rest is checked where the model is known."""
    for name, number in (("layer", layer), ("output row", row), ("first input", first)):
        if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number):
            raise ValueError(f"the {name} must be a whole number")
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float) or not 0 < sparsity <= MAX_SPARSITY:
        raise ValueError(f"sparsity must lie between 0.05 and {MAX_SPARSITY}")
    if text not in TEXTS.values():
        raise ValueError("the text must be the prompt or the calibration text")
    column = None if first < 0 else int(first)
    return PruneConfig(sparsity=float(sparsity), sink_rule=rule), Spot(int(layer) - 1, linear, int(row), column), text


def _measured(
    dense: LoadedModel, kept: Kept, key: tuple, asked: str | None, config: PruneConfig, spot: Spot, measured: Measured
) -> Iterator[tuple[int, int] | dict]:
    """Yields (sequences measured, of how many), where they were not before, and the view's value."""
    found = kept.get(key)
    if found is None:
        ids = text_ids(dense, asked)
        yield 0, len(ids)
        for step in measure(dense, None if asked is None else ids, config.sink_rule, measured):
            if isinstance(step, Evidence):
                found = ids, step
                kept.put(key, found)
            else:
                yield step
    ids, evidence = found
    yield microscope(dense, config, spot, evidence, asked, ids)

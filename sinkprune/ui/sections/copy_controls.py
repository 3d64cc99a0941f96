"""The controls that say which copy of the model is made: method, sparsity, pattern, and the settings under "Advanced"."""

from __future__ import annotations

import gradio as gr

from sinkprune.pruning import ALLOCATIONS, METHODS, SINK_RULES, STRUCTURED
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import BOUNDS, COPY, MAX_SPARSITY, PATTERNS, copy_from, sparsity_bound
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.text import method_line


def copy_controls() -> tuple[dict[str, gr.components.Component], gr.HTML]:
    """The controls of `inputs.copy_from` by name, and the line that says what is chosen (see `copy_line`)."""
    with gr.Row(elem_classes="choices"):
        with gr.Column(min_width=300):
            method = gr.Radio(
                list(METHODS), value=COPY["method"], label="Method", elem_id="method", elem_classes="plain-radio"
            )
            line = gr.HTML(method_line(COPY["method"], None), elem_id="method-line")
        with gr.Column(min_width=300):
            sparsity = gr.Slider(
                0, MAX_SPARSITY, value=COPY["sparsity"], step=0.05, label="Sparsity", elem_id="sparsity",
                info="share of the weights set to zero",
            )  # fmt: skip
            pattern = gr.Radio(
                list(PATTERNS), value=COPY["pattern"], label="Pattern", elem_classes="plain-radio",
                info="2:4 is two zeros in every four inputs, 4:8 four in every eight: half of the weights",
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
    asked = [method, sparsity, pattern]
    method.input(_bounds, asked, [sparsity, pattern], **QUICK_EVENT)
    pattern.change(sparsity_slider, asked, sparsity, **QUICK_EVENT)
    controls = {
        "method": method,
        "sparsity": sparsity,
        "pattern": pattern,
        "sink_rule": sink_rule,
        "sink_weight": sink_weight,
        "allocation": allocation,
        "samples": samples,
    }
    return controls, line


def copy_line(bench: Workbench, **values: object) -> str:
    """What the chosen method does and how long its copy takes here. values: of the controls, by name."""
    try:
        pruning, calibration = copy_from(values)
    except ValueError:  # said at the press
        return ""
    return method_line(pruning.method, bench.seconds_to_prune(pruning, calibration))


def sparsity_slider(method: str, sparsity: float, pattern: str) -> gr.Slider:
    """The slider as method and pattern leave it: the structured methods remove less, and 2:4 and 4:8 take half whatever it said."""
    most, structured = sparsity_bound(method), method in STRUCTURED
    if PATTERNS.get(pattern) is not None and not structured:
        return gr.Slider(maximum=most, value=0.5, interactive=False, info=f"{pattern} always takes 50 % of the weights")
    info = "share of the layers' weights removed" if structured else "share of the weights set to zero"
    return gr.Slider(maximum=most, value=min(sparsity, most), interactive=True, info=info)


def _bounds(method: str, sparsity: float, pattern: str) -> tuple[gr.Slider, gr.Radio]:
    """What a method allows: the structured ones remove less, and know no pattern."""
    known = gr.Radio(value="free", interactive=False) if method in STRUCTURED else gr.Radio(interactive=True)
    return sparsity_slider(method, sparsity, pattern), known


def copy_updates(values: dict) -> dict:
    """The updates that set the controls to `values` (all of `inputs.COPY`, by name), bounds included."""
    slider = sparsity_slider(values["method"], values["sparsity"], values["pattern"])
    pattern = gr.Radio(value=values["pattern"], interactive=values["method"] not in STRUCTURED)
    return values | {"sparsity": slider, "pattern": pattern}

"""The controls that say which copy of the model is made: method, sparsity, pattern, and what is behind "Advanced"."""

from __future__ import annotations

import gradio as gr

from sinkprune.pruning import ALLOCATIONS, SINK_RULES, STRUCTURED
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import BOUNDS, COPY, MAX_SPARSITY, PATTERNS, sparsity_bound
from sinkprune.ui.words.text import method_choices, seconds_info


def copy_controls(table: dict | None) -> list[gr.components.Component]:
    """The controls of `pruning_from` and, last, that of `calibration_from`. table: a summary (recorded.table_summary), for seconds."""
    with gr.Row(elem_classes="choices"):
        method = gr.Radio(
            method_choices(table), value=COPY["method"], label="Method", info=seconds_info(table),
            elem_id="method", elem_classes=["plain-radio", "stacked"],
        )  # fmt: skip
        with gr.Column(min_width=300):
            sparsity = gr.Slider(
                0, MAX_SPARSITY, value=COPY["sparsity"], step=0.05, label="Sparsity", elem_id="sparsity",
                info="share of the weights set to zero",
            )  # fmt: skip
            pattern = gr.Radio(
                list(PATTERNS), value=COPY["pattern"], label="Pattern", elem_classes="plain-radio",
                info="2:4 is two zeros in every four inputs: half of the weights, whatever the slider says",
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
    method.input(_bounds, [method, sparsity], [sparsity, pattern], **QUICK_EVENT)
    return [method, sparsity, pattern, sink_rule, sink_weight, allocation, samples]


def _bounds(method: str, sparsity: float) -> tuple[gr.Slider, gr.Radio]:
    """What a method allows: the structured ones remove less, and know no pattern."""
    most, structured = sparsity_bound(method), method in STRUCTURED
    info = "share of the layers' weights removed" if structured else "share of the weights set to zero"
    pattern = gr.Radio(value="free", interactive=False) if structured else gr.Radio(interactive=True)
    return gr.Slider(maximum=most, value=min(sparsity, most), info=info), pattern


def copy_updates(values: list) -> list:
    """The updates that set the controls to values, in the order of `inputs.COPY`, bounds included."""
    method, sparsity, pattern, *others = values
    slider, _ = _bounds(method, sparsity)
    return [method, slider, gr.Radio(value=pattern, interactive=method not in STRUCTURED), *others]

"""The controls that say how the model writes, inside a closed accordion."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import BLOCK_LENGTHS, BOUNDS, CACHES, DECODING, GEN_LENGTHS, RULES


def decoding_controls() -> tuple[gr.Checkbox, dict[str, gr.components.Component]]:
    """The choice of the autoregressive lane, and the controls of `decoding_from` by the names of its parameters, in a closed accordion."""
    with gr.Accordion("How it writes", open=False, elem_id="decoding"):
        both = gr.Checkbox(True, label="Autoregressive lane beside it, same weights", elem_id="both", container=False)
        with gr.Row():
            gen_length = gr.Dropdown(
                list(GEN_LENGTHS),
                value=DECODING["gen_length"],
                label="Answer length",
                info="tokens, end tokens included",
            )
            block_length = gr.Dropdown(
                list(BLOCK_LENGTHS),
                value=DECODING["block_length"],
                label="Block length",
                info="must divide the answer length",
            )
            cache = gr.Dropdown(
                [(title, name) for name, title in CACHES.items()], value=DECODING["cache"], label="Key-value cache",
                info="rows from a cache are not recomputed, so sinks are recorded from fewer queries",
            )  # fmt: skip
        with gr.Row():
            rule = gr.Radio(
                [(title, name) for name, title in RULES.items()],
                value=DECODING["rule"],
                label="Tokens committed in a step",
                elem_classes="plain-radio",
            )
            threshold = gr.Slider(
                *BOUNDS["threshold"], value=DECODING["threshold"], step=0.01, label="Confidence threshold",
                info="lower is faster and less careful",
            )  # fmt: skip
            factor = gr.Slider(
                *BOUNDS["factor"], value=DECODING["factor"], step=0.1, label="Factor", visible=False,
                info="Fast-dLLM, eq. 3: larger commits more",
            )  # fmt: skip
        with gr.Row():
            temperature = gr.Slider(
                *BOUNDS["temperature"], value=DECODING["temperature"], step=0.1, label="Temperature",
                info="0 always takes the likeliest token",
            )  # fmt: skip
            seed = gr.Number(
                value=DECODING["seed"],
                precision=0,
                minimum=0,
                label="Seed",
                info="used above temperature 0",
                interactive=DECODING["temperature"] > 0,
                elem_id="seed",
            )
    temperature.change(lambda value: gr.Number(interactive=value > 0), temperature, seed, **QUICK_EVENT)
    rule.change(_show_rule_value, rule, [threshold, factor], **QUICK_EVENT)
    return both, {
        "gen_length": gen_length,
        "block_length": block_length,
        "rule": rule,
        "threshold": threshold,
        "factor": factor,
        "cache": cache,
        "temperature": temperature,
        "seed": seed,
    }


def _show_rule_value(rule: str) -> tuple[gr.Slider, gr.Slider]:
    return gr.Slider(visible=rule == "threshold"), gr.Slider(visible=rule == "factor")

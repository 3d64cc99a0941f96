"""The controls that say how the model writes, inside a closed accordion."""

from __future__ import annotations

import gradio as gr

from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import (
    BLOCK_LENGTHS,
    BOUNDS,
    CACHES,
    DECODING,
    DELAYS,
    GEN_LENGTHS,
    KEEPS,
    KERNELS,
    RULES,
    SPARSE,
)


def decoding_controls() -> tuple[dict[str, gr.Checkbox], dict[str, gr.components.Component]]:
    """What "Watch the sinks" records, and the controls of `decoding_from` by the names of its parameters, in a closed accordion."""
    with gr.Accordion("How it writes", open=False, elem_id="decoding"):
        both = gr.Checkbox(True, label="Autoregressive lane beside it, same weights", elem_id="both", container=False)
        closely = gr.Checkbox(
            False,
            label="Record the candidates of masks and the lengths of value vectors",
            elem_id="closely",
            container=False,
        )
        controls = _canvas_controls() | _rule_controls() | _noise_controls()
        sparse = _sparse_controls()
    cache = controls["cache"]
    cache.change(_show_sparse, cache, list(sparse.values()), **QUICK_EVENT)
    return {"both": both, "closely": closely}, controls | sparse


def _canvas_controls() -> dict[str, gr.components.Component]:
    with gr.Row():
        gen_length = gr.Dropdown(
            list(GEN_LENGTHS), value=DECODING["gen_length"], label="Answer length", info="tokens, end tokens included"
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
    return {"gen_length": gen_length, "block_length": block_length, "cache": cache}


def _rule_controls() -> dict[str, gr.components.Component]:
    """The rule by which tokens are committed, and the value that the chosen rule has."""
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
    rule.change(_show_rule_value, rule, [threshold, factor], **QUICK_EVENT)
    return {"rule": rule, "threshold": threshold, "factor": factor}


def _noise_controls() -> dict[str, gr.components.Component]:
    """Temperature, the seed of its noise, guidance, and the stop at the end."""
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
        cfg_scale = gr.Slider(
            *BOUNDS["cfg_scale"], value=DECODING["cfg_scale"], step=0.1, label="Guidance",
            info="pushes the answer towards the prompt; above 0 each step takes two forward passes", elem_id="cfg-scale",
        )  # fmt: skip
        stop_at_end = gr.Checkbox(
            DECODING["stop_at_end"], label="Stop at the answer's end", elem_id="stop-at-end",
            info="the text stays the same; end marks fill the rest without a forward pass",
        )  # fmt: skip
    temperature.change(lambda value: gr.Number(interactive=value > 0), temperature, seed, **QUICK_EVENT)
    return {"temperature": temperature, "seed": seed, "cfg_scale": cfg_scale, "stop_at_end": stop_at_end}


def _sparse_controls() -> dict[str, gr.components.Component]:
    """The controls of the sparse cache by name; they show while that cache is chosen."""
    hidden = {"visible": False}
    with gr.Row():
        retention = gr.Slider(
            *BOUNDS["retention"], value=DECODING["retention"], step=0.05, label="Share of keys kept",
            info="of the keys outside the block, in every layer", elem_id="retention", **hidden,
        )  # fmt: skip
        keep = gr.Dropdown(
            [(title, name) for name, title in KEEPS.items()], value=DECODING["keep"], label="Which keys are kept",
            elem_id="keep", **hidden,
        )  # fmt: skip
        kernel = gr.Dropdown(
            list(KERNELS), value=DECODING["kernel"], label="Pooling",
            info="neighbours whose best score counts; 1 is none", **hidden,
        )  # fmt: skip
        delay = gr.Dropdown(
            list(DELAYS), value=DECODING["delay"], label="Delay",
            info="full forward passes before the choice; Sparse-dLLM has 1", **hidden,
        )  # fmt: skip
    return dict(zip(SPARSE, (retention, kernel, delay, keep), strict=True))


def _show_sparse(cache: str) -> list[dict]:
    return [gr.update(visible=cache == "sparse") for _ in SPARSE]


def _show_rule_value(rule: str) -> tuple[gr.Slider, gr.Slider]:
    return gr.Slider(visible=rule == "threshold"), gr.Slider(visible=rule == "factor")

"""The bounded choices of the page, and how what a visitor chose becomes the engine's settings.

Every function here raises ValueError with a sentence that tells what to change; `in_words` shows it on the page. Page and API use the same.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.runs import decode_config
from sinkprune.pruning import STRUCTURED, CalibrationConfig, PruneConfig
from sinkprune.pruning.settings import MAX_STRUCTURED

GEN_LENGTHS = (32, 64, 96, 128, 160)
BLOCK_LENGTHS = (8, 16, 24, 32, 48, 64, 96)
RULES = {"threshold": "all above a confidence", "factor": "by factor", "one": "one token a step"}
CACHES = {"none": "none (full attention)", "prefix": "prefix", "dual": "dual"}
PATTERNS = {"free": None, "2:4": (2, 4), "4:8": (4, 8)}
SAMPLES = (1, 64)  # calibration sequences: what a small machine measures in time
MAX_SPARSITY = 0.9


@contextmanager
def in_words() -> Iterator[None]:
    """The one place where a refusal becomes a message on the page or an error of the API; it is shown as text."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(
            html.escape(str(error), quote=False), title="Please change this", print_exception=False
        ) from None


def decoding_from(
    gen_length: int,
    block_length: int,
    rule: str,
    threshold: float,
    factor: float,
    cache: str,
    temperature: float,
    seed: int,
) -> DecodeConfig:
    """The DecodeConfig of the page's controls, in their order."""
    if not isinstance(rule, str) or rule not in RULES:
        raise ValueError(f"the commit rule must be one of {', '.join(RULES)}")
    if seed is None:
        raise ValueError("the seed is empty: type a whole number, for example 0")
    return decode_config(
        gen_length=gen_length,
        block_length=block_length,
        steps=gen_length,
        threshold=threshold if rule == "threshold" else None,
        factor=factor if rule == "factor" else None,
        cache=cache,
        temperature=temperature,
        seed=seed,
    )


def sparsity_bound(method: str) -> float:
    """The largest sparsity that the page offers for a method."""
    return MAX_STRUCTURED if method in STRUCTURED else MAX_SPARSITY


def pruning_from(
    method: str, sparsity: float, pattern: str, sink_rule: str, sink_weight: bool, allocation: str
) -> PruneConfig:
    """The PruneConfig of the page's controls, in their order."""
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float):
        raise ValueError("sparsity must be a number")
    if not 0 <= sparsity <= MAX_SPARSITY:
        raise ValueError(f"sparsity must lie between 0 and {MAX_SPARSITY}, not {sparsity}")
    if not isinstance(pattern, str) or pattern not in PATTERNS:
        raise ValueError(f"the pattern must be one of {', '.join(PATTERNS)}")
    return PruneConfig(method, float(sparsity), PATTERNS[pattern], sink_rule, bool(sink_weight), allocation)


def calibration_from(samples: int) -> CalibrationConfig:
    """Calibration on `samples` sequences of the built-in text."""
    low, high = SAMPLES
    number = isinstance(samples, int | float) and not isinstance(samples, bool)
    if not number or not low <= samples <= high or samples != int(samples):
        raise ValueError(f"the number of calibration sequences must be a whole number from {low} to {high}")
    return CalibrationConfig(samples=int(samples))


def decoding_controls() -> list[gr.components.Component]:
    """The controls of `decoding_from`, in the order of its parameters, inside a closed accordion."""
    with gr.Accordion("How it writes", open=False, elem_id="decoding"):
        with gr.Row():
            gen_length = gr.Dropdown(
                list(GEN_LENGTHS), value=96, label="Answer length", info="tokens, end tokens included"
            )
            block_length = gr.Dropdown(
                list(BLOCK_LENGTHS), value=32, label="Block length", info="must divide the answer length"
            )
            cache = gr.Dropdown(
                [(title, name) for name, title in CACHES.items()], value="none", label="Key-value cache",
                info="rows from a cache are not recomputed, so sinks are recorded from fewer queries",
            )  # fmt: skip
        with gr.Row():
            rule = gr.Radio(
                [(title, name) for name, title in RULES.items()],
                value="threshold",
                label="Tokens committed in a step",
                elem_classes="plain-radio",
            )
            threshold = gr.Slider(
                0.3, 1.0, value=0.9, step=0.01, label="Confidence threshold", info="lower is faster and less careful"
            )
            factor = gr.Slider(
                0.1,
                4.0,
                value=1.0,
                step=0.1,
                label="Factor",
                info="Fast-dLLM, eq. 3: larger commits more",
                visible=False,
            )
        with gr.Row():
            temperature = gr.Slider(
                0.0, 1.5, value=0.0, step=0.1, label="Temperature", info="0 always takes the likeliest token"
            )
            seed = gr.Number(value=0, precision=0, minimum=0, label="Seed", info="used above temperature 0")
    rule.change(
        _show_rule_value, rule, [threshold, factor], queue=False, show_progress="hidden", api_visibility="private"
    )
    return [gen_length, block_length, rule, threshold, factor, cache, temperature, seed]


def _show_rule_value(rule: str) -> tuple[gr.Slider, gr.Slider]:
    return gr.Slider(visible=rule == "threshold"), gr.Slider(visible=rule == "factor")

"""The bounded choices of the page, and how what a visitor chose becomes the engine's settings.

Values travel by the names of their controls (DECODING, COPY, "prompt", "both", "closely"), never by position. Every function here
raises ValueError with a sentence that tells what to change; `in_words` shows it on the page. Page and API use the same.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import gradio as gr

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.request import BOTH, WATCHED, Request
from sinkprune.pruning import STRUCTURED, CalibrationConfig, PruneConfig
from sinkprune.pruning.settings import MAX_STRUCTURED
from sinkprune.traces.runs import decode_config

GEN_LENGTHS = (32, 64, 96, 128, 160)
BLOCK_LENGTHS = (8, 16, 24, 32, 48, 64, 96)
RULES = {"threshold": "all above a confidence", "factor": "by factor", "one": "one token a step"}
CACHES = {
    "none": "none (full attention)",
    "prefix": "prefix",
    "dual": "dual",
    "sparse": "sparse: a share of the keys",
}
KEEPS = {
    "attention": "most attended by the block",
    "official": "Sparse-dLLM's score",
    "sinks": "sinks first",
    "no-sinks": "sinks left out first",
    "random": "at random",
}
KERNELS = (1, 3, 5, 7)
DELAYS = (0, 1, 2, 3)
PATTERNS = {"free": None, "2:4": (2, 4), "4:8": (4, 8)}
SAMPLES = (1, 64)  # calibration sequences: what a small machine measures in time
MAX_SPARSITY = 0.9
BOUNDS = {
    "threshold": (0.3, 1.0),
    "factor": (0.1, 4.0),
    "temperature": (0.0, 1.5),
    "cfg_scale": (0.0, 3.0),
    "retention": (0.0, 1.0),
    "samples": (8, 64),
}  # of the sliders
DECODING = {  # control, and parameter of `decoding_from` -> what the page opens with
    "gen_length": 96,
    "block_length": 32,
    "rule": "threshold",
    "threshold": 0.9,
    "factor": 1.0,
    "cache": "none",
    "temperature": 0.0,
    "seed": 0,
    "cfg_scale": 0.0,
    "stop_at_end": True,
    "retention": 0.5,
    "kernel": 1,
    "delay": 0,
    "keep": "attention",
}
SPARSE = ("retention", "kernel", "delay", "keep")  # of these, those that only the sparse cache has
COPY = {  # control, and parameter of `pruning_from` or `calibration_from` -> what the page opens with
    "method": "sink-wanda",
    "sparsity": 0.5,
    "pattern": "free",
    "sink_rule": "reference",
    "sink_weight": True,
    "allocation": "uniform",
    "samples": 32,
}


@contextmanager
def in_words() -> Iterator[None]:
    """Where a refusal becomes an error of the API, or a message of a control that has no status line; it is shown as text."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(html.escape(str(error), quote=False), title="Not possible", print_exception=False) from None


def decoding_from(
    gen_length: int,
    block_length: int,
    rule: str,
    threshold: float,
    factor: float,
    cache: str,
    temperature: float,
    seed: int,
    cfg_scale: float = DECODING["cfg_scale"],
    stop_at_end: bool = DecodeConfig.stop_at_end,
    **sparse: object,
) -> DecodeConfig:
    """The DecodeConfig of the page's controls. sparse: the values of SPARSE, read where the cache is sparse."""
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
        cfg_scale=cfg_scale,
        stop_at_end=stop_at_end,
        **(sparse if cache == "sparse" else {}),
    )


def sparsity_bound(method: str) -> float:
    """The largest sparsity that the page offers for a method."""
    return MAX_STRUCTURED if method in STRUCTURED else MAX_SPARSITY


def pruning_from(
    method: str, sparsity: float, pattern: str, sink_rule: str, sink_weight: bool, allocation: str
) -> PruneConfig:
    """The PruneConfig of the page's controls. A pattern decides the share by itself: the sparsity is then the pattern's."""
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


def request_from(values: Mapping[str, object], model: str | None = None) -> Request:
    """What the page's controls ask for. values: by name; without "method" no copy is made. model: see `Request`."""
    decoding = decoding_from(**_group(values, DECODING))
    lanes = BOTH if values.get("both") else WATCHED
    if "method" not in values:
        return Request(model, values["prompt"], decoding, lanes=lanes, closely=bool(values.get("closely")))
    pruning, calibration = copy_from(values)
    return Request(model, values["prompt"], decoding, pruning, calibration)


def copy_from(values: Mapping[str, object]) -> tuple[PruneConfig, CalibrationConfig]:
    """The pruned copy that the page's controls ask for."""
    cut = _group(values, COPY)
    calibration = calibration_from(cut.pop("samples"))
    return pruning_from(**cut), calibration


def _group(values: Mapping[str, object], names: Mapping[str, object]) -> dict:
    return {name: values[name] for name in names}


def decoding_values(config: DecodeConfig) -> dict:
    """The values of the page's controls that give this config: the inverse of `decoding_from`."""
    rule = "threshold" if config.threshold is not None else "factor" if config.factor is not None else "one"
    return {
        "gen_length": config.gen_length,
        "block_length": config.block_length,
        "rule": rule,
        "threshold": DECODING["threshold"] if config.threshold is None else config.threshold,
        "factor": DECODING["factor"] if config.factor is None else config.factor,
        "cache": config.cache,
        "temperature": config.temperature,
        "seed": config.seed,
        "cfg_scale": config.cfg_scale,
        "stop_at_end": config.stop_at_end,
        **{name: getattr(config, name) for name in SPARSE},
    }


def copy_values(pruning: PruneConfig, calibration: CalibrationConfig) -> dict:
    """The values of the page's controls that give this copy: the inverse of `copy_from`."""
    return {
        "method": pruning.method,
        "sparsity": pruning.sparsity,
        "pattern": next(name for name, pattern in PATTERNS.items() if pattern == pruning.pattern),
        "sink_rule": pruning.sink_rule,
        "sink_weight": pruning.sink_weight,
        "allocation": pruning.allocation,
        "samples": calibration.samples,
    }


def check_offered(values: dict) -> None:
    """Raises ValueError where a value, by its control's name, is one that the page's lists and sliders do not hold."""
    lists = {
        "gen_length": GEN_LENGTHS,
        "block_length": BLOCK_LENGTHS,
        "kernel": KERNELS,
        "delay": DELAYS,
        "keep": KEEPS,
    }
    for name, offered in lists.items():
        if name in values and values[name] not in offered:
            raise ValueError(f"{name} must be one of {', '.join(map(str, offered))}, not {str(values[name])[:40]}")
    for name, (low, high) in BOUNDS.items():
        if name in values and not low <= values[name] <= high:
            raise ValueError(f"{name} must lie between {low} and {high}, not {values[name]}")

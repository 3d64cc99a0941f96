"""Runs: a prompt goes in, the growing trace comes out, one value after every round of steps.

Lanes of a trace take turns, one denoising step each, so all of them move from the first second; each lane's time is its own computing time.
Every yielded trace is a new value whose earlier frames are those of the one before: a stream of differences stays small. Closing the
generator stops the run before its next forward. All limits on what may be asked are here, checked at the call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict

import torch

from sinkprune.decoding import DecodeConfig, Step, autoregress, denoise
from sinkprune.models import LoadedModel, causal_prompt, encode_prompt
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.traces.format import add_step, start_lane, start_trace

MAX_CHARACTERS = 1000
MAX_CANVAS = (
    256  # positions, prompt and answer together: what a small machine can compute in time, and a screen can show
)
TITLES = {"dlm": "Diffusion", "ar": "Autoregressive"}


def check_prompt(loaded: LoadedModel, prompt: str, gen_length: int) -> torch.Tensor:
    """The prompt's token ids (1, P). Raises ValueError where it is empty, too long, or leaves no room for gen_length tokens."""
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("the prompt is empty: type a few words")
    if len(prompt) > MAX_CHARACTERS:
        raise ValueError(f"the prompt has {len(prompt)} characters: shorten it to at most {MAX_CHARACTERS}")
    ids = encode_prompt(loaded, prompt)
    limit = min(MAX_CANVAS, loaded.model.config.max_position_embeddings)
    too_many = ids.shape[1] + gen_length - limit
    if too_many > 0:
        raise ValueError(
            f"prompt ({ids.shape[1]} tokens) and answer ({gen_length}) are {too_many} more than the {limit} there is room for: "
            f"{'ask for a shorter answer or ' if gen_length > 32 and ids.shape[1] < limit else ''}shorten the prompt"
        )
    return ids


def decode_config(**settings: object) -> DecodeConfig:
    """A DecodeConfig from values of uncertain type, as a form or a JSON request sends them: 32.0 is 32, "0" and "" are refused in words."""
    whole = {"gen_length", "block_length", "steps", "seed"}
    numbers = {"threshold", "factor", "temperature"}
    clean = {}
    for name, value in settings.items():
        optional = name in ("threshold", "factor") and value is None
        if name in whole | numbers and not optional:
            value = _number(name, value, whole=name in whole)
        clean[name] = value
    return DecodeConfig(**clean)


def _number(name: str, value: object, whole: bool) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, not {str(value)[:40]!r}")
    if not whole:
        return float(value)
    if value != value or value in (float("inf"), float("-inf")) or value != int(value):
        raise ValueError(f"{name} must be a whole number, not {value}")
    return int(value)


def trace_run(
    loaded: LoadedModel,
    prompt: str,
    config: DecodeConfig,
    lanes: Sequence[str] = ("dlm", "ar"),
    layer: int | None = None,
) -> Iterator[dict]:
    """One prompt written by diffusion and, on the same weights, autoregressively: yields the growing trace.

    lanes: which of "dlm" and "ar", in the order shown. layer: the one shown when the run opens, None for the mean.
    Raises ValueError at the call: see `check_prompt`, and "ar" needs causal weights.
    """
    if not lanes or any(kind not in TITLES for kind in lanes) or len(set(lanes)) < len(lanes):
        raise ValueError(
            f"lanes must be one or both of {', '.join(TITLES)}, not {', '.join(map(str, lanes)) or 'none'}"
        )
    prompt_ids = check_prompt(loaded, prompt, config.gen_length)
    started, steps = [], []
    for kind in lanes:
        ids = prompt_ids if kind == "dlm" else causal_prompt(loaded, prompt_ids)
        length = ids.shape[1] + config.gen_length
        started.append(start_lane(kind, TITLES[kind], loaded.spec.name, loaded, ids, length))
        steps.append(
            denoise(loaded, ids, config, record=True)
            if kind == "dlm"
            else autoregress(loaded, ids, config.gen_length, record=True)
        )
    trace = start_trace(prompt, loaded, asdict(config), started) | {"view": {"layer": layer}}
    return _take_turns(trace, [loaded] * len(steps), steps)


def compare_run(
    dense: LoadedModel,
    pruned: LoadedModel,
    pruned_key: str,
    prompt: str,
    config: DecodeConfig,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
) -> Iterator[dict]:
    """One prompt written by the dense and the pruned model from the same masked canvas and seed: yields the growing trace.

    Each model runs one untimed forward pass of the same shape first, so that neither lane's time holds what only a first forward costs.
    pruned_key: the pruned model's name in the store. Raises ValueError at the call: see `check_prompt`.
    """
    prompt_ids = check_prompt(dense, prompt, config.gen_length)
    length = prompt_ids.shape[1] + config.gen_length
    models = [dense, pruned]
    names = [("Dense", dense.spec.name), (f"{pruning.method}, {pruning.target:.0%} pruned", pruned_key)]
    lanes = [start_lane("dlm", title, key, dense, prompt_ids, length) for title, key in names]
    steps = [denoise(model, prompt_ids, config, record=True) for model in models]
    settings = {**asdict(config), "pruning": asdict(pruning), "calibration": asdict(calibration)}
    warm_up = [denoise(model, prompt_ids, config, record=True) for model in models]
    return _after(warm_up, _take_turns(start_trace(prompt, dense, settings, lanes), models, steps))


def finish(run: Iterator[dict]) -> dict:
    """Run to the end and return the finished trace."""
    return deque(run, maxlen=1).pop()


def _take_turns(trace: dict, models: Sequence[LoadedModel], steps: Sequence[Iterator[Step]]) -> Iterator[dict]:
    with ExitStack() as stack:
        for iterator in steps:
            stack.enter_context(closing(iterator))
        while not all(lane["done"] for lane in trace["lanes"]):
            lanes = [
                lane if lane["done"] else _advance(lane, next(iterator, None), loaded)
                for lane, iterator, loaded in zip(trace["lanes"], steps, models, strict=True)
            ]
            trace = {**trace, "lanes": lanes}
            yield trace


def _after(warm_up: Sequence[Iterator[Step]], run: Iterator[dict]) -> Iterator[dict]:
    for steps in warm_up:
        with closing(steps):
            next(steps)
    yield from run


def _advance(lane: dict, step: Step | None, loaded: LoadedModel) -> dict:
    return {**lane, "done": True} if step is None else add_step(lane, step, loaded)

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

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads, Step, autoregress, denoise
from sinkprune.decoding.records import Wanted
from sinkprune.models import LoadedModel, causal_prompt, encode_prompt
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.traces.blanks import Blanks, answer_with_blanks
from sinkprune.traces.controls import TITLES, Change, changes_of
from sinkprune.traces.format import add_step, start_lane, start_trace
from sinkprune.traces.numbers import percent

MAX_CHARACTERS = 1000
MAX_CANVAS = (
    256  # positions, prompt and answer together: what a small machine can compute in time, and a screen can show
)


def check_prompt(loaded: LoadedModel, prompt: str, gen_length: int) -> torch.Tensor:
    """The prompt's token ids (1, P). Raises ValueError where it is empty, too long, or leaves no room for gen_length tokens."""
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("the prompt is empty: type a few words")
    if len(prompt) > MAX_CHARACTERS:
        raise ValueError(f"the prompt has {len(prompt)} characters: shorten it to at most {MAX_CHARACTERS}")
    ids = encode_prompt(loaded, prompt)
    limit = _room(loaded)
    too_many = ids.shape[1] + gen_length - limit
    if too_many > 0:
        raise ValueError(
            f"prompt ({ids.shape[1]} tokens) and answer ({gen_length}) are {too_many} more than the {limit} there is room for: "
            f"{'ask for a shorter answer or ' if gen_length > 32 and ids.shape[1] < limit else ''}shorten the prompt"
        )
    return ids


def _room(loaded: LoadedModel) -> int:
    return min(MAX_CANVAS, loaded.model.config.max_position_embeddings)


def decode_config(**settings: object) -> DecodeConfig:
    """A DecodeConfig from values of uncertain type, as a form or a JSON request sends them: 32.0 is 32, "0" and "" are refused in words."""
    whole = {"gen_length", "block_length", "steps", "seed", "kernel", "delay"}
    numbers = {"threshold", "factor", "temperature", "cfg_scale", "retention"}
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
    *,
    intervention: Cover | LeaveOutHeads | None = None,
    blanks: Blanks | None = None,
    controls: bool = False,
    candidates: bool = False,
    value_norms: bool = False,
) -> Iterator[dict]:
    """One prompt written by diffusion and, on the same weights, autoregressively: yields the growing trace.

    lanes: which of "dlm" and "ar", in the order shown. layer: the one shown when the run opens, None for the mean.
    intervention: changes attention in every lane. controls: see `changes_of`; then there is one kind of lane.
    blanks: the answer, with blanks to fill in; the diffusion lane alone can. candidates: frames carry them, in diffusion lanes.
    value_norms: frames carry the lengths of value vectors.
    Raises ValueError at the call: see `check_prompt`, and "ar" needs causal weights.
    """
    if not lanes or any(kind not in TITLES for kind in lanes) or len(set(lanes)) < len(lanes):
        raise ValueError(
            f"lanes must be one or both of {', '.join(TITLES)}, not {', '.join(map(str, lanes)) or 'none'}"
        )
    if controls and len(lanes) > 1:
        raise ValueError("controls stand beside one lane: choose dlm or ar")
    if blanks and tuple(lanes) != ("dlm",):
        raise ValueError("only the diffusion lane can fill in blanks: leave the autoregressive lane out")
    prompt_ids = check_prompt(loaded, prompt, 0 if blanks else config.gen_length)
    answer = answer_with_blanks(loaded, blanks, _room(loaded) - prompt_ids.shape[1]) if blanks else None
    started, steps = [], []
    for kind in lanes:
        ids = prompt_ids if kind == "dlm" else causal_prompt(loaded, prompt_ids)
        for change in changes_of(kind, config, intervention, controls):
            lane, run = _lane(loaded, kind, change, ids, answer, Wanted(True, value_norms, candidates))
            started.append(lane)
            steps.append(run)
    settings = asdict(config) | _asked(intervention, blanks, controls)
    trace = start_trace(prompt, loaded, settings, started) | {"view": {"layer": layer}}
    return _take_turns(trace, [loaded] * len(steps), steps)


def _lane(
    loaded: LoadedModel, kind: str, change: Change, ids: torch.Tensor, answer: torch.Tensor | None, wanted: Wanted
) -> tuple[dict, Iterator[Step]]:
    """A lane without frames, and the steps that will fill it. answer: (1, A) with MASK where the blanks are, or None."""
    config, intervention = change.config, change.intervention
    if kind == "ar":
        run = autoregress(
            loaded, ids, config.gen_length, record=True, intervention=intervention, value_norms=wanted.value_norms
        )
    else:
        text = ids if answer is None else torch.cat([ids, answer], dim=1)
        run = denoise(
            loaded, text, config, record=True,
            blanks=answer is not None, intervention=intervention,
            value_norms=wanted.value_norms, candidates=wanted.candidates,
        )  # fmt: skip
    start, mask = ids.shape[1], loaded.spec.mask_token_id
    length = start + (config.gen_length if answer is None else answer.shape[1])
    written = [] if answer is None else answer[0].tolist()
    given = {start + index: token for index, token in enumerate(written) if token != mask}
    return start_lane(kind, change.title, loaded.spec.name, loaded, ids, length, given), run


def _asked(intervention: Cover | LeaveOutHeads | None, blanks: Blanks | None, controls: bool) -> dict:
    """What a trace's settings say besides the config; nothing where nothing was asked."""
    said = {}
    if intervention is not None:
        kind = "cover" if isinstance(intervention, Cover) else "leave_out_heads"
        said[kind] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(intervention).items()
        }
    if blanks is not None:
        said["blanks"] = asdict(blanks)
    return said | ({"controls": True} if controls else {})


def written(
    loaded: LoadedModel,
    prompt: str,
    config: DecodeConfig,
    intervention: Cover | LeaveOutHeads | None = None,
    blanks: Blanks | None = None,
) -> tuple[int, Iterator[Step]]:
    """(where the answer starts, the steps) of the diffusion lane alone, without recording. Raises ValueError at the call."""
    ids = check_prompt(loaded, prompt, 0 if blanks else config.gen_length)
    text = ids
    if blanks:
        text = torch.cat([ids, answer_with_blanks(loaded, blanks, _room(loaded) - ids.shape[1])], dim=1)
    return ids.shape[1], denoise(loaded, text, config, blanks=blanks is not None, intervention=intervention)


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

    Each model first runs one untimed forward pass of the same shape. So neither lane's time holds the extra cost of a first forward.
    pruned_key: the pruned model's name in the store. Raises ValueError at the call: see `check_prompt`.
    """
    prompt_ids = check_prompt(dense, prompt, config.gen_length)
    length = prompt_ids.shape[1] + config.gen_length
    models = [dense, pruned]
    names = [("Dense", dense.spec.name), (f"{pruning.method}, {percent(pruning.target)} pruned", pruned_key)]
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

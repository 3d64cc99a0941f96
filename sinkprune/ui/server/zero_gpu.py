"""ZeroGPU: a Space that has a GPU only inside the calls that its module `spaces` decorates; anywhere else, nothing of this happens.

Such a call runs in a forked worker process, and what it changes there is lost: so an event of the page is one call as a whole, pruning and
writing together, and nothing that it leaves in the store is counted on. Outside of calls the GPU is only a promise, made to the thread that
imported `spaces`: weights are moved there by that thread, and nothing is computed before the first call.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from inspect import signature
from itertools import zip_longest
from types import ModuleType

import gradio as gr

from sinkprune.pruning import CalibrationConfig
from sinkprune.pruning.methods import BY_NAME

MODEL_LINE = "model"  # the concurrency_id of all events that run the model
LABELS = {"Method": "method", "Calibration sequences": "samples", "Answer length": "gen_length"}
START_SECONDS = 10.0  # a worker starts and its weights travel to the GPU
MAP_SECONDS = 10.0
MOST_SECONDS = 120.0  # what a visitor without an account has in a day; a longer call would be refused
FLOPS = 5e13  # reached a second by a large model in bfloat16 on what ZeroGPU lends
CANVAS = 256
SOLVED = 1e8  # weights a second that SparseGPT cuts


def zero_gpu() -> ModuleType | None:
    """The module `spaces` where this runs on ZeroGPU and app.py has imported it; else None."""
    active = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
    return sys.modules.get("spaces") if active else None


def on_gpu(task: Callable, seconds: float | Callable[..., float]) -> Callable:
    """`task`, on ZeroGPU as a call that is given a GPU for `seconds` (a number, or a function of the task's inputs)."""
    spaces = zero_gpu()
    return task if spaces is None else spaces.GPU(task, duration=seconds)


def put_events_on_gpu(demo: gr.Blocks, parameters: Callable[[], int]) -> None:
    """Every event of the page and of its API that runs the model becomes one such call. parameters: how many the model has."""
    if zero_gpu() is None:
        return
    count = parameters()  # now: later the weights of this process are empty shells
    for event in demo.fns.values():
        if event.concurrency_id == MODEL_LINE:
            event.fn = on_gpu(event.fn, partial(_seconds, count, _input_names(event)))


def estimated_seconds(parameters: int, inputs: dict[str, object]) -> float:
    """How long a call may take. parameters: of the model; inputs: those of the event, by name; what it does not have counts nothing."""
    method, samples, length = (inputs.get(name) for name in ("method", "samples", "gen_length"))
    tokens = 0.0
    if isinstance(length, int | float):
        tokens += 2 * length * CANVAS  # two lanes, at most one forward a token
    method = BY_NAME.get(method) if isinstance(method, str) else None
    if method is not None:
        calibration = CalibrationConfig()
        samples = samples if isinstance(samples, int | float) else calibration.samples
        tokens += method.passes * samples * calibration.length
    elif samples is not None:  # of an event that prunes by several methods in turn
        return MOST_SECONDS
    seconds = START_SECONDS + 2 * parameters * tokens / FLOPS
    if method is not None and method.second_order:
        seconds += parameters / SOLVED
    return min(seconds, MOST_SECONDS)


def _seconds(parameters: int, names: list[str], *inputs: object) -> float:
    return estimated_seconds(parameters, dict(zip(names, inputs, strict=False)))


def _input_names(event) -> list[str]:
    """What the inputs of an event are: the names of its function's parameters, or what its labels stand for."""
    parameters = list(signature(event.fn).parameters)[: len(event.inputs)]
    return [LABELS.get(component.label, name) for component, name in zip_longest(event.inputs, parameters)]

"""ZeroGPU: a Space that has a GPU only inside the calls that its module `spaces` decorates; anywhere else, nothing of this happens.

Such a call runs in a forked worker process, and its changes are lost there. So a run of the page is one call, pruning and writing
together. Nothing that a call leaves in the store is counted on.
Outside of calls the GPU is only a promise, made to the thread that imported `spaces`. That thread moves the weights there, and nothing is
computed before the first call.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from types import ModuleType
from typing import TYPE_CHECKING

from sinkprune.pruning import CalibrationConfig
from sinkprune.pruning.methods import BY_NAME

if TYPE_CHECKING:
    from sinkprune.ui.server.workbench import Workbench

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


def at_once() -> int | None:
    """How many runs Gradio may have under way: on ZeroGPU one; elsewhere all of them, because they wait in lines (`scheduler.Lines`)."""
    return None if zero_gpu() is None else 1


def on_gpu(task: Callable, seconds: float | Callable[..., float]) -> Callable:
    """`task`, on ZeroGPU as a call that is given a GPU for `seconds` (a number, or a function of the task's inputs)."""
    spaces = zero_gpu()
    return task if spaces is None else spaces.GPU(task, duration=seconds)


def gpu_task(task: Callable[[dict], Iterator], bench: Workbench) -> Callable[[dict], Iterator]:
    """`task`, which gets its inputs by name, as one such call for as long as these inputs need."""
    if zero_gpu() is None:
        return task
    count = bench.loaded.parameters  # now: later the weights of this process are empty shells
    return on_gpu(task, lambda values: estimated_seconds(count, values))


def gpu_function(function: Callable, bench: Workbench) -> Callable:
    """The same for a function that gets its inputs as arguments."""
    if zero_gpu() is None:
        return function
    count, names = bench.loaded.parameters, signature(function)

    def seconds(*arguments: object, **named: object) -> float:
        return estimated_seconds(count, names.bind_partial(*arguments, **named).arguments)

    return on_gpu(function, seconds)


def estimated_seconds(parameters: int, inputs: dict[str, object]) -> float:
    """How long a call may take. parameters: of the model; inputs: those of the event, by name; what it does not have counts nothing."""
    method, samples, length, made = (inputs.get(name) for name in ("method", "samples", "gen_length", "made"))
    copies, tokens = 1, 0.0
    if made is not None:  # a copy and its twin
        copies, method, samples = 2, made[0].method, made[1].samples
    if isinstance(length, int | float):
        tokens += 2 * length * CANVAS  # two lanes, at most one forward a token
    method = BY_NAME.get(method) if isinstance(method, str) else None
    if method is not None:
        calibration = CalibrationConfig()
        samples = samples if isinstance(samples, int | float) else calibration.samples
        tokens += copies * method.passes * samples * calibration.length
    elif samples is not None:  # of an event that prunes by several methods in turn
        return MOST_SECONDS
    seconds = START_SECONDS + 2 * parameters * tokens / FLOPS
    if method is not None and method.second_order:
        seconds += copies * parameters / SOLVED
    return min(seconds, MOST_SECONDS)

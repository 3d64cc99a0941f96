"""How long a visitor waits for a comparison by each method: until the first token, the last token, and the card.

    python -m sinkprune.benchmarks.waiting [--model NAME] [--sparsity 0.5] [--samples 32] [--methods NAME …]

The work that follows a press runs here without the page, in one process, after a warm-up. A copy is pruned into a store. As on the page,
statistics of the dense model that came with the project are not measured again. Both models write
with attention recorded. Both likelihoods are measured. Then everything runs once more with the copy kept.
Then both lanes race, in turns in one run, for each way of decoding: printed is the dense lane's time / the pruned lane's time. Run it on
an idle machine; the load is printed.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import torch

from sinkprune.benchmarks.engine import DECODING, GEN_LENGTH, PROMPT
from sinkprune.decoding import DecodeConfig
from sinkprune.lab.comparison import Comparison, measure
from sinkprune.lab.store import PrunedStore, store_key
from sinkprune.models import LoadedModel, load_model
from sinkprune.pruning import METHODS, CalibrationConfig, Measured, PruneConfig, PruneResult, prune_steps
from sinkprune.recorded.dense_statistics import load_statistics
from sinkprune.traces.runs import check_prompt, compare_run

PAGE = {"threshold": 0.9}  # what the page opens with
RACED = ("sink-wanda", "sink-structured")
STORE_BYTES = 2**30


@dataclass(frozen=True)
class Wait:
    """Seconds since the press: first: both lanes hold a token, last: both are written, card: all is measured."""

    first: float
    last: float
    card: float
    comparison: Comparison


def wait_for(
    loaded: LoadedModel,
    store: PrunedStore,
    prompt: str,
    config: DecodeConfig,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
    recorded: Measured | None = None,
) -> Wait:
    """One press, timed. recorded: statistics of the dense model that are at hand. Raises ValueError where the page would refuse it."""
    began = time.perf_counter()
    check_prompt(loaded, prompt, config.gen_length)
    result = copy_of(loaded, store, pruning, calibration, recorded)
    key = store_key(loaded.spec, pruning, calibration)
    run = compare_run(loaded, result.loaded, key, prompt, config, pruning, calibration)
    trace = next(run)
    first = time.perf_counter() - began
    trace = (deque(run, maxlen=1) or [trace])[-1]
    last = time.perf_counter() - began
    comparison = measure(loaded, result, trace, config, pruning, calibration)
    return Wait(first, last, time.perf_counter() - began, comparison)


def copy_of(
    loaded: LoadedModel,
    store: PrunedStore,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
    recorded: Measured | None = None,
) -> PruneResult:
    """The pruned copy, from the store where it is kept."""
    key, measured = store_key(loaded.spec, pruning, calibration), dict(recorded or {})
    steps = store.build(key, loaded, lambda: prune_steps(loaded, pruning, calibration, measured=measured))
    return deque(steps, maxlen=1).pop()


def waits(
    loaded: LoadedModel, methods: Sequence[str], sparsity: float, calibration: CalibrationConfig,
    prompt: str = PROMPT, gen_length: int = GEN_LENGTH,
) -> dict[str, tuple[Wait, Wait]]:  # fmt: skip
    """method -> (the first press, a press with the copy kept). Every method starts with an empty store."""
    config, found, recorded = DecodeConfig(gen_length, steps=gen_length, **PAGE), {}, load_statistics(loaded)
    for method in methods:
        store, pruning = PrunedStore(STORE_BYTES), PruneConfig(method, sparsity)
        found[method] = tuple(wait_for(loaded, store, prompt, config, pruning, calibration, recorded) for _ in range(2))
    return found


def races(
    loaded: LoadedModel, methods: Sequence[str], sparsity: float, calibration: CalibrationConfig,
    prompt: str = PROMPT, gen_length: int = GEN_LENGTH,
) -> dict[tuple[str, str], Comparison]:  # fmt: skip
    """(method, way of decoding) -> a comparison whose two lanes took turns."""
    found = {}
    for method in methods:
        store, pruning = PrunedStore(STORE_BYTES), PruneConfig(method, sparsity)
        for mode, settings in DECODING.items():
            config = DecodeConfig(gen_length, steps=gen_length, **settings)
            found[method, mode] = wait_for(loaded, store, prompt, config, pruning, calibration).comparison
    return found


def waits_table(found: dict[str, tuple[Wait, Wait]]) -> str:
    """Markdown, one row a method."""
    lines = [
        "| seconds from the press | to the first token | to the last | to the card | copy kept: first | last | card |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for method, presses in found.items():
        cells = " | ".join(f"{at:.1f}" for wait in presses for at in (wait.first, wait.last, wait.card))
        lines.append(f"| {method} | {cells} |")
    return "\n".join(lines)


def races_table(found: dict[tuple[str, str], Comparison]) -> str:
    """Markdown, one row a race; above 1 the pruned lane is faster."""
    lines = [
        "| race, dense : pruned | forward passes | seconds | dense time / pruned time | time of a forward pass |",
        "| --- | --: | --: | --: | --: |",
    ]
    for (method, mode), comparison in found.items():
        dense, pruned = comparison.dense, comparison.pruned
        each = (dense.seconds / dense.forwards) / (pruned.seconds / pruned.forwards)
        lines.append(
            f"| {method}, {mode} | {dense.forwards} : {pruned.forwards} | {dense.seconds:.2f} : {pruned.seconds:.2f} "
            f"| {dense.seconds / pruned.seconds:.2f} | {each:.2f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure how long a visitor waits for a comparison, and how dense and pruned race."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.waiting", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--sparsity", type=float, default=0.5, help="share of the weights to prune (default 0.5)")
    parser.add_argument("--samples", type=int, default=32, help="calibration sequences of 128 tokens (default 32)")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, help="default: all")
    options = parser.parse_args(arguments)
    loaded, calibration = load_model(options.model), CalibrationConfig(options.samples)
    # The first comparison of a process also pays for what happens once.
    waits(loaded, ["sink-sparsegpt"], 0.5, CalibrationConfig(1), gen_length=32)
    print(
        f"{options.model} on {platform.machine()}, {torch.get_num_threads()} threads, {loaded.model.dtype}, {options.sparsity:.0%}, "
        f"{options.samples} x 128; load {psutil.getloadavg()[0]:.1f}\n"
    )
    print(waits_table(waits(loaded, options.methods, options.sparsity, calibration)), end="\n\n")
    raced = [method for method in RACED if method in options.methods]
    print(races_table(races(loaded, raced, options.sparsity, calibration)))


if __name__ == "__main__":
    main()

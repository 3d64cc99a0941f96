"""The steps of `sinkprune.benchmarks.scale`: each does one thing to a large model and returns what it measured, JSON values only."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from sinkprune.benchmarks.scale_checkpoint import Shape, split_over, write_checkpoint
from sinkprune.decoding import DecodeConfig, generate
from sinkprune.models import LoadedModel, load_model, save_model
from sinkprune.pruning import PruneConfig, PruneResult, prune_steps
from sinkprune.sinks import record_attention

GEN_LENGTH, PROMPT_LENGTH = 128, 64
RULES = {"threshold 0.9": {"threshold": 0.9}, "4 tokens a step": {"steps": GEN_LENGTH // 4}}
PROBE_SAMPLES = 2


@dataclass
class Run:
    """What the steps share: the options, the time of the end, and the models made so far."""

    options: argparse.Namespace
    folder: Path
    ends: float
    shape: Shape
    dense: LoadedModel | None = None
    pruned: LoadedModel | None = None

    @property
    def left(self) -> float:
        return self.ends - time.perf_counter()

    @property
    def devices(self) -> list[torch.device]:
        return [torch.device(name) for name in self.options.devices]

    @property
    def gpus(self) -> list[torch.device]:
        return [device for device in self.devices if device.type == "cuda"]

    def wait(self) -> None:
        """Until all that was asked of the GPUs is done."""
        for device in self.gpus:
            torch.cuda.synchronize(device)

    def ids(self, *size: int, seed: int = 0) -> torch.Tensor:
        """Random token ids, MASK not among them (it is the last of the vocabulary)."""
        return torch.randint(self.shape.mask_token_id, size, generator=torch.Generator().manual_seed(seed))


def write(run: Run) -> dict:
    """Write the checkpoint of random weights."""
    size = write_checkpoint(run.folder / "original", run.shape, run.devices[0])
    return {"gib": size / 2**30, "folder": str(run.folder)}


def load(run: Run) -> dict:
    """Load it, renamed on the way."""
    run.dense = _load(run, run.folder / "original")
    return {"parameters": run.dense.parameters, "dtype": str(run.dense.model.dtype).removeprefix("torch.")}


def record(run: Run) -> dict:
    """The same generation, one token a step, with and without recording; and one forward of a calibration sequence."""
    config, prompt = DecodeConfig(gen_length=GEN_LENGTH, steps=GEN_LENGTH), run.ids(1, PROMPT_LENGTH)
    generate(run.dense, prompt, DecodeConfig(gen_length=GEN_LENGTH, steps=4), record=True)  # warm-up
    seconds, tokens = {False: [], True: []}, {}
    for recorded in (False, True, True, False):
        generation = generate(run.dense, prompt, config, record=recorded)
        seconds[recorded].append(generation.seconds)
        tokens[recorded] = generation.tokens
    plain, watched = min(seconds[False]), min(seconds[True])
    return {
        "forwards": GEN_LENGTH,
        "plain_seconds": plain,
        "recorded_seconds": watched,
        "overhead": watched / plain - 1,
        "tokens_per_second": GEN_LENGTH / plain,
        "same_tokens": torch.equal(tokens[False], tokens[True]),
        "long_forward_ms": _long_forward_ms(run),
    }


def decode(run: Run) -> dict:
    """Dense and pruned in turn, every cache mode and rule."""
    prompt, modes = run.ids(1, PROMPT_LENGTH), {}
    for cache in ("none", "prefix", "dual"):
        for rule, settings in RULES.items():
            config = DecodeConfig(gen_length=GEN_LENGTH, **{"steps": GEN_LENGTH, "cache": cache} | settings)
            row = modes[f"cache {cache}, {rule}"] = {}
            for name, loaded in (("dense", run.dense), ("pruned", run.pruned)):
                if loaded is not None:
                    generation = generate(loaded, prompt, config)
                    row |= {
                        f"{name}_forwards": generation.nfe,
                        f"{name}_seconds": generation.seconds,
                        f"{name}_tokens_per_second": GEN_LENGTH / generation.seconds,
                    }
    return {"modes": modes, "note": "random weights never reach the threshold: one token a forward"}


def prune(run: Run, method: str, share: float) -> dict:
    """Prune to 50 % with as many calibration sequences, 128 at most, as `share` of the time left is expected to allow."""
    config, samples, expected = PruneConfig(method, 0.5), run.options.samples, None
    if config.reads_text:
        samples, expected = _affordable(run, config, share * run.left)
    run.pruned = None
    ids = run.ids(samples, run.options.length)
    began, steps = time.perf_counter(), Phases(run)
    for step in prune_steps(run.dense, config, calibration_ids=ids if config.reads_text else None):
        steps.see(step)
    run.pruned = step.loaded
    return {
        "samples": samples if config.reads_text else 0,
        "length": run.options.length,
        "prune_seconds": time.perf_counter() - began,
        "expected_seconds": expected,
        "phases": steps.seconds,
        "sparsity": step.sparsity,
        "highest_damping": max((report.damping or 0.0 for report in step.reports), default=0.0),
    }


def save(run: Run) -> dict:
    """Save the pruned model, load it again, and compare logits and zeros."""
    saved, began = run.folder / "pruned", time.perf_counter()
    layout = save_model(run.pruned, run.folder / "original", saved)
    between = time.perf_counter()
    again = _load(run, saved)
    loaded_at = time.perf_counter()
    ids = run.ids(1, PROMPT_LENGTH)
    before, after = (_logits(loaded, ids) for loaded in (run.pruned, again))
    weight = again.model.model.layers[0].mlp.down_proj.weight
    return {
        "layout": layout,
        "save_seconds": between - began,
        "load_seconds": loaded_at - between,
        "largest_difference": (before - after).abs().max().item(),
        "finite": bool(before.isfinite().all()),
        "zeros_in_a_linear": (weight == 0).float().mean().item(),
    }


class Phases:
    """Seconds by phase of a prune. A GPU is waited for at every step, so that work counts where it was asked for."""

    def __init__(self, run: Run) -> None:
        self.run, self.seconds, self.last_step = run, {}, 0.0
        self._seen = time.perf_counter()

    def see(self, step: object) -> None:
        self.run.wait()
        now = time.perf_counter()
        self.last_step, self._seen = now - self._seen, now
        if not isinstance(step, PruneResult):
            self.seconds[step.phase] = self.seconds.get(step.phase, 0.0) + self.last_step


def _affordable(run: Run, config: PruneConfig, seconds: float) -> tuple[int, float]:
    """(samples, seconds they are expected to take), from a start on two samples that is broken off after the second layer."""
    per_sample, per_layer = 0.0, {"fixed": 0.0, "sample": 0.0}
    phases, steps = (
        Phases(run),
        prune_steps(run.dense, config, calibration_ids=run.ids(PROBE_SAMPLES, run.options.length)),
    )
    for step in steps:
        phases.see(step)
        if isinstance(step, PruneResult):
            break
        if step.layer is None:
            per_sample = phases.last_step  # the last one's: the first also warms up
        elif step.layer == 1:
            kind = "sample" if step.phase in ("inputs", "outputs") else "fixed"
            per_layer[kind] += phases.last_step
            if step.phase == "layer":
                break
    steps.close()
    layers = run.shape.layers
    per_sample += per_layer["sample"] / PROBE_SAMPLES * layers
    fixed = per_layer["fixed"] * layers
    samples = int((seconds - fixed) / per_sample) if per_sample else run.options.samples
    samples = max(PROBE_SAMPLES, min(run.options.samples, samples))
    return samples, fixed + samples * per_sample


def _long_forward_ms(run: Run, rounds: int = 3) -> dict[str, float]:
    ids = run.ids(1, run.options.length).to(run.devices[0])
    best = {"plain": float("inf"), "recorded": float("inf")}
    for _ in range(rounds):
        for name in best:
            run.wait()
            began = time.perf_counter()
            with torch.inference_mode():
                if name == "plain":
                    run.dense.model.model(ids, use_cache=False)
                else:
                    with record_attention(run.dense) as recording:
                        run.dense.model.model(ids, use_cache=False)
                        recording.column_mass.sum().item()
            run.wait()
            best[name] = min(best[name], 1000 * (time.perf_counter() - began))
    return best


def _load(run: Run, folder: Path) -> LoadedModel:
    if len(run.devices) == 1:
        return load_model(folder, device=run.devices[0])
    return load_model(folder, device_map=split_over(run.devices, run.shape.layers))


def _logits(loaded: LoadedModel, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(ids.to(loaded.device), use_cache=False).logits.float().cpu()

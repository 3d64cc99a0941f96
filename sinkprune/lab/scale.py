"""What a model of 8 billion parameters costs, measured on random weights in LLaDA-8B's shape and original layout.

    python -m sinkprune.lab.scale OUTPUT.jsonl [--budget-minutes 9] [--devices cuda:0 cuda:1] [--layers 32 --hidden 4096 …]

Writes the checkpoint, loads it, records a generation, prunes with each method, decodes dense and pruned, saves and loads again. After each
step one JSON line is appended: seconds, peak memory, and what the step measured; a step that fails leaves its error there, one that the
time left does not allow says so. Random weights cost what trained ones cost, with one exception: their confidence never reaches a
threshold, so a parallel rule commits one token a forward. Several devices share the layers evenly.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.scale_checkpoint import Shape, split_over, write_checkpoint
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

    def ids(self, *size: int, seed: int = 0) -> torch.Tensor:
        """Random token ids, MASK not among them (it is the last of the vocabulary)."""
        return torch.randint(self.shape.mask_token_id, size, generator=torch.Generator().manual_seed(seed))


def write(run: Run) -> dict:
    size = write_checkpoint(run.folder / "original", run.shape, run.devices[0])
    return {"gib": size / 2**30, "folder": str(run.folder)}


def load(run: Run) -> dict:
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
    if method != "magnitude":
        samples, expected = _affordable(run, config, share * run.left)
    run.pruned = None
    ids = run.ids(samples, run.options.length)
    began, steps = time.perf_counter(), Phases(run)
    for step in prune_steps(run.dense, config, calibration_ids=None if method == "magnitude" else ids):
        steps.see(step)
    run.pruned = step.loaded
    return {
        "samples": 0 if method == "magnitude" else samples,
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
        _wait(self.run)
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
            _wait(run)
            began = time.perf_counter()
            with torch.inference_mode():
                if name == "plain":
                    run.dense.model.model(ids, use_cache=False)
                else:
                    with record_attention(run.dense) as recording:
                        run.dense.model.model(ids, use_cache=False)
                        recording.column_mass.sum().item()
            _wait(run)
            best[name] = min(best[name], 1000 * (time.perf_counter() - began))
    return best


def _load(run: Run, folder: Path) -> LoadedModel:
    if len(run.devices) == 1:
        return load_model(folder, device=run.devices[0])
    return load_model(folder, device_map=split_over(run.devices, run.shape.layers))


def _logits(loaded: LoadedModel, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(ids.to(loaded.device), use_cache=False).logits.float().cpu()


def _gpus(run: Run) -> list[torch.device]:
    return [device for device in run.devices if device.type == "cuda"]


def _wait(run: Run) -> None:
    for device in _gpus(run):
        torch.cuda.synchronize(device)


# name, what it does, the fewest seconds it is worth starting with (at full size)
STEPS: tuple[tuple[str, Callable[[Run], dict], float], ...] = (
    ("write", write, 60),
    ("load", load, 40),
    ("record", record, 30),
    ("magnitude", lambda run: prune(run, "magnitude", 1.0), 20),
    ("wanda", lambda run: prune(run, "wanda", 0.2), 40),
    ("decode", decode, 60),
    ("sparsegpt", lambda run: prune(run, "sparsegpt", 0.4), 60),
    ("sink-wanda", lambda run: prune(run, "sink-wanda", 0.45), 40),
    ("save", save, 45),
    ("sink-sparsegpt", lambda run: prune(run, "sink-sparsegpt", 0.8), 50),
)


def measure(run: Run, emit: Callable[[dict], None]) -> None:
    """Run all steps in order and hand each one's line to `emit`."""
    for name, do, least in STEPS:
        if run.left < least * run.options.budget_minutes / 9:
            emit({"step": name, "skipped": f"{run.left:.0f} s were left"})
            continue
        if run.dense is None and name not in ("write", "load"):
            emit({"step": name, "skipped": "the model was not loaded"})
            continue
        for device in _gpus(run):
            torch.cuda.reset_peak_memory_stats(device)
        began = time.perf_counter()
        try:
            line = do(run)
            _wait(run)
        except Exception as error:
            line = {"error": f"{type(error).__name__}: {error}"[:600], "where": traceback.format_exc()[-1500:]}
        emit({"step": name, "seconds": time.perf_counter() - began, **line, **_memory(run)})
        gc.collect()
        if _gpus(run):
            torch.cuda.empty_cache()


def _memory(run: Run) -> dict[str, object]:
    """Peak GiB of each GPU during the step, and of the process in main memory since its start."""
    return {
        "peak_gpu_gib": [torch.cuda.max_memory_allocated(device) / 2**30 for device in _gpus(run)],
        "peak_process_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _machine(run: Run) -> dict[str, object]:
    return {
        "step": "machine",
        "devices": [torch.cuda.get_device_name(d) if d.type == "cuda" else platform.processor() for d in run.devices],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "shape": vars(run.shape),
        "budget_minutes": run.options.budget_minutes,
    }


def _scratch(needed: int) -> Path:
    """A new folder with room for `needed` bytes: in memory where that is large enough, else on disk."""
    shared = Path("/dev/shm")
    in_memory = shared.is_dir() and shutil.disk_usage(shared).free > needed
    return Path(tempfile.mkdtemp(prefix="sinkprune-scale-", dir=shared if in_memory else None))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure loading, recording, pruning and decoding at the size of LLaDA-8B; one JSON line a step."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser(prog="python -m sinkprune.lab.scale", description=main.__doc__)
    parser.add_argument("output", type=Path, help="JSON lines file to append to")
    parser.add_argument(
        "--budget-minutes", type=float, default=9.0, help="no step starts that would end later (default 9)"
    )
    parser.add_argument("--devices", nargs="+", default=["cuda:0" if torch.cuda.is_available() else "cpu"])
    parser.add_argument("--samples", type=int, default=128, help="calibration sequences at most (default 128)")
    parser.add_argument("--length", type=int, default=2048, help="tokens of each (default 2048)")
    for name, size in vars(Shape()).items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"default {size}")
    options = parser.parse_args(arguments)
    shape = Shape(**{name: getattr(options, name) for name in vars(Shape())})
    folder = _scratch(int(2.2 * shape.bytes))
    run = Run(options, folder, began + 60 * options.budget_minutes, shape)

    def emit(line: dict) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        with options.output.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    try:
        emit(_machine(run))
        measure(run, emit)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

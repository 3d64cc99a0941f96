"""What a model of 8 billion parameters costs, measured on random weights in LLaDA-8B's shape and original layout.

    python -m sinkprune.benchmarks.scale OUTPUT.jsonl [--budget-minutes 9] [--devices cuda:0 cuda:1] [--layers 32 --hidden 4096 …]

Writes the checkpoint, loads it, records a generation, prunes with each method, decodes dense and pruned, saves and loads again. After each
step one JSON line is appended: seconds, peak memory, and what the step measured; a step that fails leaves its error there, one that the
time left does not allow says so. Random weights cost what trained ones cost, with one exception: their confidence never reaches a
threshold, so a parallel rule commits one token a forward. Several devices share the layers evenly.
"""

from __future__ import annotations

import argparse
import gc
import platform
import resource
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
import transformers

from sinkprune.benchmarks.scale_checkpoint import Shape
from sinkprune.benchmarks.scale_steps import Run, decode, load, prune, record, save, write
from sinkprune.lab.all_methods import ORDER
from sinkprune.models.writing import json_text
from sinkprune.pruning.methods import BY_NAME

# Name, what it does, the fewest seconds it is worth starting with (at full size).
Work = tuple[str, Callable[[Run], dict], float]
FOR_PRUNING = 0.8  # of the time left: the methods still to come share it evenly


def _steps() -> Iterator[Work]:
    """Every method of single weights, the quickest first; decoding and saving after the first copy that text made."""
    yield from (("write", write, 60), ("load", load, 40), ("record", record, 30))
    methods = [BY_NAME[name] for name in ORDER if not BY_NAME[name].structured]
    reading = [method.name for method in methods if method.reads_text]
    for method in methods:
        if not method.reads_text:
            yield method.name, partial(prune, method=method.name, share=1.0), 20
    for number, name in enumerate(reading):
        yield name, partial(prune, method=name, share=FOR_PRUNING / (len(reading) - number)), 50
        if number == 0:
            yield from (("decode", decode, 60), ("save", save, 45))


STEPS = tuple(_steps())


def measure(run: Run, emit: Callable[[dict], None]) -> None:
    """Run all steps in order and hand each one's line to `emit`."""
    for name, do, least in STEPS:
        if run.left < least * run.options.budget_minutes / 9:
            emit({"step": name, "skipped": f"{run.left:.0f} s were left"})
            continue
        if run.dense is None and name not in ("write", "load"):
            emit({"step": name, "skipped": "the model was not loaded"})
            continue
        for device in run.gpus:
            torch.cuda.reset_peak_memory_stats(device)
        began = time.perf_counter()
        try:
            line = do(run)
            run.wait()
        except Exception as error:
            line = {"error": f"{type(error).__name__}: {error}"[:600], "where": traceback.format_exc()[-1500:]}
        emit({"step": name, "seconds": time.perf_counter() - began, **line, **_memory(run)})
        gc.collect()
        if run.gpus:
            torch.cuda.empty_cache()


def _memory(run: Run) -> dict[str, object]:
    """Peak GiB of each GPU during the step, and of the process in main memory since its start."""
    return {
        "peak_gpu_gib": [torch.cuda.max_memory_allocated(device) / 2**30 for device in run.gpus],
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
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.scale", description=main.__doc__)
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
        text = json_text(line)
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

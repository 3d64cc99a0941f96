"""Does dropping keys save time? A block's forward over caches of several retentions, beside a full forward, in turns in one process.

    python -m sinkprune.benchmarks.eviction             # measures, writes assets/eviction-time.json and prints Markdown
    python -m sinkprune.benchmarks.eviction --markdown  # prints what was measured before

CPU time of this process is measured, so other work on the machine disturbs it little. Each round runs all retentions once; a ratio is the
median over rounds of the time beside that of retention 1 in the same round. Wall time is the best of all rounds.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import torch

from sinkprune.decoding.cache import CanvasCache
from sinkprune.decoding.packing import packed_view
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.writing import json_text
from sinkprune.recorded.eviction_times import FILE, RETENTIONS, load_times, times_table
from sinkprune.recorded.what_if import DTYPES
from sinkprune.recorded.what_if_cells import fork_cache

CANVASES = (128, 256, 512, 1024)
BLOCK = 32
FULL_ROUNDS = 3  # a full forward of a long canvas takes as long as 20 of a block

Times = list[tuple[float, float]]  # (CPU, wall) seconds


def measure(loaded: LoadedModel, canvases: Sequence[int], rounds: int) -> list[dict]:
    """The rows of the file."""
    loaded = packed_view(loaded)
    return [row for length in canvases for row in _measure_canvas(loaded, length, rounds)]


@torch.inference_mode()
def _measure_canvas(loaded: LoadedModel, length: int, rounds: int) -> Iterator[dict]:
    runs = _runs(loaded, length)
    times: dict[float | None, Times] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for number in range(rounds):
        for name in list(runs)[:: 1 if number % 2 == 0 else -1]:
            if name is not None or number < FULL_ROUNDS:
                times[name].append(_timed(runs[name]))
    whole = [cpu for cpu, _ in times[1.0]]
    for name, found in times.items():
        cpu = [one for one, _ in found]
        kept = length if name is None else int(name * (length - BLOCK)) + BLOCK
        yield {
            "canvas": length, "retention": name, "touched": round(kept / length, 4), "cpu": round(median(cpu), 5),
            "wall": round(min(wall for _, wall in found), 5),
            "ratio": round(median(one / other for one, other in zip(cpu, whole, strict=False)), 4),
        }  # fmt: skip


def _runs(loaded: LoadedModel, length: int) -> dict[float | None, Callable[[], object]]:
    """Retention -> the forward of the canvas's middle block over so many keys, logits of its rows included; None: all rows."""
    generator = torch.Generator().manual_seed(length)
    canvas = torch.randint(loaded.model.config.vocab_size, (1, length), generator=generator)
    start = (length - BLOCK) // 2
    block, positions = (start, start + BLOCK), torch.arange(length)[None]
    outside = torch.cat([torch.arange(start), torch.arange(start + BLOCK, length)])
    cache = CanvasCache()
    loaded.model.base_model(canvas, position_ids=positions, past_key_values=cache, use_cache=True)

    def over(retention: float) -> Callable[[], object]:
        chosen = (
            outside[torch.randperm(len(outside), generator=generator)[: int(retention * len(outside))]].sort().values
        )
        columns = torch.cat([chosen, torch.arange(*block)]).expand(1, len(cache.layers), -1)
        kept = fork_cache(cache, columns, block)
        rows, places = canvas[:, slice(*block)], positions[:, slice(*block)]
        return lambda: loaded.model(rows, position_ids=places, past_key_values=kept, use_cache=True)

    def full() -> object:
        return loaded.model(
            canvas, position_ids=positions, past_key_values=CanvasCache(), use_cache=True,
            logits_to_keep=torch.arange(*block),
        )  # fmt: skip

    return {retention: over(retention) for retention in RETENTIONS} | {None: full}


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def main(arguments: Sequence[str] | None = None) -> None:
    """Time a block's forward over caches of several retentions."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.eviction", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--canvases", type=int, nargs="+", default=CANVASES)
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--markdown", action="store_true", help="print what was measured before")
    options = parser.parse_args(arguments)
    if not options.markdown:
        torch.set_num_threads(options.threads)
        loaded = load_model(options.model, device="cpu", dtype=DTYPES[options.dtype])
        found = {
            "model": loaded.spec.name, "dtype": options.dtype, "threads": options.threads, "machine": platform.machine(),
            "torch": torch.__version__, "block": BLOCK, "rounds": options.rounds,
            "rows": measure(loaded, options.canvases, options.rounds),
        }  # fmt: skip
        options.file.write_text(json_text(found).replace('{"canvas"', '\n{"canvas"') + "\n", encoding="utf-8")
    print(times_table(load_times(options.file)))


if __name__ == "__main__":
    main()

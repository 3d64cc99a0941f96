"""How things are timed and weighed: variants in turn, one forward as decoding runs it, the most memory that a block of code held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import torch

from sinkprune.decoding.packing import packed_view
from sinkprune.models import LoadedModel
from sinkprune.sinks import record_attention


def best_seconds(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest wall time of each variant: one warm-up each, then `rounds` times all of them in turn, forwards and backwards."""
    for run in variants.values():
        run()
    best = dict.fromkeys(variants, float("inf"))
    names = list(variants)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            began = time.perf_counter()
            variants[name]()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def forward_of(
    loaded: LoadedModel, canvas: torch.Tensor, keep: int | torch.Tensor, record: bool = False
) -> Callable[[], object]:
    """One forward over `canvas` (1, N) with the logits `keep`, as decoding runs it, ready to be timed.

    The sum is asked for because a GPU must then be done.
    """
    ids, loaded = canvas.to(loaded.device), packed_view(loaded)

    @torch.inference_mode()
    def forward() -> object:
        if not record:
            return loaded.model(ids, use_cache=False, logits_to_keep=keep).logits.sum().item()
        with record_attention(loaded) as recording:
            loaded.model(ids, use_cache=False, logits_to_keep=keep)
            return recording.column_mass.sum().item()

    return forward


def first_step(loaded: LoadedModel, prompt_ids: torch.Tensor, gen_length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(canvas (1, N) with a masked answer, positions of the answer's first third): what a denoising step forwards and asks for."""
    mask = torch.full((1, gen_length), loaded.spec.mask_token_id)
    asked = torch.arange(gen_length // 3, device=loaded.device) + prompt_ids.shape[1]
    return torch.cat([prompt_ids, mask], dim=1), asked


@contextmanager
def peak_mib(every: float = 0.005) -> Iterator[list[float]]:
    """Yields a list whose only entry is, after the block, the most memory in MiB the block held above what was held before it.

    A thread reads the process's resident memory every 5 ms; on a GPU the allocator's own peak is added.
    """
    process, ended = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    highest = [before]

    def watch() -> None:
        while not ended.wait(every):
            highest[0] = max(highest[0], process.memory_info().rss)

    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    gpu_before = torch.cuda.memory_allocated() if gpu else 0
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    peak = [0.0]
    try:
        yield peak
    finally:
        highest[0] = max(highest[0], process.memory_info().rss)
        ended.set()
        thread.join()
        on_gpu = torch.cuda.max_memory_allocated() - gpu_before if gpu else 0
        peak[0] = (highest[0] - before + on_gpu) / 2**20

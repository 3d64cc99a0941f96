"""How cost grows: time and memory against canvas, layers, calibration sequences and visitors, with the floor beside each.

    python -m sinkprune.benchmarks.growth [canvas layers calibration visitors] [--rounds 5]

A block is forwarded over the dual cache. Floor: the matrix products of the linears alone, on as many rows, with the weights packed as
decoding has them; for pruning, what product_floor.py says. For visitors it is one visitor's time for each of them, because one line serves
all. Layers are the model's own ones, repeated as often as it takes. The variants of a table run in turns in one process, and the best round
counts; a prune runs once.
"""

from __future__ import annotations

import argparse
import copy
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import torch
from torch import nn

from sinkprune.benchmarks.app_process import app_process
from sinkprune.benchmarks.engine import pruning_row
from sinkprune.benchmarks.load import PROMPTS, wait_for_model
from sinkprune.benchmarks.memory import Watch
from sinkprune.benchmarks.product_floor import product_floors
from sinkprune.benchmarks.simulated import Visitor
from sinkprune.decoding.cache import CanvasCache
from sinkprune.decoding.packing import packed_view
from sinkprune.lab.timing import best_seconds, forward_of, peak_mib
from sinkprune.models import LoadedModel, load_model
from sinkprune.models.copies import copy_sharing_tensors
from sinkprune.pruning import CalibrationConfig, PruneConfig

CANVASES, BLOCK = (64, 128, 256, 512, 1024), 32
LAYERS, MIDDLE_CANVAS = (6, 12, 18, 24, 30), 128
SEQUENCES, TOKENS, METHODS = (8, 32, 128), 128, ("wanda", "sparsegpt", "sink-wanda")
VISITORS = (1, 5, 10, 20)


def canvas_table(loaded: LoadedModel, rounds: int, canvases: Sequence[int] = CANVASES) -> Iterator[str]:
    """A row for each canvas length."""
    yield from _forwards_table("canvas", {length: (loaded, length) for length in canvases}, rounds)


def layers_table(loaded: LoadedModel, rounds: int, layers: Sequence[int] = LAYERS) -> Iterator[str]:
    """A row for each number of layers, on a canvas of 128."""
    models = {count: with_layers(loaded, count) for count in layers}
    yield from _forwards_table("layers", {count: (one, MIDDLE_CANVAS) for count, one in models.items()}, rounds)


def with_layers(loaded: LoadedModel, count: int) -> LoadedModel:
    """The model with so many layers: its own ones in turn, each a copy in memory."""
    config = copy.deepcopy(loaded.model.config)
    model = copy_sharing_tensors(loaded.model, [])
    layers = [
        copy.deepcopy(loaded.model.model.layers[index % len(loaded.model.model.layers)]) for index in range(count)
    ]
    for index, layer in enumerate(layers):
        layer.self_attn.layer_idx = index
    config.num_hidden_layers = count
    model.model.layers, model.config, model.model.config = nn.ModuleList(layers), config, config
    for layer in layers:
        layer.self_attn.config = config
    return replace(loaded, model=model)


def _forwards_table(what: str, variants: dict[int, tuple[LoadedModel, int]], rounds: int) -> Iterator[str]:
    runs: dict[str, Callable[[], object]] = {}
    peaks = {}
    for size, (loaded, length) in variants.items():
        canvas = torch.randint(
            4, loaded.model.config.vocab_size, (1, length), generator=torch.Generator().manual_seed(0)
        )
        asked = torch.arange(BLOCK)
        runs[f"full {size}"] = forward_of(loaded, canvas, asked)
        runs[f"recorded {size}"] = forward_of(loaded, canvas, asked, record=True)
        runs[f"full floor {size}"] = linears_alone(loaded, length)
        runs[f"block {size}"] = block_forward(loaded, canvas)
        runs[f"block floor {size}"] = linears_alone(loaded, BLOCK)
        runs[f"recorded {size}"]()  # so that the peak holds no weights that are packed for the first time
        with peak_mib() as peak:
            runs[f"recorded {size}"]()
        peaks[size] = peak[0]
    best = best_seconds(runs, rounds)
    yield f"| {what} | full forward, ms | recorded | floor | block of {BLOCK}, ms | floor | weights, MiB | beside them, MiB |"
    yield "| --: | --: | --: | --: | --: | --: | --: | --: |"
    for size, (loaded, _) in variants.items():
        names = ("full", "recorded", "full floor", "block", "block floor")
        times = " | ".join(f"{1000 * best[f'{name} {size}']:.1f}" for name in names)
        weights = sum(parameter.nbytes for parameter in loaded.model.parameters()) / 2**20
        yield f"| {size} | {times} | {weights:.0f} | {peaks[size]:.0f} |"


def block_forward(loaded: LoadedModel, canvas: torch.Tensor) -> Callable[[], object]:
    """A later forward of the canvas's last block over the dual cache, logits of its rows included."""
    loaded, cache, length = packed_view(loaded), CanvasCache(), canvas.shape[1]
    start = length - BLOCK
    with torch.inference_mode():
        loaded.model.base_model(canvas, position_ids=torch.arange(length)[None], past_key_values=cache, use_cache=True)
    cache.overwrite_from(start)

    @torch.inference_mode()
    def forward() -> object:
        positions = torch.arange(start, length)[None]
        return loaded.model(canvas[:, start:], position_ids=positions, past_key_values=cache, use_cache=True)

    return forward


def linears_alone(loaded: LoadedModel, rows: int) -> Callable[[], object]:
    """The products of a forward of so many rows: every layer's linears, and the head on a block of rows."""
    model = packed_view(loaded).model
    generator = torch.Generator().manual_seed(0)
    widths = {linear.in_features for linear in loaded.model.modules() if isinstance(linear, nn.Linear)}
    inputs = {width: torch.randn(rows, width, generator=generator).to(loaded.model.dtype) for width in widths}
    plain = {
        name: module for name, module in loaded.model.model.layers.named_modules() if isinstance(module, nn.Linear)
    }
    pairs = [(model.model.layers.get_submodule(name), inputs[linear.in_features]) for name, linear in plain.items()]
    pairs.append((model.lm_head, inputs[loaded.model.lm_head.in_features][:BLOCK]))

    @torch.inference_mode()
    def products() -> None:
        for linear, x in pairs:
            linear(x)

    return products


def calibration_table(loaded: LoadedModel, sequences: Sequence[int] = SEQUENCES, tokens: int = TOKENS) -> Iterator[str]:
    """A row for each method and number of calibration sequences; each is measured once, after a warm-up."""
    pruning_row(loaded, PruneConfig("wanda"), CalibrationConfig(1, tokens))
    yield f"| method | sequences of {tokens} | seconds | floor | most memory, MiB |"
    yield "| --- | --: | --: | --: | --: |"
    for method in METHODS:
        for count in sequences:
            floor = product_floors(loaded, count * tokens)[method]
            row = pruning_row(loaded, PruneConfig(method), CalibrationConfig(count, tokens))
            yield f"| {method} | {count} | {row['seconds']:.1f} | {floor:.1f} | {row['peak_mib']:.0f} |"


def visitors_table(sizes: Sequence[int] = VISITORS) -> Iterator[str]:
    """A row for each number of visitors who press "Run" at once, each with a prompt that nobody asked before; one app for all rows."""
    yield "| visitors at once | first tokens, s: first of them, last of them | last one's end, s | floor | app, MiB |"
    yield "| --: | --: | --: | --: | --: |"
    prompts = iter(PROMPTS)
    with app_process() as app:
        watch = Watch(app.process.pid)
        wait_for_model(app.address)
        alone = None
        for size in sizes:
            watch.forget()
            visitors = [(Visitor(app.address), {"prompt": next(prompts)}) for _ in range(size)]
            with ThreadPoolExecutor(size) as together:
                outcomes = list(together.map(lambda one: one[0].press("run", one[1]), visitors))
            for visitor, _ in visitors:
                visitor.close()
            if failed := [outcome.words for outcome in outcomes if outcome.ended != "done"]:
                raise RuntimeError(f"{len(failed)} of {size} visitors did not get their run: {failed[0]}")
            firsts, last = sorted(outcome.first for outcome in outcomes), max(outcome.seconds for outcome in outcomes)
            alone = last / size if alone is None else alone
            yield f"| {size} | {firsts[0]:.1f}, {firsts[-1]:.1f} | {last:.1f} | {size * alone:.1f} | {watch.peak:.0f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how time and memory grow on this machine."""
    tables = {"canvas", "layers", "calibration", "visitors"}
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.growth", description=main.__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(sorted(tables))} (default: all)")
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--rounds", type=int, default=5, help="of forwards (default: %(default)s)")
    options = parser.parse_args(arguments)
    asked = set(options.tables) or tables
    if asked - tables:
        parser.error(f"there is no table {', '.join(sorted(asked - tables))}: choose of {', '.join(sorted(tables))}")
    loaded = load_model(options.model, device="cpu")
    print(
        f"{loaded.spec.name} ({str(loaded.model.dtype).removeprefix('torch.')}) on {platform.machine()}, "
        f"{torch.get_num_threads()} of {psutil.cpu_count()} threads, torch {torch.__version__}, load {psutil.getloadavg()[0]:.1f}"
    )
    for name, rows in (
        ("canvas", canvas_table(loaded, options.rounds)),
        ("layers", layers_table(loaded, options.rounds)),
        ("calibration", calibration_table(loaded)),
        ("visitors", visitors_table()),
    ):
        if name in asked:
            print()
            for row in rows:
                print(row, flush=True)


if __name__ == "__main__":
    main()

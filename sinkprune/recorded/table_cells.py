"""The cells of the pruning table: what is measured, how one cell is measured, and the file that keeps them.

A cell is one pruned copy: a variant (a method, or a method with its sink weight switched off) at one sparsity, calibrated from one seed.
cells.jsonl holds one JSON object a line. The first line says what was measured on which model; then come the dense model and the cells:

    variant, sparsity, seed    which copy; the dense model is the variant "dense" at sparsity 0
    bits                       one number a held-out prompt: bits per token of the teacher's answer, same masks in every cell
    agreement                  one number a written prompt: share of tokens equal to the dense model's at the same position
    repeated                   one number a written prompt: share of repeated 4-grams in what this copy wrote
    achieved, prune_seconds    zeros (or removed weights) / weights of the pruned linears; seconds that pruning took
    speed_up, parameters       structured methods: dense time / pruned time of a forward pass, taken in turns; share of all parameters left
    answers                    dense model only: the token ids that it wrote
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from sinkprune.lab.overlap import agreement, answer_end, repeated_ngrams
from sinkprune.lab.texts import CANVAS, held_out_answers, held_out_texts
from sinkprune.lab.timing import best_seconds, forward_of
from sinkprune.models import LoadedModel, encode_prompt
from sinkprune.models.writing import json_text
from sinkprune.pruning import CalibrationConfig, PruneConfig, prune_model
from sinkprune.pruning.methods import BY_NAME, RECORDS


def _variants() -> dict[str, dict]:
    """Name -> settings: every method and, after a sink-aware one, its ablation, unless that is another method's row already."""
    variants = {}
    for method in RECORDS:
        variants[method.name] = {"method": method.name}
        if method.sink_aware and method.ablation != method.baseline:
            variants[method.ablation] = {"method": method.name, "sink_weight": False}
    return variants


VARIANTS = _variants()


@dataclass(frozen=True)
class Protocol:
    """What is measured in every cell.

    texts: held-out prompts whose answers are scored, patterns: masks per text; prompts: how many are also written, greedily,
    gen_length tokens in blocks of 32 with threshold 0.9 and dual cache; samples x length: calibration tokens.
    """

    sparsities: tuple[float, ...] = (0.25, 0.5, 0.6, 0.7, 0.75)
    structured: tuple[float, ...] = (0.3, 0.5)
    seeds: tuple[int, ...] = (0, 1, 2)
    texts: int = 64
    patterns: int = 2
    prompts: int = 3
    gen_length: int = 64
    samples: int = 32
    length: int = 128

    @property
    def decoding(self) -> DecodeConfig:
        return DecodeConfig(gen_length=self.gen_length, block_length=32, threshold=0.9, cache="dual")

    def calibration(self, seed: int) -> CalibrationConfig:
        return CalibrationConfig(self.samples, self.length, seed)


@dataclass(frozen=True)
class Cell:
    """One pruned copy to measure."""

    variant: str
    sparsity: float
    seed: int

    @property
    def pruning(self) -> PruneConfig:
        return PruneConfig(sparsity=self.sparsity, **VARIANTS[self.variant])

    @property
    def structured(self) -> bool:
        return self.pruning.record.structured


def plan(protocol: Protocol) -> list[Cell]:
    """All cells, seed by seed, so that an interrupted table has all methods and sparsities of its first seeds."""
    return [
        Cell(variant, sparsity, seed)
        for seed in protocol.seeds
        for variant in VARIANTS
        for method in [BY_NAME[VARIANTS[variant]["method"]]]
        if method.reads_text or seed == protocol.seeds[0]
        for sparsity in (protocol.structured if method.structured else protocol.sparsities)
    ]


@dataclass(frozen=True)
class Material:
    """What every cell is measured on: texts with their prompt lengths, prompts to write, a canvas to time."""

    texts: list[torch.Tensor]
    starts: list[int]
    prompts: list[torch.Tensor]


def material(loaded: LoadedModel, protocol: Protocol) -> Material:
    """Held-out texts and prompts, the latter spread over the list."""
    texts, starts = held_out_texts(loaded, CANVAS)
    asked = list(held_out_answers())
    spread = [asked[number * len(asked) // protocol.prompts] for number in range(protocol.prompts)]
    return Material(
        texts[: protocol.texts], starts[: protocol.texts], [encode_prompt(loaded, prompt) for prompt in spread]
    )


def measure_dense(loaded: LoadedModel, protocol: Protocol, on: Material) -> dict:
    """The dense model's line."""
    answers = _write(loaded, protocol, on)
    return {
        "variant": "dense", "sparsity": 0.0, "seed": 0, "bits": _bits(loaded, protocol, on),
        "repeated": [_repeated(loaded, answer) for answer in answers], "answers": answers,
    }  # fmt: skip


def measure_cell(
    loaded: LoadedModel, cell: Cell, protocol: Protocol, on: Material, dense_answers: list, measured: dict
) -> dict:
    """Prune a copy of the dense model `loaded` and measure it; `measured` as in `prune_steps`. Raises what prune_model raises."""
    result = prune_model(loaded, cell.pruning, protocol.calibration(cell.seed), measured=measured)
    answers = _write(result.loaded, protocol, on)
    line = {
        **asdict(cell),
        "bits": _bits(result.loaded, protocol, on),
        "agreement": [
            round(agreement(*pair, loaded.spec.end_token_ids), 4) for pair in zip(answers, dense_answers, strict=True)
        ],
        "repeated": [_repeated(loaded, answer) for answer in answers],
        "achieved": round(result.sparsity, 5),
        "prune_seconds": round(result.seconds, 2),
    }
    if cell.structured:
        line |= {
            "speed_up": round(_speed_up(loaded, result.loaded, on.texts[0]), 3),
            "parameters": round(result.loaded.parameters / loaded.parameters, 4),
        }
    return line


def _bits(loaded: LoadedModel, protocol: Protocol, on: Material) -> list[float]:
    config = LikelihoodConfig(patterns=protocol.patterns, batch_size=protocol.patterns)
    values = masked_likelihood(loaded, on.texts, config, on.starts).values / math.log(2)
    return [round(value, 4) for value in values.tolist()]


def _write(loaded: LoadedModel, protocol: Protocol, on: Material) -> list[list[int]]:
    return [generate(loaded, ids, protocol.decoding).tokens[0, ids.shape[1] :].tolist() for ids in on.prompts]


def _repeated(loaded: LoadedModel, answer: list[int]) -> float:
    return round(repeated_ngrams(answer[: answer_end(answer, loaded.spec.end_token_ids)]), 4)


def _speed_up(dense: LoadedModel, pruned: LoadedModel, canvas: torch.Tensor) -> float:
    """Dense time / pruned time of one forward pass over a canvas, logits of a block of 32: the best of 8, in turns."""
    models = {"dense": dense, "pruned": pruned}
    best = best_seconds({name: forward_of(loaded, canvas[None], 32) for name, loaded in models.items()}, rounds=8)
    return best["dense"] / best["pruned"]


def read_cells(path: Path) -> tuple[dict | None, list[dict]]:
    """(first line, the others) of a file of cells; (None, []) where there is none. A last line that was cut off is left out."""
    if not path.exists():
        return None, []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # what follows the last line break is empty or cut off
    about, *cells = [json.loads(line) for line in lines] or [None]
    return about, cells


def write_lines(path: Path, lines: Iterable[dict]) -> None:
    """Write the file anew: one compact JSON object a line."""
    path.write_text("".join(json_text(line, separators=(",", ":")) + "\n" for line in lines), encoding="utf-8")


def add_line(path: Path, line: dict) -> None:
    """Append one line; it is in the file when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json_text(line, separators=(",", ":")) + "\n")

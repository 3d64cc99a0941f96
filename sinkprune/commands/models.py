"""List the known models: what each is, what it needs on this machine, and why one cannot run here.

Any hub id (owner/name, owner/name@revision) or folder in a layout of Llama, Qwen2, Qwen3, LLaDA, MMaDA or Dream loads as well.

examples:
  python -m sinkprune models
  python -m sinkprune models --quantize nf4 --device cpu
"""

from __future__ import annotations

import argparse

import torch

from sinkprune.lab.model_table import KINDS, ModelRow, model_rows
from sinkprune.models.registry import QUANTIZATIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For which form of the weights, and for which device."""
    parser.add_argument("--quantize", choices=QUANTIZATIONS, help="as if loaded in this form")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="whose memory counts (default: the first GPU, else the CPU)"
    )


def run(options: argparse.Namespace) -> None:
    """Print one line a model and, below it, why."""
    device = None if options.device is None else torch.device(options.device)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no GPU that torch can use here: leave --device out")
    print(f"{'name':<30} {'billions':>8} {'load GiB':>9} {'prune GiB':>10}  {'licence':<20} here")
    for row in model_rows(options.quantize, device):
        print(_line(row))


def _line(row: ModelRow) -> str:
    info = row.info
    load, prune = (f"{size:.1f}" if size else "" for size in row.needs or (0, 0))
    line = f"{info.name:<30} {info.parameters:>8.3g} {load:>9} {prune:>10}  {info.licence or 'see its page':<20} {KINDS[row.verdict]}"
    source = "" if info.name == "bundled" else f"\n    {info.source}{f'@{info.revision[:7]}' if info.revision else ''}"
    return line + source + (f"\n    {row.why}" if row.why else "")

"""Average the weights of a model before and after a phase of training, with a share for each part (model soups, arXiv 2203.05482).

    python -m sinkprune.training.mix build/before build/after build/model --early 0.3 --late 0.9 --embedding 0.2

A phase on little data teaches what it is for and forgets other things; between the two models much of the first is kept at a small part of
the second. The shares were chosen by `training.evaluate`. The log of the phase is taken along, the shares as its last line.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from sinkprune.training.train import LOG, save_model

_LAYER = re.compile(r"layers\.(\d+)\.")


def share_of(name: str, layers: int, shares: dict[str, float]) -> float:
    """How much of the later model a parameter takes: `early` and `late` are the halves of the layers, `embedding` the rest."""
    layer = _LAYER.search(name)
    if not layer:
        return shares["embedding"]
    return shares["early" if int(layer[1]) < layers // 2 else "late"]


@torch.no_grad()
def mix(before: LlamaForCausalLM, after: LlamaForCausalLM, shares: dict[str, float]) -> LlamaForCausalLM:
    """`before`, moved towards `after` by the share of each parameter; changed in place."""
    others = dict(after.named_parameters())
    for name, parameter in before.named_parameters():
        parameter.lerp_(others[name], share_of(name, before.config.num_hidden_layers, shares))
    return before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for folder in ("before", "after", "model"):
        parser.add_argument(folder, type=Path)
    for part in ("early", "late", "embedding"):
        parser.add_argument(f"--{part}", type=float, default=0.5, help="share of the later model, 0 to 1")
    args = parser.parse_args()
    shares = {part: getattr(args, part) for part in ("early", "late", "embedding")}
    before, after = (
        LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (args.before, args.after)
    )
    save_model(mix(before, after, shares), AutoTokenizer.from_pretrained(args.before), args.model)
    (args.model / LOG).write_text((args.after / LOG).read_text() + json.dumps({"mixed": shares}) + "\n")


if __name__ == "__main__":
    main()

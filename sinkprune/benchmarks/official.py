"""The official algorithm on plain transformers: the other side of every "times as fast as the official code", in the same run.

    python -m sinkprune.benchmarks.official "Why is the sky blue" [--model FOLDER]

Fast-dLLM's three loops (arXiv 2505.22618) do more work than they need, and so does this one: logits of every row that is forwarded, softmax
in float64 over all of them, one forward more where the first one of a cached block filled it. The model is transformers' own with PyTorch's
attention; nothing is recorded, packed or captured. The loops are written anew here, batch size 1, temperature 0.
Run as a command, it is the plain script that `sinkprune.benchmarks.command_start` starts beside ours: torch and transformers are imported,
and of this project only the block cache.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sinkprune.decoding import DecodeConfig
    from sinkprune.models import LoadedModel

BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "bundled"


def plain_model(loaded: LoadedModel) -> PreTrainedModel:
    """A copy of the model that attends as transformers does by itself; memory for a second model."""
    model = copy.deepcopy(loaded.model)
    model.set_attn_implementation("sdpa")
    return model


@torch.inference_mode()
def write(model: PreTrainedModel, prompt: torch.Tensor, mask: int, config: DecodeConfig) -> tuple[torch.Tensor, int]:
    """(canvas (1, N), forwards) of the prompt (1, P) and its answer. config: lengths, steps, threshold, factor and cache are read."""
    canvas = torch.cat([prompt, torch.full((1, config.gen_length), mask)], 1).to(model.device)
    length, forwards, per_block = canvas.shape[1], 0, config.steps * config.block_length // config.gen_length
    for start in range(prompt.shape[1], length, config.block_length):
        end, step, cache = start + config.block_length, 0, None
        while step == 0 or (canvas[0, start:end] == mask).any() or (step == 1 and config.cache != "none"):
            first, last = (0, length) if step == 0 or config.cache == "none" else (start, length)
            if config.cache == "dual" and step:
                last = end
            logits, cache = _forward(model, canvas, (first, last), cache, config.cache)
            forwards += 1
            open_ = canvas[0, first:last] == mask
            open_[max(0, end - first) :] = False
            open_[: start - first] = False
            tokens, confidence = _best(logits, open_, mask)
            chosen = first + confidence.topk(_count(confidence, open_, config, per_block - step)).indices
            canvas[0, chosen] = tokens[chosen - first]
            step += 1
    return canvas, forwards


def _forward(model, canvas: torch.Tensor, rows: tuple[int, int], cache, mode: str) -> tuple[torch.Tensor, object]:
    """(logits of all rows (R, V), the cache of the block): later forwards overwrite the keys and values of their rows."""
    if mode == "none":
        return model(canvas, use_cache=False).logits[0], None
    from sinkprune.decoding.cache import CanvasCache

    cache = cache or CanvasCache()
    cache.overwrite_from(rows[0])
    positions = torch.arange(*rows, device=canvas.device)[None]
    output = model(canvas[:, slice(*rows)], position_ids=positions, past_key_values=cache, use_cache=True)
    return output.logits[0], cache


def _best(logits: torch.Tensor, open_: torch.Tensor, mask: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(tokens (R,), confidence (R,) float64): of every row, -inf where the position is not open."""
    tokens = logits.argmax(-1)
    if (tokens == mask).any():  # there the official code never ends
        tokens = logits.index_fill(1, torch.tensor([mask], device=logits.device), -torch.inf).argmax(-1)
    confidence = logits.double().softmax(-1).gather(1, tokens[:, None])[:, 0]
    return tokens, confidence.masked_fill(~open_, -torch.inf)


def _count(confidence: torch.Tensor, open_: torch.Tensor, config: DecodeConfig, steps_left: int) -> int:
    """How many tokens this forward commits; none where nothing is open."""
    masks = int(open_.sum())
    if not masks:
        return 0
    if config.threshold is not None:
        return max(1, int((confidence >= config.threshold).sum()))
    if config.factor is None:
        return -(-masks // max(1, steps_left))
    ranked = confidence.sort(descending=True).values[:masks].tolist()
    passed = next((n for n in range(1, masks) if ranked[n] < 1 - config.factor / (n + 2)), masks)
    return masks if passed == masks - 1 else passed


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one answer as the official script does: threshold 0.9, dual cache, 96 tokens in blocks of 32."""
    from types import SimpleNamespace

    from transformers import AutoModelForCausalLM, AutoTokenizer

    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.official", description=main.__doc__)
    parser.add_argument("prompt")
    parser.add_argument("--model", type=Path, default=BUNDLED, help="a folder in transformers' layout")
    options = parser.parse_args(arguments)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, attn_implementation="sdpa").eval()
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": options.prompt}], add_generation_prompt=True, tokenize=False
    )
    prompt = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    config = SimpleNamespace(gen_length=96, block_length=32, steps=96, threshold=0.9, factor=None, cache="dual")
    canvas, forwards = write(model, prompt, model.config.mask_token_id, config)
    print(tokenizer.decode(canvas[0, prompt.shape[1] :], skip_special_tokens=True))
    print(f"{forwards} forward passes")


if __name__ == "__main__":
    main()

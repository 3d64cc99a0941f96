"""The last step: how sure the student is, fitted on prompts that the evaluation does not use.

    python -m sinkprune.training.temperature build/base build/fifth build/model

A student that learned its own answers is surer of new prompts than it is right. Threshold decoding then commits tokens together that
contradict each other. So the student's logits are multiplied by one number below 1 (temperature scaling, Guo et al. 2017, arXiv
1706.04599). The smallest number is taken whose masked cross-entropy on the teacher's answers to the validation prompts rises by less than
FREE. The number goes into the gain of the last norm, so nothing else changes. Which token is likeliest at a place never changes.
What was measured goes to build/model/temperature.json, where the card reads it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaForCausalLM

from sinkprune.lab.likelihood import cross_entropy, level_masks, masked_hidden
from sinkprune.models import LoadedModel, encode_prompt, load_model
from sinkprune.training.answers import answer, load_teacher
from sinkprune.training.evaluate import reference_canvases
from sinkprune.training.examples import until_end
from sinkprune.training.prompts import validation_prompts
from sinkprune.training.train import LOG, save_model

SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
FREE = 0.005  # nats per token
RECORD = "temperature.json"


@torch.inference_mode()
def scaled_cross_entropy(
    loaded: LoadedModel, canvases: Iterable[tuple[Tensor, Tensor]], scales: Sequence[float], seed: int = 0
) -> Tensor:
    """(len(scales),) masked cross-entropy of the canvases with the logits times each scale, nats per token, mean over the noise levels.

    canvases: prompts (1, P) with what stands after them (T,); every scale sees the same masks.
    """
    generator = torch.Generator().manual_seed(seed)
    head, means = loaded.model.get_output_embeddings(), []
    for prompt_ids, canvas in canvases:
        masked = level_masks(len(canvas), generator)  # (L, T)
        noised = torch.where(masked, loaded.spec.mask_token_id, canvas)
        ids = torch.cat([prompt_ids.cpu().expand(len(masked), -1), noised], 1).to(loaded.device)
        hidden = masked_hidden(loaded, ids, F.pad(masked, (prompt_ids.shape[1], 0)))  # (M, D)
        targets = canvas.expand(len(masked), -1)[masked]
        losses = torch.stack([cross_entropy(head, hidden, targets, scale).cpu() for scale in scales])  # (S, M)
        means.append(torch.stack([part.mean(1) for part in losses.split(masked.sum(1).tolist(), 1)]).mean(0))
    return torch.stack(means).mean(0)


def smallest_free_scale(losses: Sequence[float], scales: Sequence[float] = SCALES, free: float = FREE) -> float:
    """The smallest of `scales` whose loss is less than `free` above that of the first one."""
    return min(scale for scale, loss in zip(scales, losses, strict=True) if loss < losses[0] + free)


def scale_logits(model: LlamaForCausalLM, scale: float) -> None:
    """Multiply the logits of `model` by `scale`, in place."""
    with torch.no_grad():
        model.model.norm.weight.mul_(scale)


def teacher_answers(base: Path, prompts: list[str]) -> list[dict]:
    """{"prompt", "answer", "finished"} for each prompt."""
    model, tokenizer = load_teacher(base)
    rows, ended = until_end(answer(model, tokenizer, prompts))
    told = zip(prompts, tokenizer.batch_decode(rows), ended.tolist(), strict=True)
    return [{"prompt": prompt, "answer": text, "finished": finished} for prompt, text, finished in told]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for folder in ("base", "model", "result"):
        parser.add_argument(folder, type=Path)
    args = parser.parse_args()
    loaded = load_model(args.model)
    canvases = [
        (encode_prompt(loaded, entry["prompt"]), canvas)
        for entry in teacher_answers(args.base, validation_prompts())
        for canvas in reference_canvases(loaded, [entry])
    ]
    losses = scaled_cross_entropy(loaded, canvases, SCALES).tolist()
    scale = smallest_free_scale(losses)
    measured = {"scale": scale, "scales": SCALES, "masked_cross_entropy": [round(loss, 4) for loss in losses]}
    print(json.dumps(measured))
    model = LlamaForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    scale_logits(model, scale)
    save_model(model, loaded.tokenizer, args.result)
    shutil.copy(args.model / LOG, args.result)
    (args.result / RECORD).write_text(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()

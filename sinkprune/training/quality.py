"""Held-out cross-entropy while training: masked denoising at five noise levels, and next-token prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from sinkprune.lab.likelihood import ANSWER_LEVELS, cross_entropy
from sinkprune.training.base import MASK_TOKEN_ID
from sinkprune.training.objective import Objective, denoising_hidden

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from sinkprune.training.batches import Examples

CANVAS = 96


@torch.no_grad()
def heldout_cross_entropy(model: LlamaForCausalLM, examples: Examples, rows: int = 128) -> dict[str, float]:
    """Nats per token on the held-out examples with a 96-token canvas, masks on the canvas only, the same for every call.

    masked: mean over t = .15 … .95 of the cross-entropy of the masked canvas tokens, end tokens included;
    masked_text: the same without the end tokens that fill the canvas; next_token: causal, up to the first end token.
    """
    model.eval()
    chosen = (examples.total - examples.prompt == CANVAS).nonzero()[:, 0]
    length = int(examples.total[chosen].max())
    device = examples.ids.device
    generator = torch.Generator().manual_seed(0)
    sums = torch.zeros(len(ANSWER_LEVELS), 2, 2)  # noise level, (all, text), (loss, count)
    causal, objective = [], Objective(model)
    for index in chosen.split(rows):
        batch = examples.batch(index, length)
        position = torch.arange(length, device=device)
        canvas = batch.real & (position >= batch.prompt[:, None])
        text = (position <= batch.end[:, None]).expand_as(canvas)
        draw = torch.rand(batch.ids.shape, generator=generator).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            causal.append(objective.next_token(batch).item())
            for level, t in enumerate(ANSWER_LEVELS):
                masked = canvas & (draw < t)
                noised = batch.ids.masked_fill(masked, MASK_TOKEN_ID)
                hidden = denoising_hidden(model, noised, batch)[masked]
                loss = cross_entropy(model.lm_head, hidden, batch.ids[masked])
                for kind, counted in enumerate((torch.ones_like(loss, dtype=torch.bool), text[masked])):
                    sums[level, kind] += torch.tensor([loss[counted].sum().item(), counted.sum().item()])
    model.train()
    masked, masked_text = (sums[..., 0] / sums[..., 1]).mean(0).tolist()
    return {"masked": masked, "masked_text": masked_text, "next_token": sum(causal) / len(causal)}

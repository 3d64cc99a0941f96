"""What is learned: masked denoising and next-token prediction with the same weights.

Masked denoising is LLaDA's objective (arXiv 2502.09992, eq. 3) without logit shift. Every maskable token becomes MASK with
probability t, and the cross-entropy of the masked tokens is weighted 1/t. Which tokens are maskable decides how the model behaves:
- "whole" rows: every token, prompt and template included (LLaDA's pre-training). With masks on the answer only, one prompt
  token draws 39 % of all attention at every step; whole rows are what makes sinks move.
- "canvas" rows: the answer only (LLaDA's fine-tuning).
- "block" rows: one block of the canvas, everything left of it known and everything right of it MASK: the states that
  block-wise decoding meets.
"Guided" batches are canvas and block rows. Their targets are not the text but a frozen model's distribution under classifier-free guidance
(LLaDA's unsupervised form, arXiv 2502.09992, app. A.2). The student learns to do those two forwards in one.
"Cached" batches are what the student wrote itself, masked as it was while it wrote, with the dual cache (`training.trajectories`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from sinkprune.training.base import BEGIN_TOKEN_ID, END_TOKEN_ID, MASK_TOKEN_ID
from sinkprune.training.batches import Batch
from sinkprune.training.trajectories import STATES, cached_states

BLOCK = 32
MIN_T = 0.02


@dataclass(frozen=True)
class Shares:
    """How often each kind of batch or row occurs."""

    causal: float = 0.25  # of the batches
    cached: float = 0.0  # of the batches
    guided: float = 0.0  # of the batches; the rest are masked
    whole: float = 0.6  # of the masked rows
    block: float = 0.25  # of the masked rows; the rest are canvas rows


def stratified_times(rows: int, generator: torch.Generator) -> Tensor:
    """(rows,) noise levels in [MIN_T, 1], one from each of `rows` equal strata, in random order."""
    device = generator.device
    strata = torch.randperm(rows, generator=generator, device=device)
    t = (strata + torch.rand(rows, generator=generator, device=device)) / rows
    return MIN_T + (1 - MIN_T) * t


def maskable_tokens(batch: Batch, shares: Shares, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N) bool twice: tokens that become MASK with probability t and count, and tokens that are MASK without counting; and
    (B, 1) bool: block rows."""
    device = batch.ids.device
    rows, length = batch.ids.shape
    position = torch.arange(length, device=device)
    kind = torch.rand(rows, 1, generator=generator, device=device)
    whole, block = kind < shares.whole, kind >= 1 - shares.block
    canvas = batch.real & (position >= batch.prompt[:, None])
    blocks = (batch.total - batch.prompt) // BLOCK
    chosen = (torch.rand(rows, generator=generator, device=device) * blocks).long()
    start = (batch.prompt + chosen * BLOCK)[:, None]
    in_block = (position >= start) & (position < start + BLOCK)
    counted = torch.where(whole, batch.real, torch.where(block, in_block, canvas))
    ahead = block & canvas & (position >= start + BLOCK)
    return counted, ahead, block


def denoising_batch(batch: Batch, shares: Shares, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(noised ids (B, N), the masked positions that count (B, N) bool, weights (B,), whether a row is a block row (B, 1) bool).

    The weight of a row is 1 / (t x maskable tokens).
    """
    counted, ahead, block = maskable_tokens(batch, shares, generator)
    t = stratified_times(len(batch.ids), generator)
    draw = torch.rand(batch.ids.shape, generator=generator, device=batch.ids.device)
    masked = counted & (draw < t[:, None])
    noised = batch.ids.masked_fill(masked | ahead, MASK_TOKEN_ID)
    return noised, masked, 1 / (t * counted.sum(1)), block


def forwarded(kind: str, length: int) -> int:
    """How many tokens of a forward a row of `length` tokens takes in a batch of this kind."""
    if kind == "guided":  # the guide reads every row twice
        return 2 * length
    return length + STATES * BLOCK if kind == "cached" else length


def denoising_hidden(model: LlamaForCausalLM, ids: Tensor, batch: Batch) -> Tensor:
    """(B, N, D) last hidden states of the noised ids (B, N): every place sees all real tokens of its row."""
    return model.model(ids, attention_mask=batch.real, is_causal=False, use_cache=False).last_hidden_state


@torch.no_grad()
def guided_log_probs(guide: LlamaForCausalLM, noised: Tensor, masked: Tensor, batch: Batch, guidance: float) -> Tensor:
    """(R, V) log-probabilities at the R `masked` places: softmax((1 + w) logits - w logits without the prompt), w = guidance.

    noised: (B, N) ids; without the prompt: every token before the canvas is MASK.
    """
    position = torch.arange(noised.shape[1], device=noised.device)
    unasked = noised.masked_fill(position < batch.prompt[:, None], MASK_TOKEN_ID)
    asked, free = (guide.lm_head(denoising_hidden(guide, ids, batch)[masked]) for ids in (noised, unasked))
    return torch.lerp(free.float(), asked.float(), 1 + guidance).log_softmax(-1)


class Objective(nn.Module):
    """The model with a loss for each kind of batch; `forward` returns a scalar in nats per token.

    certainty: weight of the entropy of right predictions in block rows and cached batches (certainty forcing, dParallel, arXiv 2509.26488).
    The model learns to commit early, many tokens in one step, where its prediction is right. End tokens do not count: forced, they come
    too soon. guidance: how much the frozen model of guided batches is guided.
    """

    def __init__(self, model: LlamaForCausalLM, certainty: float = 0.0, guidance: float = 0.0):
        super().__init__()
        self.model = model
        self.certainty = certainty
        self.guidance = guidance
        self._guide: tuple[LlamaForCausalLM, ...] = ()  # a tuple, so that the guide is no part of what is trained

    @property
    def guide(self) -> LlamaForCausalLM | None:
        """The frozen model that guided batches learn from."""
        return self._guide[0] if self._guide else None

    def set_guide(self, model: LlamaForCausalLM) -> None:
        self._guide = (model,)

    def forward(self, kind: str, batch: Batch, shares: Shares, generator: torch.Generator) -> Tensor:
        """kind: causal, cached, guided or masked."""
        if kind == "causal":
            return self.next_token(batch)
        if kind == "cached":
            return self.cached(batch, generator)
        return (self.guided if kind == "guided" else self.masked)(batch, shares, generator)

    def guided(self, batch: Batch, shares: Shares, generator: torch.Generator) -> Tensor:
        rows = Shares(whole=0.0, block=shares.block / max(1e-9, 1 - shares.whole))
        noised, masked, weight, _ = denoising_batch(batch, rows, generator)
        target = guided_log_probs(self.guide, noised, masked, batch, self.guidance).exp()
        hidden = denoising_hidden(self.model, noised, batch)[masked]
        loss = F.cross_entropy(self.model.lm_head(hidden).float(), target, reduction="none")
        return (loss * weight[:, None].expand_as(masked)[masked]).sum() / len(batch.ids)

    def masked(self, batch: Batch, shares: Shares, generator: torch.Generator) -> Tensor:
        noised, masked, weight, block = denoising_batch(batch, shares, generator)
        hidden = denoising_hidden(self.model, noised, batch)[masked]
        loss = self.token_losses(hidden, batch.ids[masked], forced=block.expand_as(masked)[masked])
        return (loss * weight[:, None].expand_as(masked)[masked]).sum() / len(batch.ids)

    def cached(self, batch: Batch, generator: torch.Generator) -> Tensor:
        states = cached_states(batch, BLOCK, generator)
        hidden = self.model.model(
            states.ids,
            attention_mask=states.visible,
            position_ids=states.position,
            is_causal=False,
            use_cache=False,
        ).last_hidden_state
        counted = states.weight > 0
        loss = self.token_losses(hidden[counted], states.target[counted], forced=True)
        return (loss * states.weight[counted]).sum() / states.weight.sum()

    def token_losses(self, hidden: Tensor, target: Tensor, forced: Tensor | bool) -> Tensor:
        """Cross-entropy (R,) of hidden states (R, D), plus the weighted entropy of right predictions where `forced`."""
        logits = self.model.lm_head(hidden).float()
        loss = F.cross_entropy(logits, target, reduction="none")
        if not self.certainty:
            return loss
        right = (logits.argmax(-1) == target) & (target != END_TOKEN_ID) & forced
        log_p = logits.log_softmax(-1)
        return loss - self.certainty * right * (log_p.exp() * log_p).sum(-1)

    def next_token(self, batch: Batch) -> Tensor:
        """Next-token cross-entropy after the begin token, up to the first end token; causal rows never see the padding on the right."""
        begin = torch.full_like(batch.ids[:, :1], BEGIN_TOKEN_ID)
        seen = torch.cat([begin, batch.ids[:, :-1]], dim=1)
        hidden = self.model.model(seen, is_causal=True, use_cache=False).last_hidden_state
        counted = torch.arange(batch.ids.shape[1], device=batch.ids.device) <= batch.end[:, None]
        return F.cross_entropy(self.model.lm_head(hidden[counted]).float(), batch.ids[counted])

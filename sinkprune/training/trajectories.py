"""The states that block-wise decoding with the dual cache met while the student wrote its own answers.

A state is a block as it stood before one of its forwards. Tokens that earlier forwards committed are known; the rest is MASK. Keys and
values outside the block are those of the block's first forward, when the block was nothing but MASK. Which forward committed a token is
known (`training.own_answers`). A student that learns to write in one forward what it wrote in several needs fewer forwards next time. The
literature calls these states pseudo-trajectories (d3LLM, arXiv 2601.07568).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from sinkprune.training.base import MASK_TOKEN_ID

if TYPE_CHECKING:
    from sinkprune.training.batches import Batch

STATES = 3  # of a block, besides its first
SOON = 0.8  # weight of a token that the n-th forward from now committed: SOON^n


class States(NamedTuple):
    """One row per example: the canvas when a block was opened, N tokens, then the same block in STATES later states.

    ids, target, position: (B, N + STATES x block) int64; weight: the same shape, float32, 1 in sum for each state that has masks left;
    visible: (B, 1, M, M) bool, who attends to whom: the canvas to itself, a later state to itself and to the canvas outside the block.
    """

    ids: Tensor
    target: Tensor
    position: Tensor
    weight: Tensor
    visible: Tensor


def cached_states(batch: Batch, block: int, generator: torch.Generator) -> States:
    """States of one block of each example, drawn among the blocks that hold text; the batch has its steps."""
    rows, length = batch.ids.shape
    device = batch.ids.device
    blocks = (batch.end - batch.prompt) // block + 1
    start = batch.prompt + (torch.rand(rows, generator=generator, device=device) * blocks).long() * block
    position = torch.arange(length, device=device).expand(rows, -1)
    place = start[:, None] + torch.arange(block, device=device)
    inside = (position >= start[:, None]) & (position < start[:, None] + block)
    opened = batch.ids.masked_fill(batch.real & (position >= start[:, None]), MASK_TOKEN_ID)

    text, committed = batch.ids.gather(1, place), batch.steps.gather(1, place)
    last = committed.amax(1, keepdim=True)
    now = 1 + (torch.rand(rows, STATES, generator=generator, device=device) * last).long()
    wait = committed[:, None] - now[:, :, None]  # (B, STATES, block): how many forwards from now; negative where known
    later = text[:, None].expand_as(wait)
    first = torch.zeros(rows, length, device=device).scatter(1, place, soon_weight(committed))
    return States(
        ids=torch.cat([opened, later.masked_fill(wait >= 0, MASK_TOKEN_ID).flatten(1)], 1),
        target=torch.cat([batch.ids, later.flatten(1)], 1),
        position=torch.cat([position, place.repeat(1, STATES)], 1),
        weight=torch.cat([first, soon_weight(wait).flatten(1)], 1),
        visible=visibility(batch.real, inside, block)[:, None],
    )


def soon_weight(wait: Tensor) -> Tensor:
    """SOON^wait where `wait` (..., T) is not negative, divided by its sum over the last axis."""
    weight = torch.where(wait >= 0, SOON ** wait.float(), 0.0)
    return weight / weight.sum(-1, keepdim=True).clamp(min=1e-9)


def visibility(real: Tensor, inside: Tensor, block: int) -> Tensor:
    """(B, M, M) bool from the canvas's real tokens and the block's places, both (B, N)."""
    rows, length = real.shape
    size = length + STATES * block
    visible = torch.zeros(rows, size, size, dtype=torch.bool, device=real.device)
    visible[:, :length, :length] = real[:, None]
    visible[:, length:, :length] = (real & ~inside)[:, None]
    for state in range(length, size, block):
        visible[:, state : state + block, state : state + block] = True
    return visible

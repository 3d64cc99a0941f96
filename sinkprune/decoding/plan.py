"""Where a run begins and which positions it fills: an answer after a prompt, blanks inside a text, or what an edited step leaves open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from sinkprune.decoding.records import DecodeConfig, Step


@dataclass(frozen=True)
class Plan:
    """canvas: (1, N), where the run begins. blocks: the positions of each block, ascending; all others are given and stay.

    steps: denoising steps of each block, unused with threshold or factor. index: of the first step; nfe, seconds: spent before it.
    """

    canvas: torch.Tensor
    blocks: list[torch.Tensor]
    steps: list[int]
    index: int = 0
    nfe: int = 0
    seconds: float = 0.0

    @property
    def given(self) -> torch.Tensor:
        """(N,) bool, the positions outside all blocks."""
        return torch.ones(self.canvas.shape[1], dtype=torch.bool).index_fill(0, torch.cat(self.blocks), False)


def plan_answer(prompt: torch.Tensor, config: DecodeConfig, mask: int) -> Plan:
    """gen_length MASK tokens after the prompt (1, P), in blocks from left to right."""
    canvas = torch.cat([prompt, torch.full((1, config.gen_length), mask)], dim=1)
    return _in_blocks(canvas, torch.arange(prompt.shape[1], canvas.shape[1]), config)


def plan_blanks(text: torch.Tensor, config: DecodeConfig, mask: int) -> Plan:
    """The MASK tokens inside the text (1, N), in blocks of block_length blanks from left to right; nothing is appended."""
    blanks = (text[0] == mask).nonzero()[:, 0]
    if not len(blanks):
        raise ValueError("the text has no MASK token: leave a blank to fill in")
    return _in_blocks(text.clone(), blanks, config)


def _in_blocks(canvas: torch.Tensor, positions: torch.Tensor, config: DecodeConfig) -> Plan:
    blocks = list(positions.split(config.block_length))
    return Plan(canvas, blocks, [config.steps // config.blocks] * len(blocks))


def plan_rest(plan: Plan, steps: Sequence[Step], step: int, edits: Mapping[int, int], mask: int) -> Plan:
    """What is left to fill after steps[step] of a run with this plan, once `edits` (position -> token or MASK) are made."""
    before = step_at(steps, step)
    canvas = before.canvas.clone()
    given = plan.given
    if canvas.shape != plan.canvas.shape or not torch.equal(canvas[0, given], plan.canvas[0, given]):
        raise ValueError("these steps belong to another prompt or length: resume a run with what it was started with")
    fixed = sorted(position for position in edits if not 0 <= position < len(given) or given[position])
    if fixed:
        raise ValueError(f"position {fixed[0]} is not one that this run writes: edit a token of the answer")
    for position, token in edits.items():
        canvas[0, position] = token
    masked = [(canvas[0, block] == mask).sum().item() for block in plan.blocks]
    if not any(masked):
        raise ValueError("nothing is left to write: mask a token, or resume an earlier step")
    done = [sum(one.block == number for one in steps[: step + 1]) for number in range(len(plan.blocks))]
    # An interrupted block keeps the steps it had left; a finished one that lost tokens fills them at the same pace.
    left = [
        max(whole - spent, math.ceil(whole * open_ / len(block)))
        for whole, spent, open_, block in zip(plan.steps, done, masked, plan.blocks, strict=True)
    ]
    return replace(plan, canvas=canvas, steps=left, index=before.index + 1, nfe=before.nfe, seconds=before.seconds)


def step_at(steps: Sequence[Step], step: int) -> Step:
    """steps[step]. ValueError where there is no such step."""
    if not 0 <= step < len(steps):
        raise ValueError(f"step must lie between 0 and {len(steps) - 1}, not {step}")
    return steps[step]

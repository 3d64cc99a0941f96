"""The student answers the teacher's prompts itself: the data of the last phase.

    python -m sinkprune.training.own_answers build/base build/model build/answers build/own --minutes 3    # one process per GPU: --part 0/2

A model that learns its own answers becomes surer of them, and then writes more tokens in one step (dParallel, arXiv 2509.26488).
`training.examples` drops answers that repeat themselves, so the student learns from its best answers. Files are named and filled as the
teacher's are, in ids of the student's tokenizer. Beside R stand three arrays:

- steps, (prompts, canvas) uint8: which forward of its block committed a token, 0 the first.
- surprise, (prompts,) float32: the largest surprisal of a token, in nats, when the same weights read the answer causally. Tokens committed
  together can contradict each other ("a a lamp"); reading from left to right notices.
- first, (prompts,) bool: whether the judge (`training.judge`) finds the answer likelier after its own prompt than after OTHERS other ones.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaForCausalLM

from sinkprune.decoding.cache import CanvasCache, rows_to_forward
from sinkprune.decoding.commit import best_tokens
from sinkprune.models import LoadedModel, causal_prompt, causal_view, encode_prompt, load_model
from sinkprune.training.answers import TURN, load_teacher, save_until, share
from sinkprune.training.base import END_TOKEN_ID
from sinkprune.training.examples import OWN, until_end
from sinkprune.training.judge import log_likelihoods
from sinkprune.training.teacher import PAD

CANVASES = (64, 96, 64)  # in turn; the page begins with 96
BLOCK, THRESHOLD = 32, 0.97  # higher than the page's 0.9: fewer tokens committed together contradict each other
CHUNK = 8192  # rows of logits at a time
SCORED = 256  # answers read at a time
OTHERS = 7  # prompts that an answer is tried with besides its own


@torch.inference_mode()
def write_canvases(loaded: LoadedModel, prompts: Tensor, length: int, block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """What `decoding.generate` with THRESHOLD and the dual cache writes after each of `prompts` (B, P), and when.

    (tokens (B, length) int64, steps (B, length) uint8), on the CPU. All rows are forwarded together. A row whose block is full rests until
    every block is full. The loop stands beside `decoding.denoise` because that one writes one prompt at a time, and this one a thousand.
    """
    mask, start = loaded.spec.mask_token_id, prompts.shape[1]
    canvas = F.pad(prompts.to(loaded.device), (0, length), value=mask)
    steps = torch.zeros_like(canvas, dtype=torch.uint8)
    for first in range(start, start + length, block):
        _fill_block(loaded, canvas, steps, first, first + block)
    return canvas[:, start:].cpu(), steps[:, start:].cpu()


def _fill_block(loaded: LoadedModel, canvas: Tensor, steps: Tensor, start: int, end: int) -> None:
    """Fill the block start..end of every row of `canvas` (B, N), and note in `steps` (B, N) which forward did."""
    mask, cache = loaded.spec.mask_token_id, CanvasCache()
    open_rows = torch.arange(len(canvas), device=canvas.device)
    for step in range(end - start):  # each commits at least one token
        span = rows_to_forward("dual", step == 0, start, end, canvas.shape[1])
        cache.overwrite_from(span[0])
        logits = loaded.model(
            canvas[open_rows, slice(*span)],
            position_ids=torch.arange(*span, device=canvas.device)[None],
            past_key_values=cache,
            logits_to_keep=slice(start - span[0], end - span[0]),
        ).logits
        ids = canvas[open_rows, start:end]
        tokens, confidence = best_of_masked(logits, ids == mask, mask)
        sure = confidence >= THRESHOLD
        sure |= confidence == confidence.amax(1, keepdim=True)  # at least one
        ids = torch.where(sure, tokens, ids)
        canvas[open_rows, start:end] = ids
        steps[open_rows, start:end] = steps[open_rows, start:end].masked_fill(sure, step)
        still_open = (ids == mask).any(1).nonzero()[:, 0]
        if len(still_open) < len(open_rows):
            cache.batch_select_indices(still_open)
            open_rows = open_rows[still_open]
        if not len(open_rows):
            break


def best_of_masked(logits: Tensor, masked: Tensor, mask_token_id: int) -> tuple[Tensor, Tensor]:
    """(tokens, confidence), both (B, T), of logits (B, T, V); confidence is -1 where not `masked` (B, T)."""
    tokens = torch.zeros(masked.shape, dtype=torch.long, device=masked.device)
    confidence = torch.full(masked.shape, -1.0, device=masked.device)
    for row, place in zip(*(index.split(CHUNK) for index in masked.nonzero(as_tuple=True)), strict=True):
        tokens[row, place], confidence[row, place] = best_tokens(logits[row, place], mask_token_id)
    return tokens, confidence


@torch.inference_mode()
def largest_surprise(causal: LoadedModel, prompts: Tensor, canvases: Tensor) -> Tensor:
    """(B,) float32 on the CPU: the largest -log p of a token of `canvases` (B, T) after `prompts` (B, P), up to the first end token."""
    nats = []
    for before, canvas in zip(causal_prompt(causal, prompts).split(SCORED), canvases.split(SCORED), strict=True):
        seen = torch.cat([before, canvas[:, :-1]], 1).to(causal.device)
        logits = causal.model(seen, use_cache=False, logits_to_keep=canvas.shape[1]).logits
        target = canvas.to(causal.device)
        nats.append(F.cross_entropy(logits.float().transpose(1, 2), target, reduction="none").cpu())
    return torch.cat(nats).masked_fill(after_end(canvases), 0).amax(1)


def after_end(canvases: Tensor) -> Tensor:
    """(B, T) bool, True after the first end token of a row."""
    is_end = (canvases == END_TOKEN_ID).int()
    return is_end.cumsum(1) > is_end


def as_answers(canvases: Tensor) -> np.ndarray:
    """(B, T) uint16 as the teacher's answers are saved: everything after the first end token is PAD."""
    return canvases.masked_fill(after_end(canvases), PAD).numpy().astype(np.uint16)


def read_prompts(answers: Path, part: int, parts: int) -> list[str]:
    """Every prompt of the teacher's files once, in random order; the share of one of `parts` processes."""
    files = sorted(answers.glob("answers-*.txt"))
    prompts = list(dict.fromkeys(line for file in files for line in file.read_text().splitlines()))
    random.Random(0).shuffle(prompts)
    return prompts[part::parts]


def batches(loaded: LoadedModel, prompts: list[str], size: int) -> Iterator[tuple[list[str], Tensor]]:
    """Prompts of equal length in tokens, at most `size` at a time, so that none needs padding; a group comes when it is full."""
    groups: dict[int, list[tuple[str, Tensor]]] = {}
    for prompt in prompts:
        ids = encode_prompt(loaded, prompt)
        group = groups.setdefault(ids.shape[1], [])
        group.append((prompt, ids))
        if len(group) == size:
            yield _joined(groups.pop(ids.shape[1]))
    for group in groups.values():
        yield _joined(group)


def _joined(group: list[tuple[str, Tensor]]) -> tuple[list[str], Tensor]:
    prompts, ids = zip(*group, strict=True)
    return list(prompts), torch.cat(ids)


@torch.inference_mode()
def ranks_first(judge: LlamaForCausalLM, tokenizer, prompts: list[str], canvases: Tensor) -> np.ndarray:
    """(B,) bool: whether each row of canvases (B, T) is likelier after its own prompt than after OTHERS others of the batch."""
    turns = [tokenizer(TURN.format(prompt), add_special_tokens=False).input_ids for prompt in prompts]
    texts, _ = until_end(canvases.numpy())
    shifts = [0, *random.sample(range(1, len(prompts)), min(OTHERS, len(prompts) - 1))]
    tried = [log_likelihoods(judge, turns[shift:] + turns[:shift], texts) for shift in shifts]
    return (torch.stack(tried).argmax(0) == 0).numpy()


def answered(
    loaded: LoadedModel, judge: LlamaForCausalLM, tokenizer, groups: Iterable[tuple[list[str], Tensor]]
) -> Iterator[tuple[list[str], dict]]:
    """Prompts and what their file holds, group by group, on the canvases in turn."""
    causal = causal_view(loaded)
    for (prompts, ids), length in zip(groups, cycle(CANVASES)):
        canvases, steps = write_canvases(loaded, ids, length)
        surprise = largest_surprise(causal, ids, canvases)
        first = ranks_first(judge, tokenizer, prompts, canvases)
        yield prompts, {"R": as_answers(canvases), "steps": steps.numpy(), "surprise": surprise.numpy(), "first": first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path, help="the judge")
    parser.add_argument("model", type=Path)
    parser.add_argument("answers", type=Path, help="folder of the teacher's answers, whose prompts are taken")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--part", type=share, default="0/1", help="which share of the prompts: i/n")
    parser.add_argument("--batch", type=int, default=1024)
    args = parser.parse_args()
    part, parts = args.part
    loaded, (judge, tokenizer) = load_model(args.model), load_teacher(args.base)
    prompts = read_prompts(args.answers, part, parts)
    save_until(
        args.minutes,
        args.folder,
        f"{OWN}-{part}",
        answered(loaded, judge, tokenizer, batches(loaded, prompts, args.batch)),
    )


if __name__ == "__main__":
    main()

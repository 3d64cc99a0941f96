"""The denoising loop: a canvas of MASK tokens is filled in block by block, one forward and one `Step` at a time.

One loop for all cache modes: the mode only says which rows are forwarded (forwarding.py), and which tokens to commit is a pure function
of their logits (commit.py). A block ends when it is full, so no forward is wasted. MASK tokens inside the prompt are never filled in.
Nothing is changed outside between two steps: inference mode, recording and random numbers belong to a single forward or to this generator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from sinkprune.decoding.checks import check_denoises, check_finite, check_prompt_ids
from sinkprune.decoding.commit import best_tokens, choose, negative_entropy
from sinkprune.decoding.forwarding import CanvasReader
from sinkprune.decoding.guidance import guided, without_given
from sinkprune.decoding.packing import packed_view
from sinkprune.decoding.records import DecodeConfig, Generation, Step
from sinkprune.models import LoadedModel


def denoise(
    loaded: LoadedModel, prompt_ids: torch.Tensor, config: DecodeConfig, record: bool = False
) -> Iterator[Step]:
    """Write an answer to `prompt_ids` (1, P), yielding a `Step` after each forward; with `record`, steps carry column mass.

    LLaDA's low-confidence (or random) remasking, or Fast-dLLM's parallel rules; models with shifted logits (Dream) rank positions by
    negative entropy where no threshold or factor is set. Raises ValueError at the call where prompt and settings do not fit the model.
    """
    check_denoises(loaded)
    return _denoise(loaded, check_prompt_ids(loaded, prompt_ids, config.gen_length), config, record)


def generate(loaded: LoadedModel, prompt_ids: torch.Tensor, config: DecodeConfig, record: bool = False) -> Generation:
    """Run `denoise` to its end."""
    steps = list(denoise(loaded, prompt_ids, config, record))
    return Generation(tokens=steps[-1].canvas, nfe=steps[-1].nfe, seconds=steps[-1].seconds, steps=steps)


def _denoise(loaded: LoadedModel, prompt: torch.Tensor, config: DecodeConfig, record: bool) -> Iterator[Step]:
    loaded = packed_view(loaded)
    mask = loaded.spec.mask_token_id
    canvas = torch.cat([prompt, torch.full((1, config.gen_length), mask)], dim=1)  # (1, N) on the CPU
    given = torch.arange(canvas.shape[1]) < prompt.shape[1]
    reader = CanvasReader(loaded, config, record)
    unguided = CanvasReader(loaded, config, record=False) if config.cfg_scale else None
    generator = torch.Generator().manual_seed(config.seed)
    index, nfe, seconds = 0, 0, 0.0
    for block in range(config.blocks):
        start = prompt.shape[1] + block * config.block_length
        end = start + config.block_length
        for step in range(config.block_length):  # each step commits at least one token
            began = time.perf_counter()
            asked = _positions_to_fill(canvas, start, end, loaded, config.cache != "none" and step == 0)
            seen = reader.read(canvas, (start, end), step, asked)
            logits, forwards = seen.logits, 1
            if unguided:
                bare = unguided.read(without_given(canvas, given, mask), (start, end), step, asked)
                logits, forwards = guided(logits, bare.logits, config.cfg_scale), 2
            steps_left = config.steps // config.blocks - step
            committed, tokens, confidence = _commit(logits, asked, loaded, config, steps_left, generator)
            canvas[0, committed] = tokens
            seconds += time.perf_counter() - began
            nfe += forwards
            yield Step(
                index=index,
                block=block,
                nfe=nfe,
                canvas=canvas.clone(),
                committed=committed,
                confidence=torch.full((canvas.shape[1],), torch.nan).index_copy(0, asked, confidence),
                rows=seen.rows,
                seconds=seconds,
                column_mass=seen.column_mass,
                kv_entries=forwards * seen.kv_entries,
                kv_bytes=forwards * seen.kv_bytes,
                kept=seen.kept,
            )
            index += 1
            if not (canvas[0, start:end] == mask).any():
                break


def _positions_to_fill(
    canvas: torch.Tensor, start: int, end: int, loaded: LoadedModel, first_of_cached: bool
) -> torch.Tensor:
    """(R,) the block's masked positions that the coming forward may fill.

    With shifted logits and a cache, a block's first token is predicted by a row that later forwards leave out. So the block's first
    forward fills that token, and nothing else (Fast-dLLM's block mode for Dream).
    """
    if loaded.spec.shift_logits and first_of_cached:
        return torch.tensor([start])
    return start + (canvas[0, start:end] == loaded.spec.mask_token_id).nonzero()[:, 0]


def _commit(
    logits: torch.Tensor,
    asked: torch.Tensor,
    loaded: LoadedModel,
    config: DecodeConfig,
    steps_left: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(positions (C,) ascending, tokens (C,), confidence (R,) of all asked positions), on the CPU."""
    tokens, confidence = best_tokens(logits, loaded.spec.mask_token_id, config.temperature, generator)
    tokens, confidence = tokens.cpu(), confidence.cpu()
    check_finite(confidence)  # a NaN or infinity among the logits of a row makes each of its probabilities NaN
    ranking = confidence
    if config.remasking == "random":
        ranking = torch.rand(confidence.shape, generator=generator)
    elif loaded.spec.shift_logits and config.threshold is None and config.factor is None:
        ranking = negative_entropy(logits).cpu()
    chosen = choose(ranking, config, steps_left).sort().values
    return asked[chosen], tokens[chosen], confidence

"""The denoising loop: a canvas of MASK tokens is filled in block by block, one forward and one `Step` at a time.

One loop for all cache modes: the mode only says which rows are forwarded (cache.py), and which tokens to commit is a pure function of
their logits (commit.py). A block ends when it is full, so no forward is wasted. MASK tokens inside the prompt are never filled in.
Nothing is changed outside between two steps: inference mode, recording and random numbers belong to a single forward or to this generator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext

import torch

from sinkprune.decoding.cache import CanvasCache, rows_to_forward
from sinkprune.decoding.checks import check_denoises, check_finite, check_prompt
from sinkprune.decoding.commit import best_tokens, choose, negative_entropy
from sinkprune.decoding.packing import packed_view
from sinkprune.decoding.records import DecodeConfig, Generation, Step
from sinkprune.models import LoadedModel
from sinkprune.sinks import record_attention


def denoise(
    loaded: LoadedModel, prompt_ids: torch.Tensor, config: DecodeConfig, record: bool = False
) -> Iterator[Step]:
    """Write an answer to `prompt_ids` (1, P), yielding a `Step` after each forward; with `record`, steps carry column mass.

    LLaDA's low-confidence (or random) remasking, or Fast-dLLM's parallel rules; models with shifted logits (Dream) rank positions by
    negative entropy where no threshold or factor is set. Raises ValueError at the call where prompt and settings do not fit the model.
    """
    check_denoises(loaded)
    return _denoise(loaded, check_prompt(loaded, prompt_ids, config.gen_length), config, record)


def generate(loaded: LoadedModel, prompt_ids: torch.Tensor, config: DecodeConfig, record: bool = False) -> Generation:
    """Run `denoise` to its end."""
    steps = list(denoise(loaded, prompt_ids, config, record))
    return Generation(tokens=steps[-1].canvas, nfe=steps[-1].nfe, seconds=steps[-1].seconds, steps=steps)


def _denoise(loaded: LoadedModel, prompt: torch.Tensor, config: DecodeConfig, record: bool) -> Iterator[Step]:
    loaded = packed_view(loaded)
    mask = loaded.spec.mask_token_id
    canvas = torch.cat([prompt, torch.full((1, config.gen_length), mask)], dim=1)  # (1, N) on the CPU
    length = canvas.shape[1]
    cache = CanvasCache() if config.cache != "none" else None
    generator = torch.Generator().manual_seed(config.seed)
    index, seconds = 0, 0.0
    for block in range(config.blocks):
        start = prompt.shape[1] + block * config.block_length
        end = start + config.block_length
        for step in range(config.block_length):  # each step commits at least one token
            began = time.perf_counter()
            rows = rows_to_forward(config.cache, step == 0, start, end, length)
            asked = _positions_to_fill(canvas, start, end, loaded, first_of_cached=cache is not None and step == 0)
            logits, mass = _forward(loaded, canvas, rows, asked, cache, record)
            steps_left = config.steps // config.blocks - step
            committed, tokens, confidence = _commit(logits, asked, loaded, config, steps_left, generator)
            canvas[0, committed] = tokens
            seconds += time.perf_counter() - began
            yield Step(
                index=index,
                block=block,
                nfe=index + 1,
                canvas=canvas.clone(),
                committed=committed,
                confidence=torch.full((length,), torch.nan).index_copy(0, asked, confidence),
                rows=rows,
                seconds=seconds,
                column_mass=mass,
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


def _forward(
    loaded: LoadedModel,
    canvas: torch.Tensor,
    rows: tuple[int, int],
    asked: torch.Tensor,
    cache: CanvasCache | None,
    record: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(logits (R, V) that predict the positions `asked`, column mass (L, H, N) on the CPU or None) of one forward over `rows`."""
    device = loaded.device
    keep = asked - rows[0] - (1 if loaded.spec.shift_logits else 0)
    # With layers on several devices an index would be sent to the first one, and the last layer's rows are elsewhere.
    several = len(set((getattr(loaded.model, "hf_device_map", None) or {}).values())) > 1
    span = slice(int(keep[0]), int(keep[-1]) + 1)
    if cache is not None:
        cache.overwrite_from(rows[0])
    with torch.inference_mode(), record_attention(loaded) if record else nullcontext() as recording:
        logits = loaded.model(
            canvas[:, slice(*rows)].to(device),
            position_ids=torch.arange(*rows, device=device)[None],
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=span if several else keep.to(device),
        ).logits[0]
        if several:
            logits = logits[keep - span.start]
    # Stacked outside inference mode, the mass is an ordinary tensor, which a consumer may change or keep.
    return logits, recording.column_mass[:, 0].cpu() if record else None


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

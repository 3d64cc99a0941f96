"""The denoising loop: a canvas of MASK tokens is filled in block by block, one forward and one `Step` at a time.

One loop serves all cache modes. The mode says which rows are forwarded (forwarding.py). Pure functions say which tokens are committed
(commit.py) and whether the answer has ended (ending.py). One loop also for all that can be filled in (plan.py): an answer after a prompt,
blanks inside a text, or what an edited step leaves open. A block ends when it is full, so no forward is wasted.
Nothing is changed outside between two steps: inference mode, recording, an intervention and random numbers belong to a single forward or to
this generator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import torch

from sinkprune.decoding.checks import check_denoises, check_edits, check_finite, check_prompt_ids
from sinkprune.decoding.commit import best_tokens, choose, likeliest, negative_entropy
from sinkprune.decoding.ending import positions_after_end
from sinkprune.decoding.forwarding import CanvasReader
from sinkprune.decoding.guidance import guided, without_given
from sinkprune.decoding.interventions import Intervention, check_intervention
from sinkprune.decoding.packing import packed_view
from sinkprune.decoding.plan import Plan, plan_answer, plan_blanks, plan_rest
from sinkprune.decoding.records import DecodeConfig, Generation, Step, Wanted
from sinkprune.models import LoadedModel


def denoise(
    loaded: LoadedModel,
    prompt_ids: torch.Tensor,
    config: DecodeConfig,
    record: bool = False,
    *,
    blanks: bool = False,
    intervention: Intervention | None = None,
    value_norms: bool = False,
    candidates: bool = False,
) -> Iterator[Step]:
    """Write an answer to `prompt_ids` (1, P), yielding a `Step` after each forward; with `record`, steps carry column mass.

    LLaDA's low-confidence (or random) remasking, or Fast-dLLM's parallel rules; models with shifted logits (Dream) rank positions by
    negative entropy where no threshold or factor is set. Raises ValueError at the call where prompt and settings do not fit the model.

    blanks: fill in the MASK tokens inside `prompt_ids` instead, in blocks of block_length blanks; gen_length then only says, with `steps`,
        how many steps a block takes. Without it, MASK tokens inside the prompt stay.
    intervention: changes attention in this run alone (interventions.py).
    value_norms, candidates: what steps carry besides, see `Step`; value norms bring column mass along.
    """
    plan = _plan(loaded, prompt_ids, config, blanks, intervention)
    return _denoise(loaded, plan, config, intervention, Wanted(record, value_norms, candidates))


def generate(
    loaded: LoadedModel, prompt_ids: torch.Tensor, config: DecodeConfig, record: bool = False, **options
) -> Generation:
    """Run `denoise` to its end. options: its keywords."""
    steps = list(denoise(loaded, prompt_ids, config, record, **options))
    return Generation(tokens=steps[-1].canvas, nfe=steps[-1].nfe, seconds=steps[-1].seconds, steps=steps)


def resume(
    loaded: LoadedModel,
    prompt_ids: torch.Tensor,
    config: DecodeConfig,
    steps: Sequence[Step],
    step: int,
    edits: Mapping[int, int] | None = None,
    record: bool = False,
    *,
    blanks: bool = False,
    intervention: Intervention | None = None,
    value_norms: bool = False,
    candidates: bool = False,
) -> Iterator[Step]:
    """Go on from steps[step] of a run of `denoise`, after `edits` (position -> token id or MASK): the steps that follow it.

    prompt_ids and blanks: as for that run; the rest may differ. Index, nfe and seconds go on from the step. Without edits, cache,
    intervention and random numbers the rest of the run comes out again. Else it is as determined, but cache, intervention and random
    numbers begin anew.
    Raises ValueError at the call: positions outside the answer, steps of another run, nothing left to write.
    """
    edits = edits or {}
    plan = _plan(loaded, prompt_ids, config, blanks, intervention)
    check_edits(loaded, edits)
    rest = plan_rest(plan, steps, step, edits, loaded.spec.mask_token_id)
    return _denoise(loaded, rest, config, intervention, Wanted(record, value_norms, candidates))


def _plan(
    loaded: LoadedModel,
    prompt_ids: torch.Tensor,
    config: DecodeConfig,
    blanks: bool,
    intervention: Intervention | None,
) -> Plan:
    """The plan of a whole run, everything checked."""
    check_denoises(loaded)
    prompt = check_prompt_ids(loaded, prompt_ids, 0 if blanks else config.gen_length)
    plan = (plan_blanks if blanks else plan_answer)(prompt, config, loaded.spec.mask_token_id)
    check_intervention(loaded, intervention, plan.canvas.shape[1])
    return plan


def _denoise(
    loaded: LoadedModel, plan: Plan, config: DecodeConfig, intervention: Intervention | None, wanted: Wanted
) -> Iterator[Step]:
    loaded = packed_view(loaded)
    canvas, given, mask = plan.canvas.clone(), plan.given, loaded.spec.mask_token_id  # canvas: (1, N) on the CPU
    readers = [CanvasReader(loaded, config, intervention, wanted)]
    if config.cfg_scale:
        readers.append(CanvasReader(loaded, config, intervention, Wanted()))
    generator = torch.Generator().manual_seed(config.seed)
    index, nfe, seconds = plan.index, plan.nfe, plan.seconds
    for block, positions in enumerate(plan.blocks):
        for step in range(len(positions)):  # each step commits at least one token
            began = time.perf_counter()
            masked = positions[canvas[0, positions] == mask]
            if not len(masked):
                break
            asked = _positions_to_fill(masked, positions, loaded, config.cache != "none" and step == 0)
            views = [canvas, without_given(canvas, given, mask)] if config.cfg_scale else [canvas]
            span = (int(positions[0]), int(positions[-1]) + 1)
            seen, *bare = [r.read(view, span, step, asked) for r, view in zip(readers, views, strict=True)]
            logits = guided(seen.logits, bare[0].logits, config.cfg_scale) if bare else seen.logits
            committed, tokens, confidence = _commit(logits, asked, loaded, config, plan.steps[block] - step, generator)
            canvas[0, committed] = tokens
            filled = _fill_after_end(canvas, plan, loaded) if config.stop_at_end else None
            nfe += len(readers)
            seconds += time.perf_counter() - began
            yield Step(
                index=index,
                block=block,
                nfe=nfe,
                canvas=canvas.clone(),
                committed=committed,
                confidence=torch.full((canvas.shape[1],), torch.nan).index_copy(0, asked, confidence),
                seconds=seconds,
                candidates=likeliest(logits, asked, mask) if wanted.candidates else None,
                filled=filled,
                kv_entries=seen.kv_entries * len(readers),
                kv_bytes=seen.kv_bytes * len(readers),
                **seen.shown,
            )
            if filled is not None:
                return
            index += 1


def _fill_after_end(canvas: torch.Tensor, plan: Plan, loaded: LoadedModel) -> torch.Tensor | None:
    """(F,) the canvas positions that got the end token because the answer has ended, ascending; None while it has not ended.

    The canvas (1, N) is changed. The end token is the last one on it: a model with several ends an answer with one and repeats another.
    """
    start, spec = int(plan.blocks[0][0]), loaded.spec
    after = positions_after_end(canvas[0, start:], spec.mask_token_id, spec.end_token_ids)
    if after is None:
        return None
    written = canvas[0, canvas[0] != spec.mask_token_id]
    canvas[0, start + after] = written[-1]
    return start + after


def _positions_to_fill(
    masked: torch.Tensor, positions: torch.Tensor, loaded: LoadedModel, first_of_cached: bool
) -> torch.Tensor:
    """(R,) which masked ones of the block's positions the coming forward may fill.

    With shifted logits and a cache, a block's first token is predicted by a row that later forwards leave out. So the block's first
    forward fills that token, and nothing else (Fast-dLLM's block mode for Dream).
    """
    if loaded.spec.shift_logits and first_of_cached and masked[0] == positions[0]:
        return masked[:1]
    return masked


def _commit(
    logits: torch.Tensor,
    asked: torch.Tensor,
    loaded: LoadedModel,
    config: DecodeConfig,
    steps_left: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(positions (C,) ascending, tokens (C,), confidence (R,) of all asked positions), on the CPU."""
    check_finite(logits)
    tokens, confidence = best_tokens(logits, loaded.spec.mask_token_id, config.temperature, generator)
    tokens, confidence = tokens.cpu(), confidence.cpu()
    ranking = confidence
    if config.remasking == "random":
        ranking = torch.rand(confidence.shape, generator=generator)
    elif loaded.spec.shift_logits and config.threshold is None and config.factor is None:
        ranking = negative_entropy(logits).cpu()
    chosen = choose(ranking, config, steps_left).sort().values
    return asked[chosen], tokens[chosen], confidence

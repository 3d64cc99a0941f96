"""The autoregressive lane: the same weights with a causal mask write one token after the other, and yield the same `Step` records."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from transformers import DynamicCache

from sinkprune.decoding.checks import check_edits, check_finite, check_prompt_ids
from sinkprune.decoding.commit import best_tokens
from sinkprune.decoding.forwarding import column_bytes, shown_of, watched_forward
from sinkprune.decoding.interventions import Intervention, Session, check_intervention
from sinkprune.decoding.packing import packed_view
from sinkprune.decoding.plan import step_at
from sinkprune.decoding.records import Step, Wanted
from sinkprune.models import LoadedModel, causal_view


def autoregress(
    loaded: LoadedModel,
    prompt_ids: torch.Tensor,
    gen_length: int,
    record: bool = False,
    *,
    intervention: Intervention | None = None,
    value_norms: bool = False,
) -> Iterator[Step]:
    """Greedy next-token generation with a key-value cache: at most `gen_length` tokens, the end token included and last.

    Each step's canvas ends with the token it committed. Its column mass is exact: causal rows never change, so the rows computed so far
    are summed up. The newest token has no row yet; rows is (0, N - 1), its own mass 0, its value norm NaN.
    intervention: changes attention in this run alone; the first forward reads the prompt as ever, so only rows of the answer are changed,
        except where a cover's positions are given.
    Raises ValueError at the call for weights that only denoise (`spec.causal` False) and for a prompt that does not fit.
    """
    if gen_length < 1:
        raise ValueError(f"gen_length must be at least 1, not {gen_length}")
    causal, canvas = causal_view(loaded), check_prompt_ids(loaded, prompt_ids, gen_length)
    check_intervention(loaded, intervention, canvas.shape[1] + gen_length)
    return _autoregress(causal, canvas, gen_length, intervention, Wanted(record, value_norms))


def resume_autoregress(
    loaded: LoadedModel,
    prompt_ids: torch.Tensor,
    gen_length: int,
    steps: Sequence[Step],
    step: int,
    edits: Mapping[int, int] | None = None,
    record: bool = False,
    *,
    intervention: Intervention | None = None,
    value_norms: bool = False,
) -> Iterator[Step]:
    """Go on from steps[step] of a run of `autoregress`, after `edits` (position -> token id): the steps that follow it.

    prompt_ids and gen_length: as for that run. Later tokens stay, although they were written after another word.
    Raises ValueError at the call: positions outside the answer so far, MASK, an answer that has ended.
    """
    edits, mask = edits or {}, loaded.spec.mask_token_id
    causal, prompt = causal_view(loaded), check_prompt_ids(loaded, prompt_ids, gen_length)
    check_edits(loaded, edits)
    before = step_at(steps, step)
    canvas, start = before.canvas.clone(), prompt.shape[1]
    if not torch.equal(canvas[:, :start], prompt):
        raise ValueError("these steps belong to another prompt: resume a run with what it was started with")
    for position, token in edits.items():
        if not start <= position < canvas.shape[1]:
            raise ValueError(f"position {position} is not one that is written at this step: edit a token of the answer")
        if token == mask:
            raise ValueError("the autoregressive lane cannot fill a MASK in: put a token there")
        canvas[0, position] = token
    left = gen_length - (canvas.shape[1] - start)
    if left < 1 or int(canvas[0, -1]) in loaded.spec.end_token_ids:
        raise ValueError("nothing is left to write: resume an earlier step")
    check_intervention(loaded, intervention, canvas.shape[1] + left)
    return _autoregress(causal, canvas, left, intervention, Wanted(record, value_norms), before)


def _autoregress(
    causal: LoadedModel,
    canvas: torch.Tensor,
    gen_length: int,
    intervention: Intervention | None,
    wanted: Wanted,
    before: Step | None = None,
) -> Iterator[Step]:
    causal = packed_view(causal)
    cache, session = DynamicCache(), Session(intervention, causal.model.config) if intervention else None
    layers, bytes_of_column = causal.model.config.num_hidden_layers, column_bytes(causal)
    index, nfe, seconds = (before.index + 1, before.nfe, before.seconds) if before else (0, 0, 0.0)
    mass = None
    for count in range(gen_length):
        began = time.perf_counter()
        fresh = canvas if count == 0 else canvas[:, -1:]
        token, confidence, shown = _forward(causal, fresh, cache, canvas.shape[1], session, wanted)
        if wanted.attention:
            mass = shown["column_mass"] = _running_mass(mass, shown["column_mass"])
        position = canvas.shape[1]
        canvas = torch.cat([canvas, torch.tensor([[token]])], dim=1)
        seconds += time.perf_counter() - began
        yield Step(
            index=index + count,
            block=0,
            nfe=nfe + count + 1,
            canvas=canvas.clone(),
            committed=torch.tensor([position]),
            confidence=torch.full((position + 1,), torch.nan).index_fill(0, torch.tensor([position]), confidence),
            rows=(0, position),
            seconds=seconds,
            kv_entries=layers * position,
            kv_bytes=bytes_of_column * position,
            **_with_newest(shown),
        )
        if token in causal.spec.end_token_ids:
            return


def _forward(
    causal: LoadedModel, fresh: torch.Tensor, cache: DynamicCache, length: int, session: Session | None, wanted: Wanted
) -> tuple[int, float, dict[str, torch.Tensor]]:
    """(token, its probability, what to show: of the `length` columns, and the rows in `fresh` (1, Q) where it is column mass)."""
    with watched_forward(causal, wanted, session, length) as recording:
        logits = causal.model(fresh.to(causal.device), past_key_values=cache, use_cache=True, logits_to_keep=1).logits[
            0
        ]
        check_finite(logits)
        token, confidence = best_tokens(logits, causal.spec.mask_token_id)
    return int(token), float(confidence), shown_of(recording, wanted, session, length)


def _running_mass(before: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    """(L, H, K + 1): the mass so far plus that of the new rows (L, H, K), and a 0 for the token about to be committed."""
    total = torch.zeros(*rows.shape[:2], rows.shape[2] + 1)
    total[..., :-1] = rows
    if before is not None:
        total[..., :-1] += before
    return total


def _with_newest(shown: dict[str, torch.Tensor | None]) -> dict[str, torch.Tensor | None]:
    """What to show, with one column more for the token about to be committed: it has no value yet and was not covered."""
    longer = dict(shown)
    for name, nothing in (("value_norms", torch.nan), ("covered", False)):
        if shown.get(name) is not None:
            longer[name] = torch.nn.functional.pad(shown[name], (0, 1), value=nothing)
    return longer

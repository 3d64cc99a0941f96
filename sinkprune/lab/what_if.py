"""What a change while writing cost: where the texts part, the work, and how much less likely the untouched answer became.

Nats lost: the untouched lane's answer is read again under the change of each lane, with the same masks, so the difference is paired.
Diffusion: block by block as it was written; the text before the block is there, MASK stands after it, and half or all of the block is
masked. The forward that chooses what to cover or keep runs first; the one after it is measured. Autoregressive: token by token.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads
from sinkprune.decoding.autoregressive import answer_losses
from sinkprune.decoding.forwarding import CanvasReader
from sinkprune.decoding.packing import packed_view
from sinkprune.decoding.records import Wanted
from sinkprune.lab.likelihood import Estimate, paired_difference
from sinkprune.lab.overlap import agreement, answer_end
from sinkprune.models import LoadedModel
from sinkprune.traces.controls import Change
from sinkprune.traces.parting import Divergence, answer_ids, first_divergence

MASKED = (0.5, 1.0)  # shares of a block


@dataclass(frozen=True)
class LaneResult:
    """One lane of a changed run. parting, agreement, lost: against the untouched lane, None for that lane itself.

    lost: (mean, low, high) nats per token of the untouched answer, 95 % interval over blocks and masks (diffusion) or tokens.
    kv_entries, kv_bytes: keys (with values) that attention read in the whole run, and their bytes.
    """

    title: str
    text: str
    forwards: int
    seconds: float
    kv_entries: int
    kv_bytes: int
    parting: Divergence | None = None
    agreement: float | None = None
    lost: tuple[float, float, float] | None = None


def results(loaded: LoadedModel, trace: dict, changes: list[Change]) -> Iterator[list[LaneResult]]:
    """Measure a finished `traces.runs.trace_run` with controls: yields the lanes measured so far, after each of them."""
    untouched, *others = trace["lanes"]
    mask, ends = loaded.spec.mask_token_id, loaded.spec.end_token_ids
    answer = answer_ids(untouched, mask)
    written = torch.tensor(answer[: max(1, answer_end(answer, ends))])
    prompt = torch.tensor([untouched["ids"]])
    nats = [_nats(loaded, untouched["kind"], prompt, written, changes[0])]
    found = [_result(untouched)]
    yield found
    for lane, change in zip(others, changes[1:], strict=True):
        nats.append(_nats(loaded, lane["kind"], prompt, written, change))
        theirs = answer_ids(lane, mask)
        same = agreement(answer, theirs, ends) if lane["kind"] == "dlm" else _agreement(answer, theirs)
        measured = {"parting": first_divergence(untouched, lane), "agreement": same, "lost": _lost(nats[0], nats[-1])}
        found = [*found, replace(_result(lane), **measured)]
        yield found


def _result(lane: dict) -> LaneResult:
    entries, read = (sum(numbers) for numbers in zip(*(frame["kv"] for frame in lane["frames"]), strict=True))
    return LaneResult(lane["title"], lane["text"], lane["nfe"], lane["seconds"], entries, read)


def _agreement(first: list[int], second: list[int]) -> float:
    """Share of equal tokens at equal positions of two answers of any length."""
    equal = sum(a == b for a, b in zip(first, second, strict=False))
    return equal / max(len(first), len(second))


def _lost(untouched: Estimate, changed: Estimate) -> tuple[float, float, float] | None:
    if len(untouched.values) < 2:
        return None  # one value has no interval
    found = paired_difference(untouched, changed)
    return found.mean, found.low, found.high


def _nats(loaded: LoadedModel, kind: str, prompt: torch.Tensor, answer: torch.Tensor, change: Change) -> Estimate:
    if kind == "ar":
        return Estimate(answer_losses(loaded, prompt, answer, change.intervention))
    return block_nats(loaded, prompt, answer, change.config, change.intervention)


def block_nats(
    loaded: LoadedModel,
    prompt: torch.Tensor,
    answer: torch.Tensor,
    config: DecodeConfig,
    intervention: Cover | LeaveOutHeads | None = None,
) -> Estimate:
    """Nats per masked token of answer (A,) after prompt (1, P), written as `denoise` writes: one value per block and share of MASKED.

    Guidance is left out: this is what the model alone finds likely. Masks come from the seed and the lengths.
    """
    loaded, start, mask = packed_view(loaded), prompt.shape[1], loaded.spec.mask_token_id
    generator = torch.Generator().manual_seed(config.seed)
    values = []
    for begin in range(0, len(answer), config.block_length):
        block = answer[begin : begin + config.block_length]
        for share in MASKED:
            hidden = torch.randperm(len(block), generator=generator)[: max(1, round(share * len(block)))].sort().values
            canvas = torch.full((1, start + config.gen_length), mask)
            canvas[0, :start] = prompt[0]
            canvas[0, start : start + begin + len(block)] = answer[: begin + len(block)]
            canvas[0, start + begin + hidden] = mask
            span = (start + begin, start + begin + config.block_length)
            values.append(_block_loss(loaded, canvas, span, hidden, block, config, intervention))
    return Estimate(torch.stack(values))


def _block_loss(
    loaded: LoadedModel,
    canvas: torch.Tensor,
    span: tuple[int, int],
    hidden: torch.Tensor,
    block: torch.Tensor,
    config: DecodeConfig,
    intervention: Cover | LeaveOutHeads | None,
) -> torch.Tensor:
    """Mean cross-entropy of the block's hidden tokens, in the first forward after the one that chose what to change."""
    reader = CanvasReader(loaded, config, intervention, Wanted())
    if loaded.spec.shift_logits and config.cache != "none" and len(hidden) > 1:
        hidden = hidden[hidden > 0]  # the row that predicts a block's first token is not read again
    reads = 1 if config.cache == "none" and intervention is None else config.delay + 2
    for step in range(reads):
        seen = reader.read(canvas, span, step, span[0] + hidden)
    return F.cross_entropy(seen.logits.double().cpu(), block[hidden])

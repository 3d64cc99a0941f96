"""What one prompt's dense answer loses under each change of attention: forwards over given texts, many changes in one batch.

All numbers are nats per token of the dense model's own answer. What a change does is chosen by the functions that decoding uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sinkprune.decoding.cache import CanvasCache
from sinkprune.decoding.denoising import generate
from sinkprune.decoding.eviction import BlockScores
from sinkprune.decoding.interventions import LeaveOutHeads, columns_to_cover, covered_weights, heads_to_leave_out
from sinkprune.decoding.records import DecodeConfig
from sinkprune.lab.likelihood import ANSWER_LEVELS, level_masks
from sinkprune.lab.overlap import answer_end
from sinkprune.models import LoadedModel
from sinkprune.models.direction import causal_prompt
from sinkprune.models.watching import change_attention, watch_attention
from sinkprune.recorded.what_if_settings import DENSE, Change, Cut, Protocol, covers, cuts, head_cuts
from sinkprune.sinks import record_attention

WRITTEN = (0.25, 0.5, 0.75)  # shares of the block that are written when a cut is scored
FIRST_STEP = 4  # tokens that a block's first step writes, for a delay of 1
BATCH = 8


@dataclass(frozen=True)
class Subject:
    """One prompt. loaded, causal: the two lanes of one model, packed; prompt: (1, P); answer: (A,) the dense text up to its end token."""

    loaded: LoadedModel
    causal: LoadedModel
    number: int
    prompt: torch.Tensor
    answer: torch.Tensor
    protocol: Protocol

    @property
    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.number)


def dense_answer(loaded: LoadedModel, prompt: torch.Tensor, protocol: Protocol) -> tuple[list[int], int]:
    """(token ids up to the end token, forwards) of what the untouched model writes."""
    written = generate(loaded, prompt, protocol.decoding)
    return until_end(loaded, written.tokens[0, prompt.shape[1] :].tolist()), written.nfe


def until_end(loaded: LoadedModel, tokens: list[int]) -> list[int]:
    return tokens[: answer_end(tokens, loaded.spec.end_token_ids)]


# The sparse cache


@torch.inference_mode()
def measure_cache(subject: Subject) -> dict[str, float]:
    """Key of each cut -> nats per masked token of one block, its later forwards reading a cache with that cut.

    The block and the share of it that is written vary with the prompt. As in decoding, earlier blocks are written, later ones masked, and
    the forward that fills the cache sees the block as its first step does; with a delay of 1, with the first step's tokens written.
    """
    early, scored, (start, end) = _block_canvases(subject)
    values = {}
    for delay, canvas in enumerate(early):
        chosen = [cut for cut in cuts() if cut.delay == delay]
        cache, columns = _observe(subject, canvas, (start, end), chosen)
        for retention in dict.fromkeys(cut.retention for cut in chosen):
            group = [cut for cut in chosen if cut.retention == retention]
            fork = fork_cache(cache, torch.stack([columns[cut] for cut in group]), (start, end))
            nats = _block_nats(subject, scored, fork, (start, end), len(group))
            values |= {cut.key: value for cut, value in zip(group, nats, strict=True)}
    return values


def _block_canvases(subject: Subject) -> tuple[list[torch.Tensor], torch.Tensor, tuple[int, int]]:
    """([canvas seen with delay 0, with delay 1], the canvas that is scored, each (1, N), block)."""
    protocol, mask = subject.protocol, subject.loaded.spec.mask_token_id
    length, given = protocol.block_length, subject.prompt.shape[1]
    block = subject.number % max(1, len(subject.answer) // length)
    start = given + block * length
    end = min(start + length, given + len(subject.answer))
    known = subject.answer[: end - given]
    canvas = torch.full((1, given + protocol.gen_length), mask)
    canvas[0, :start] = torch.cat([subject.prompt[0], known])[:start]
    share = WRITTEN[subject.number // 3 % len(WRITTEN)]
    order = torch.randperm(end - start, generator=subject.generator)[: int(share * (end - start))] + start
    later, scored = canvas.clone(), canvas.clone()
    later[0, order[:FIRST_STEP]] = subject.answer[order[:FIRST_STEP] - given]
    scored[0, order] = subject.answer[order - given]
    return [canvas, later], scored, (start, end)


def _observe(
    subject: Subject, canvas: torch.Tensor, block: tuple[int, int], chosen: Sequence[Cut]
) -> tuple[CanvasCache, dict[Cut, torch.Tensor]]:
    """(the whole canvas's keys and values, cut -> (L, K) the columns it keeps) from one full forward."""
    loaded, cache = subject.loaded, CanvasCache()
    config, layers = loaded.model.config, loaded.model.config.num_hidden_layers
    scores = {cut: BlockScores(sparse_config(subject, cut), block, canvas.shape[1], layers) for cut in chosen}
    with ExitStack() as stack:
        for one in scores.values():
            stack.enter_context(one.watching(config))
        loaded.model.base_model(
            canvas, position_ids=torch.arange(canvas.shape[1])[None], past_key_values=cache, use_cache=True
        )
    return cache, {cut: one.columns() for cut, one in scores.items()}


def sparse_config(subject: Subject, cut: Cut) -> DecodeConfig:
    protocol = subject.protocol
    return DecodeConfig(
        protocol.gen_length, protocol.block_length, threshold=0.9, cache="sparse", seed=subject.number,
        keep=cut.keep, retention=cut.retention, kernel=cut.kernel, delay=cut.delay,
    )  # fmt: skip


def fork_cache(cache: CanvasCache, columns: torch.Tensor, block: tuple[int, int]) -> CanvasCache:
    """A cache of B canvases that hold these columns (B, L, K) of `cache`, the block's last: keys carry their positions."""
    fork, (start, end) = CanvasCache(), block
    outside = columns[(columns < start) | (columns >= end)].view(*columns.shape[:2], -1)
    ordered = torch.cat([outside, torch.arange(start, end).expand(*columns.shape[:2], -1)], dim=-1)
    for number, layer in enumerate(cache.layers):
        keys, values = (states[0][:, ordered[:, number]].transpose(0, 1) for states in (layer.keys, layer.values))
        fork.update(keys.contiguous(), values.contiguous(), number)
        fork.layers[number].start = outside.shape[-1]
    return fork


def _block_nats(
    subject: Subject, scored: torch.Tensor, cache: CanvasCache, block: tuple[int, int], copies: int
) -> list[float]:
    """Nats per masked token of the block, one number for each canvas in the cache."""
    start, end = block
    rows = scored[:, start:end].expand(copies, -1)
    masked = (rows[0] == subject.loaded.spec.mask_token_id).nonzero()[:, 0]
    logits = subject.loaded.model(
        rows, position_ids=torch.arange(start, end)[None].expand(copies, -1), past_key_values=cache, use_cache=True,
        logits_to_keep=masked,
    ).logits  # fmt: skip
    return nats_of(logits, subject.answer[masked + start - subject.prompt.shape[1]])


def nats_of(logits: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """Mean cross-entropy of targets (T,) under logits (B, T, V), one number a row of the batch."""
    losses = F.cross_entropy(logits.float().transpose(1, 2), targets.expand(len(logits), -1), reduction="none")
    return losses.mean(1).tolist()


# Covers and heads


@torch.inference_mode()
def measure_canvas(subject: Subject) -> dict[str, float]:
    """Key of each cover and each choice of heads -> nats per masked token of the answer's beginning, in diffusion; "dense": untouched.

    One mask level a prompt, the five in turn. What is covered or left out is chosen from the untouched forward of the same canvas.
    """
    loaded, given = subject.loaded, subject.prompt.shape[1]
    level = ANSWER_LEVELS[subject.number % len(ANSWER_LEVELS)]
    answer = subject.answer[: subject.protocol.scored]
    masked = level_masks(len(answer), subject.generator, [level])[0]
    text = torch.cat([subject.prompt[0], answer])
    canvas = text.clone()
    canvas[given:][masked] = loaded.spec.mask_token_id
    with record_attention(loaded) as recording:
        loaded.model.base_model(canvas[None], use_cache=False)
        mass = recording.column_mass[:, 0]  # (L, H, N)
    changes = [*covers("dlm"), *head_cuts(mass.shape[0] * mass.shape[1])]
    where = masked.nonzero()[:, 0] + given
    return _changed_nats(subject, loaded, canvas, mass[:, :, None], changes, where, text[where])


@torch.inference_mode()
def measure_causal(subject: Subject) -> dict[str, float]:
    """Key of each cover -> nats per token of the answer's beginning, in the autoregressive lane; "dense": untouched.

    The answer's rows are covered, the prompt's are not, as in decoding. Each row's columns come from the untouched rows above it.
    """
    prompt = causal_prompt(subject.causal, subject.prompt)
    given, answer = prompt.shape[1], subject.answer[: subject.protocol.scored]
    text = torch.cat([prompt[0], answer])[:-1]  # nothing is read off the last token's row
    weights: dict[int, torch.Tensor] = {}
    with watch_attention(subject.causal.model.config, lambda layer, seen, _real: weights.update({layer: seen[0]})):
        subject.causal.model.base_model(text[None], use_cache=False)
    seen = torch.stack([weights[layer] for layer in sorted(weights)])  # (L, H, Q, K)
    mass = {"alike": _mass_above(seen, given), "paper": _row_above(seen, given)}
    where = torch.arange(given - 1, len(text))
    values = {}
    for protocol, one in mass.items():
        changes = [change for change in covers("ar") if change.asked.protocol == protocol]
        values |= _changed_nats(subject, subject.causal, text, one, changes, where, answer)
    return values


def _mass_above(weights: torch.Tensor, given: int) -> torch.Tensor:
    """(L, H, Q', K) for each row from `given` on: the column mass of all rows above it, NaN where those see nothing."""
    above = weights.cumsum(2)[:, :, given - 1 : -1]
    return above.masked_fill(_unseen_above(weights, given), torch.nan)


def _row_above(weights: torch.Tensor, given: int) -> torch.Tensor:
    """(L, H, Q', K) for each row from `given` on: the weights of the row above it, NaN where that sees nothing."""
    return weights[:, :, given - 1 : -1].masked_fill(_unseen_above(weights, given), torch.nan)


def _unseen_above(weights: torch.Tensor, given: int) -> torch.Tensor:
    rows, columns = torch.arange(given, weights.shape[2]), torch.arange(weights.shape[3])
    return columns[None] >= rows[:, None]


def _changed_nats(
    subject: Subject,
    loaded: LoadedModel,
    canvas: torch.Tensor,
    mass: torch.Tensor,
    changes: Sequence[Change],
    where: torch.Tensor,
    targets: torch.Tensor,
) -> dict[str, float]:
    """Key of each change, and "dense" -> nats per token of targets (T,), read off the rows `where` (T,) of the canvas (N,).

    mass: (L, H, Q, N), from which columns or heads are chosen: for each of the last Q rows if causal, else (Q 1) for all rows alike.
    """
    generator, values = subject.generator, {}
    asked = [None, *changes]
    for begin in range(0, len(asked), BATCH):
        some = asked[begin : begin + BATCH]
        covered = torch.stack([_columns(change, mass, generator) for change in some])
        if loaded.model.config.is_causal:
            covered = F.pad(covered, (0, 0, len(canvas) - mass.shape[2], 0))  # the prompt's rows stay as they are
        left_out = torch.stack([_heads(change, mass, generator) for change in some])
        with change_attention(loaded.model.config, _turn(covered, left_out)):
            logits = loaded.model(canvas.expand(len(some), -1), use_cache=False, logits_to_keep=where).logits
        keys = [change.key if change else DENSE for change in some]
        values |= dict(zip(keys, nats_of(logits, targets), strict=True))
    return values


def _columns(change: Change | None, mass: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(L, H, Q, N) bool, what the change covers."""
    if change is None or isinstance(change.asked, LeaveOutHeads):
        return torch.zeros(mass.shape, dtype=torch.bool)
    return columns_to_cover(mass, change.asked, generator)


def _heads(change: Change | None, mass: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(L, H) bool, the heads that the change leaves out; chosen where all rows are alike."""
    if change is None or not isinstance(change.asked, LeaveOutHeads):
        return torch.zeros(mass.shape[:2], dtype=torch.bool)
    return heads_to_leave_out(mass[:, :, 0], change.asked, generator)


def _turn(covered: torch.Tensor, left_out: torch.Tensor) -> Callable[[int, torch.Tensor], torch.Tensor]:
    """Scores (B, H, R, N) into weights. covered: (B, L, H, R or 1, N); left_out: (B, L, H)."""

    def turn(layer: int, scores: torch.Tensor) -> torch.Tensor:
        return covered_weights(scores, covered[:, layer]).masked_fill(left_out[:, layer, :, None, None], 0.0)

    return turn

"""How likely a masked diffusion model finds a text: the Monte Carlo likelihood of LLaDA's evaluation (arXiv 2502.09992, eq. 6 and app. B).

Of a text of n tokens, exactly k are masked. The values of k are spread evenly over 1 … n (stratified, as the official
`get_log_likelihood`). The cross-entropy of the masked tokens is summed and multiplied by n/k.
The mean over mask patterns bounds -log p(text) from above; divided by n it is nats
per token. The patterns come from the seed and the lengths alone, so every model with the same tokenizer sees the same masks and
differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sinkprune.decoding.checks import check_denoises, check_finite
from sinkprune.decoding.guidance import check_scale, guided, without_given
from sinkprune.lab.intervals import Interval, crossed_interval
from sinkprune.models import LoadedModel
from sinkprune.models.limits import check_ids, check_length, check_seed

ANSWER_LEVELS = (0.15, 0.35, 0.55, 0.75, 0.95)
ANSWER_DRAWS = 4  # of masks at each level, where the error is shown: the spread of fewer says little
HEAD_ROWS = 1024  # positions whose logits are in memory at once


@dataclass(frozen=True)
class LikelihoodConfig:
    """patterns: mask patterns per text; batch_size: masked copies per forward; seed: draws the patterns.

    cfg_scale: classifier-free guidance as in decoding; the text before the answer is what is given, so a text without one is unchanged.
    """

    patterns: int = 16
    batch_size: int = 16
    seed: int = 0
    cfg_scale: float = 0.0

    def __post_init__(self) -> None:
        if self.patterns < 1 or self.batch_size < 1:
            raise ValueError("likelihood needs at least 1 mask pattern and a batch size of at least 1")
        check_scale(self.cfg_scale)
        check_seed(self.seed)


@dataclass(frozen=True)
class Estimate:
    """A mean with its uncertainty. values: (n,) float64, nats per token: one per text, or one per draw of masks for a single answer."""

    values: torch.Tensor

    @property
    def mean(self) -> float:
        return self.values.mean().item()

    @property
    def standard_error(self) -> float:
        """Standard deviation of the values / sqrt(n); NaN for a single value."""
        return (self.values.std() / math.sqrt(len(self.values))).item() if len(self.values) > 1 else math.nan

    @property
    def bits(self) -> float:
        """The mean in bits per token."""
        return self.mean / math.log(2)

    @property
    def bits_error(self) -> float:
        """The standard error in bits per token."""
        return self.standard_error / math.log(2)

    @property
    def in_bits(self) -> str:
        """Mean and standard error in bits, to three decimals; a single value has no error."""
        return f"{self.bits:.3f}" + (f" ± {self.bits_error:.3f}" if len(self.values) > 1 else " (no error of one text)")


def masked_likelihood(
    loaded: LoadedModel,
    texts: Sequence[torch.Tensor],
    config: LikelihoodConfig | None = None,
    prompt_lengths: Sequence[int] | None = None,
) -> Estimate:
    """Negative log-likelihood of each text in nats per token (an upper bound), under `loaded`.

    texts: LongTensors (T,); the first prompt_lengths[i] tokens of text i are its condition, never masked and not counted.
    Raises ValueError when there is no text, nothing to predict in one, one is longer than the model reads, and for NaN or infinity.
    """
    config = config or LikelihoodConfig()
    if not texts:
        raise ValueError("likelihood needs at least one text")
    _check_has_mask(loaded)
    starts = prompt_lengths or [0] * len(texts)
    values = [
        _text_nats(loaded, text, start, config, number)
        for number, (text, start) in enumerate(zip(texts, starts, strict=True))
    ]
    return Estimate(torch.tensor(values, dtype=torch.float64))


def check_texts(
    loaded: LoadedModel, texts: Sequence[torch.Tensor], prompt_lengths: Sequence[int] | None = None
) -> None:
    """Raise ValueError, before anything is measured, where `masked_likelihood` would for one of the texts."""
    _check_has_mask(loaded)
    for number, (text, start) in enumerate(zip(texts, prompt_lengths or [0] * len(texts), strict=True), start=1):
        _check_text(loaded, text, start, number)


def _check_has_mask(loaded: LoadedModel) -> None:
    if loaded.spec.mask_token_id is None:
        raise ValueError(
            f"{loaded.spec.name!r} has no MASK, and this likelihood is that of masked tokens: measure another model"
        )


def _check_text(loaded: LoadedModel, text: torch.Tensor, start: int, number: int) -> None:
    if len(text) <= start:
        raise ValueError(f"text {number} has no token to predict: give it at least one after its prompt")
    check_length(loaded, len(text), f"text {number}")
    check_ids(loaded, text, f"text {number}")


def _text_nats(loaded: LoadedModel, text: torch.Tensor, start: int, config: LikelihoodConfig, number: int) -> float:
    length = len(text) - start
    _check_text(loaded, text, start, number + 1)
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
    first = torch.rand(1, generator=generator).item()
    counts = [1 + int((first + pattern / config.patterns) % 1 * length) for pattern in range(config.patterns)]
    masks = torch.stack([_random_mask(length, count, generator) for count in counts])  # (patterns, length)
    losses = _masked_losses(loaded, text, start, masks, config.batch_size, config.cfg_scale)
    return (losses.sum(1) / masks.sum(1)).mean().item()  # n/k x sum, per token: the n cancels


def answer_likelihood(
    loaded: LoadedModel,
    prompt_ids: torch.Tensor,
    answer_ids: torch.Tensor,
    levels: Sequence[float] = ANSWER_LEVELS,
    draws: int = 2,
    seed: int = 0,
    cfg_scale: float = 0.0,
) -> Estimate:
    """Masked cross-entropy of one answer in nats per masked token: the mean over mask levels t, one value per draw of masks.

    prompt_ids: (1, P) and answer_ids: (1, A) or (A,). Models compared with the same seed see the same masks.
    """
    check_scale(cfg_scale)
    answer = answer_ids.reshape(-1)
    if not len(answer):
        raise ValueError("the answer is empty: there is nothing to measure")
    text = torch.cat([prompt_ids.reshape(-1), answer])
    generator = torch.Generator().manual_seed(seed)
    masks = torch.cat([level_masks(len(answer), generator, levels) for _ in range(draws)])
    losses = _masked_losses(loaded, text, len(text) - len(answer), masks, 2 * len(levels), cfg_scale)
    return Estimate((losses.sum(1) / masks.sum(1)).reshape(draws, len(levels)).mean(1))


def level_masks(length: int, generator: torch.Generator, levels: Sequence[float] = ANSWER_LEVELS) -> torch.Tensor:
    """(levels, length) bool: at each level t, t x length of the tokens at random, at least one."""
    return torch.stack([_random_mask(length, max(1, round(level * length)), generator) for level in levels])


def _random_mask(length: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """(length,) bool with exactly `count` True, uniform over all such masks."""
    mask = torch.zeros(length, dtype=torch.bool)
    mask[torch.randperm(length, generator=generator)[:count]] = True
    return mask


@torch.no_grad()
def _masked_losses(
    loaded: LoadedModel, text: torch.Tensor, start: int, masks: torch.Tensor, batch_size: int, cfg_scale: float = 0.0
) -> torch.Tensor:
    """(patterns, length) float64: cross-entropy in nats at masked positions, 0 elsewhere. masks cover text[start:]."""
    check_denoises(loaded)
    losses = torch.zeros(masks.shape, dtype=torch.float64)
    text, head = text.to(loaded.device), loaded.model.get_output_embeddings()
    given = torch.arange(len(text), device=loaded.device) < start
    for rows in _batches(len(masks), batch_size):
        mask = torch.nn.functional.pad(masks[rows], (start, 0)).to(loaded.device)  # (B, T)
        canvas = torch.where(mask, loaded.spec.mask_token_id, text)
        hidden, without = masked_hidden(loaded, canvas, mask), None
        if cfg_scale and start:
            without = masked_hidden(loaded, without_given(canvas, given, loaded.spec.mask_token_id), mask)
        targets = text.expand_as(mask)[mask]
        found = cross_entropy(head, hidden, targets, without=without, cfg_scale=cfg_scale)
        losses[rows][masks[rows]] = found.double().cpu()
    check_finite(losses)
    return losses


def masked_hidden(loaded: LoadedModel, canvas: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(M, D) hidden states from which the head reads the M masked positions of canvas (B, T), row by row. mask: (B, T) bool."""
    hidden = loaded.model.base_model(canvas, use_cache=False).last_hidden_state  # (B, T, D)
    if loaded.spec.shift_logits:
        hidden = torch.cat([hidden[:, :1], hidden[:, :-1]], dim=1)
    return hidden[mask.to(hidden.device)]


def cross_entropy(
    head: torch.nn.Module,
    hidden: torch.Tensor,
    targets: torch.Tensor,
    scale: float = 1.0,
    without: torch.Tensor | None = None,
    cfg_scale: float = 0.0,
) -> torch.Tensor:
    """(M,) float32: cross-entropy in nats of targets (M,) under the logits of hidden states (M, D), times `scale`.

    without: hidden states (M, D) of the canvas without its given text; they guide the logits by `cfg_scale` (`decoding.guidance`).
    The head runs on these positions only, HEAD_ROWS at a time.
    """
    targets, losses = targets.to(hidden.device), []
    for rows in _batches(len(targets), HEAD_ROWS):
        logits = head(hidden[rows]).float()
        if without is not None:
            logits = guided(logits, head(without[rows]).float(), cfg_scale)
        losses.append(F.cross_entropy(scale * logits, targets[rows], reduction="none"))
    return torch.cat(losses) if losses else hidden.new_zeros(0, dtype=torch.float32)


def _batches(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, begin + size) for begin in range(0, count, size))


def paired_difference(first: Estimate, second: Estimate, confidence: float = 0.95) -> Interval:
    """Mean of second - first over the same texts, nats per token; positive: the second finds them less likely.

    Raises ValueError below 2 pairs.
    """
    if len(first.values) != len(second.values):
        raise ValueError("paired estimates must be of the same texts: measure both on one list")
    return crossed_interval((second.values - first.values)[None].numpy(), confidence)

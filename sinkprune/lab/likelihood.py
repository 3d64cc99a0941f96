"""How likely a masked diffusion model finds a text: the Monte Carlo likelihood of LLaDA's evaluation (arXiv 2502.09992, eq. 6 and app. B).

For a text of n tokens: mask exactly k of them, k spread evenly over 1 … n (stratified, as the official `get_log_likelihood`), sum the
cross-entropy of the masked tokens, multiply by n/k. The mean over mask patterns bounds -log p(text) from above; divided by n it is nats
per token. The patterns come from the seed and the lengths alone, so every model with the same tokenizer sees the same masks and
differences are paired.

    python -m sinkprune.lab.likelihood [--model NAME] [--text FILE] [--length 128] [--sequences 64] [--patterns 16]

prints bits per token with the standard error over texts: of the held-out answers to their prompts (the bundled model's test set), or of
any text file, cut into sequences.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from sinkprune.decoding.checks import check_denoises
from sinkprune.decoding.guidance import check_scale, guided, without_given
from sinkprune.lab.intervals import student_quantile
from sinkprune.lab.texts import file_texts, held_out_texts
from sinkprune.models import LoadedModel, load_model

ANSWER_LEVELS = (0.15, 0.35, 0.55, 0.75, 0.95)
ANSWER_DRAWS = 4  # of masks at each level, where the error is shown: the spread of fewer says little


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


@dataclass(frozen=True)
class Difference:
    """Second minus first, paired: mean and confidence interval [low, high] in nats per token; positive: the second finds it less likely."""

    mean: float
    low: float
    high: float
    pairs: int


def masked_likelihood(
    loaded: LoadedModel,
    texts: Sequence[torch.Tensor],
    config: LikelihoodConfig | None = None,
    prompt_lengths: Sequence[int] | None = None,
) -> Estimate:
    """Negative log-likelihood of each text in nats per token (an upper bound), under `loaded`.

    texts: LongTensors (T,); the first prompt_lengths[i] tokens of text i are its condition, never masked and not counted.
    Raises ValueError when there is no text, or nothing to predict in one.
    """
    config = config or LikelihoodConfig()
    if not texts:
        raise ValueError("likelihood needs at least one text")
    if loaded.spec.mask_token_id is None:
        raise ValueError(
            f"{loaded.spec.name!r} has no MASK, and this likelihood is that of masked tokens: measure another model"
        )
    starts = prompt_lengths or [0] * len(texts)
    values = [
        _text_nats(loaded, text, start, config, number)
        for number, (text, start) in enumerate(zip(texts, starts, strict=True))
    ]
    return Estimate(torch.tensor(values, dtype=torch.float64))


def _text_nats(loaded: LoadedModel, text: torch.Tensor, start: int, config: LikelihoodConfig, number: int) -> float:
    length = len(text) - start
    if length < 1:
        raise ValueError(f"text {number + 1} has no token to predict: give it at least one after its prompt")
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
    text = text.to(loaded.device)
    given = torch.arange(len(text), device=loaded.device) < start
    for rows in _batches(len(masks), batch_size):
        mask = torch.nn.functional.pad(masks[rows], (start, 0)).to(loaded.device)  # (B, T)
        canvas = torch.where(mask, loaded.spec.mask_token_id, text)
        hidden = [_hidden_at(loaded, canvas, mask)]
        if cfg_scale and start:
            hidden.append(_hidden_at(loaded, without_given(canvas, given, loaded.spec.mask_token_id), mask))
        losses[rows][masks[rows]] = _cross_entropy(loaded, hidden, text.expand_as(mask)[mask], cfg_scale).double().cpu()
    return losses


def _hidden_at(loaded: LoadedModel, canvas: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(M, D) what the head reads to predict the M masked positions of canvas (B, T)."""
    hidden = loaded.model.base_model(canvas, use_cache=False).last_hidden_state  # (B, T, D)
    if loaded.spec.shift_logits:
        hidden = torch.cat([hidden[:, :1], hidden[:, :-1]], dim=1)
    return hidden[mask.to(hidden.device)]


def _cross_entropy(
    loaded: LoadedModel, hidden: list[torch.Tensor], targets: torch.Tensor, cfg_scale: float
) -> torch.Tensor:
    """(M,) cross-entropy of targets (M,); hidden: (M, D) of the canvas, and of the one without the given text where that guides.

    The head runs over 1024 positions at a time.
    """
    head = loaded.model.get_output_embeddings()
    losses = []
    for target, *states in zip(targets.to(hidden[0].device).split(1024), *(h.split(1024) for h in hidden), strict=True):
        logits = [head(state).float() for state in states]
        whole = logits[0] if len(logits) == 1 else guided(*logits, cfg_scale)
        losses.append(torch.nn.functional.cross_entropy(whole, target, reduction="none"))
    return torch.cat(losses)


def _batches(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, begin + size) for begin in range(0, count, size))


def paired_difference(first: Estimate, second: Estimate, confidence: float = 0.95) -> Difference:
    """Mean of second - first over the same texts, with a Student t confidence interval. Raises ValueError below 2 pairs."""
    if len(first.values) != len(second.values):
        raise ValueError("paired estimates must be of the same texts: measure both on one list")
    differences = second.values - first.values
    pairs = len(differences)
    if pairs < 2:
        raise ValueError("a confidence interval needs at least 2 texts")
    half = student_quantile(0.5 + confidence / 2, pairs - 1) * differences.std().item() / math.sqrt(pairs)
    mean = differences.mean().item()
    return Difference(mean, mean - half, mean + half, pairs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how likely a model finds held-out answers, or a text file."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.lab.likelihood", description=main.__doc__)
    parser.add_argument("--model", default="bundled", help="registry name, folder or hub id")
    parser.add_argument("--text", help="a UTF-8 text file instead of the held-out answers")
    parser.add_argument("--length", type=int, default=128, help="tokens in a sequence of the text file")
    parser.add_argument("--sequences", type=int, default=64, help="sequences of the text file, spread over it")
    parser.add_argument("--patterns", type=int, default=LikelihoodConfig.patterns, help="mask patterns per text")
    options = parser.parse_args(arguments)
    try:
        loaded, config = load_model(options.model), LikelihoodConfig(patterns=options.patterns)
        if options.text:
            texts, starts = file_texts(loaded, options.text, options.length, options.sequences), None
        else:
            texts, starts = held_out_texts(loaded)
        estimate = masked_likelihood(loaded, texts, config, starts)
    except ValueError as error:
        parser.error(str(error))
    print(
        f"{loaded.spec.name}: {estimate.bits:.3f} ± {estimate.bits_error:.3f} bits per token "
        f"(standard error over {len(texts)} texts, {config.patterns} mask patterns each, seed {config.seed})"
    )


if __name__ == "__main__":
    main()

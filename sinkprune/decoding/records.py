"""The words decoding speaks: what is asked (`DecodeConfig`), what each denoising step yields (`Step`), what comes out (`Generation`)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from sinkprune.decoding.cache import CACHE_MODES
from sinkprune.decoding.eviction import check_eviction
from sinkprune.decoding.guidance import check_scale
from sinkprune.models.limits import check_seed

REMASKING_RULES = ("low_confidence", "random")


@dataclass(frozen=True)
class DecodeConfig:
    """How a diffusion language model writes (LLaDA, arXiv 2502.09992; Fast-dLLM, arXiv 2505.22618).

    gen_length: MASK tokens appended to the prompt; block_length must divide it; blocks are written left to right.
    steps: denoising steps over all blocks; the number of blocks must divide it. Unused with threshold or factor.
    threshold: commit every masked token of the block whose confidence is at least this (parallel decoding), the best one always.
    factor: commit the largest n whose n-th confidence c satisfies (n + 1)(1 - c) <= factor, at least one; as in Fast-dLLM's code, also
        the last masked token of the block where it is the only one that fails.
    cache: "none" forwards the whole canvas; "prefix" keeps keys and values before the block; "dual" also those after it;
        "sparse" is "dual" with a share of them only, chosen once in each block (eviction.py; Sparse-dLLM, arXiv 2508.02558).
    temperature: 0 is greedy; above, Gumbel noise is added to the logits, drawn from `seed`.
    cfg_scale: classifier-free guidance (guidance.py); above 0 each step takes two forwards, and both count.
    stop_at_end: stop once the answer's end is written (ending.py); end tokens then fill the rest of the canvas without a forward.
    retention: share of the keys outside the block that the sparse cache keeps, floor(retention (N - block_length)) in each layer.
    kernel: keys are scored by the best of so many neighbours, odd; 1 is no pooling, Sparse-dLLM's code has 3.
    delay: full forwards of a block before the one that chooses; 0 is the cheapest, Sparse-dLLM's code has 1.
    keep: which keys stay, "attention", "official", "sinks", "no-sinks" or "random" (eviction.py).
    """

    gen_length: int = 128
    block_length: int = 32
    steps: int = 128
    threshold: float | None = None
    factor: float | None = None
    cache: str = "none"
    temperature: float = 0.0
    remasking: str = "low_confidence"
    seed: int = 0
    cfg_scale: float = 0.0
    retention: float = 0.5
    kernel: int = 1
    delay: int = 0
    keep: str = "attention"
    stop_at_end: bool = False

    def __post_init__(self) -> None:
        _check_lengths(self.gen_length, self.block_length)
        _check_commit_rule(self)
        if self.cache not in CACHE_MODES:
            raise ValueError(f"cache must be one of {', '.join(CACHE_MODES)}, not {self.cache!r}")
        if self.remasking not in REMASKING_RULES:
            raise ValueError(f"remasking must be one of {', '.join(REMASKING_RULES)}, not {self.remasking!r}")
        if not 0.0 <= self.temperature <= 5.0:
            raise ValueError(f"temperature must lie between 0 and 5, not {self.temperature}")
        check_seed(self.seed)
        check_scale(self.cfg_scale)
        if not isinstance(self.stop_at_end, bool):
            raise ValueError(f"stop_at_end must be True or False, not {str(self.stop_at_end)[:40]!r}")
        check_eviction(self)

    @property
    def blocks(self) -> int:
        return self.gen_length // self.block_length


def _check_lengths(gen_length: int, block_length: int) -> None:
    if gen_length < 1:
        raise ValueError(f"gen_length must be at least 1, not {gen_length}")
    if block_length < 1:
        raise ValueError(f"block_length must be at least 1, not {block_length}")
    if gen_length % block_length:
        below = gen_length // block_length * block_length
        fits = f"{below} or {below + block_length}" if below else f"{block_length}"
        raise ValueError(f"block_length {block_length} must divide gen_length {gen_length}: use {fits}")


def _check_commit_rule(config: DecodeConfig) -> None:
    if config.threshold is not None and config.factor is not None:
        raise ValueError("threshold and factor are two rules for parallel decoding: set one of them")
    if config.threshold is not None and not 0.0 < config.threshold <= 1.0:
        raise ValueError(f"threshold is a probability above 0 and up to 1, not {config.threshold}")
    if config.factor is not None and not config.factor > 0.0:
        raise ValueError(f"factor must be above 0, not {config.factor}")
    parallel = config.threshold is not None or config.factor is not None
    if not parallel and (config.steps < 1 or config.steps % config.blocks):
        nearest = config.blocks * max(1, round(config.steps / config.blocks))
        raise ValueError(f"steps {config.steps} must be a multiple of the {config.blocks} blocks: use {nearest}")


@dataclass(frozen=True)
class Wanted:
    """What a run's steps carry besides tokens. record: column mass; value norms bring it along."""

    record: bool = False
    value_norms: bool = False
    candidates: bool = False

    @property
    def attention(self) -> bool:
        return self.record or self.value_norms


@dataclass(frozen=True)
class Candidates:
    """The five likeliest tokens (never MASK) of the positions (R,) that a forward predicted, before the commit.

    tokens: (R, 5) int64, the likeliest first. probabilities: (R, 5) float32, at temperature 1.
    """

    positions: torch.Tensor
    tokens: torch.Tensor
    probabilities: torch.Tensor


@dataclass(frozen=True)
class Step:
    """One denoising step (a forward, or two with guidance) and what it committed. Tensors are on the CPU and never change later.

    nfe: forwards so far.
    canvas: (1, N) token ids after the commit. Autoregressive lane: N grows by one a step.
    committed: (C,) positions that this step's forward predicted and filled, ascending.
    filled: (F,) positions that got the end token without a forward, because the answer had ended (`DecodeConfig.stop_at_end`); only the
        last step has them, else None.
    confidence: (N,) float32, probability of each position's best token in this forward; NaN where none was computed.
    rows: (start, end), the query positions this forward computed; the whole canvas without a cache.
    column_mass: (L, H, N) float32, attention received by each key position summed over `rows` (eq. 5), or None when not recorded.
        In the autoregressive lane the rows of earlier steps never change, so the mass is their running sum; the token just committed has
        no row yet: rows is (0, N - 1) and its mass 0. In a sparse cache, columns that a layer dropped have mass 0.
    kv_entries: keys (with their values) that attention read in this step, summed over layers; kv_bytes: their bytes, all heads together.
        Guidance reads twice as many. Covered columns and heads left out are counted: they are read, and then given no weight.
    kept: (L, N) bool, which columns each layer had in this forward: all of them in a full one; None without the sparse cache.
    covered: (L, H, N) bool, columns that the step's intervention gave no attention; left_out: (L, H) bool, heads that gave nothing. None
        where the intervention is none or another one.
    value_norms: (L, N) float32, length of each position's value vector, mean over KV heads; NaN where there is none, None if not asked for.
    candidates: the likeliest tokens of the block's masked positions, or None when not asked for.
    seconds: time spent computing since the first forward began, recording included; what the consumer does between steps does not count.
    """

    index: int
    block: int
    nfe: int
    canvas: torch.Tensor
    committed: torch.Tensor
    confidence: torch.Tensor
    rows: tuple[int, int]
    seconds: float
    column_mass: torch.Tensor | None = None
    kv_entries: int = 0
    kv_bytes: int = 0
    kept: torch.Tensor | None = None
    covered: torch.Tensor | None = None
    left_out: torch.Tensor | None = None
    value_norms: torch.Tensor | None = None
    candidates: Candidates | None = None
    filled: torch.Tensor | None = None


@dataclass(frozen=True)
class Generation:
    """A finished generation. tokens: (1, P + G); nfe: number of forward evaluations; seconds: as in the last step."""

    tokens: torch.Tensor
    nfe: int
    seconds: float
    steps: list[Step] = field(default_factory=list, repr=False)

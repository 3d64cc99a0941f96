"""What if: attention changed while a model writes. An intervention is asked once and holds for one run of `denoise` or `autoregress`.

What is covered or left out in a forward is chosen from the forward before, so a run's first forward is as ever, except where the positions
were given. Choices come from the attention as it would be in that forward without the cover: a sink that is covered stays a sink.
"Attention Sinks in Diffusion Language Models" (arXiv 2510.15731) covers sinks this way; leaving out heads is an experiment of this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sinkprune.decoding.checks import is_whole
from sinkprune.models import LoadedModel
from sinkprune.models.watching import change_attention
from sinkprune.models.widths import query_heads

if TYPE_CHECKING:
    from transformers import PretrainedConfig

COVERED = ("leading", "random", "least", "given")
PROTOCOLS = ("alike", "paper")
HEADS = ("lowest", "highest", "random")
MAX_COVERED = 10


@dataclass(frozen=True)
class Cover:
    """No row attends to these columns: their scores are -inf before the softmax, so the other columns share what they got.

    which: "leading" are the columns with most column mass (the sinks); "least" those with least; "random" any but the leading ones, drawn
        anew for each forward; "given" the `positions`, from the first forward on.
    count: columns covered, 1 to 10. per_head: chosen for each head and layer; else the same columns everywhere, by the mass of all heads.
    protocol: how the autoregressive lane finds sinks. "alike": by column mass, as diffusion does. "paper": by the last row alone, for each
        head; that row attends to its neighbours too, so this also hides content.
    A row that would lose all columns it sees keeps them.
    """

    which: str = "leading"
    count: int = 1
    per_head: bool = True
    positions: tuple[int, ...] = ()
    protocol: str = "alike"
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choice("which", self.which, COVERED)
        _check_choice("protocol", self.protocol, PROTOCOLS)
        _check_seed(self.seed)
        if not is_whole(self.count, 1, MAX_COVERED):
            raise ValueError(f"count must be a whole number of tokens from 1 to {MAX_COVERED}, not {self.count}")
        if (self.which == "given") != bool(self.positions):
            raise ValueError('positions belong to which="given": give both or neither')
        if len(self.positions) > MAX_COVERED or not all(is_whole(position, 0) for position in self.positions):
            raise ValueError(f"positions must be at most {MAX_COVERED} whole numbers from 0 on, not {self.positions}")
        if self.protocol == "paper" and not self.per_head:
            raise ValueError('protocol "paper" chooses for each head: leave per_head True')


@dataclass(frozen=True)
class LeaveOutHeads:
    """`count` of all layers' heads give nothing to the layer's output, chosen by sink strength: the share of a head's leading column.

    which: "lowest" or "highest" strength, or "random", drawn anew for each forward.
    """

    which: str = "lowest"
    count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choice("which", self.which, HEADS)
        _check_seed(self.seed)
        if not is_whole(self.count, 1):
            raise ValueError(f"count must be a whole number of heads from 1 on, not {self.count}")


Intervention = Cover | LeaveOutHeads


def check_intervention(loaded: LoadedModel, intervention: Intervention | None, length: int) -> None:
    """Raise ValueError where it does not fit the model or the `length` positions that the canvas will have."""
    if intervention is None:
        return
    if isinstance(intervention, Cover):
        if max(intervention.positions, default=0) >= length:
            raise ValueError(f"positions must lie between 0 and {length - 1}, not {max(intervention.positions)}")
    elif isinstance(intervention, LeaveOutHeads):
        config = loaded.model.config
        heads = sum(len(query_heads(config, layer)) for layer in range(config.num_hidden_layers))
        if intervention.count >= heads:
            raise ValueError(f"the model has {heads} heads: leave out at most {heads - 1}, not {intervention.count}")
    else:
        raise ValueError(f"an intervention is a Cover or a LeaveOutHeads, not {type(intervention).__name__}")


def columns_to_cover(mass: torch.Tensor, cover: Cover, generator: torch.Generator) -> torch.Tensor:
    """(L, H, N) bool from the column mass (L, H, N) of the forward before, NaN where a head or a column does not exist."""
    known = ~mass.isnan()
    ranked = mass
    if not cover.per_head:
        ranked, known = mass.nansum((0, 1)), known.any(0).any(0)
    score = -ranked if cover.which == "least" else ranked
    if cover.which == "random":
        leading = _best(ranked, known, cover.count)
        score, known = torch.rand(ranked.shape, generator=generator), known & ~leading
    return _best(score, known, cover.count) & ~mass.isnan()


def heads_to_leave_out(mass: torch.Tensor, leave_out: LeaveOutHeads, generator: torch.Generator) -> torch.Tensor:
    """(L, H) bool from the column mass (L, H, N) of the forward before, NaN where a head or a column does not exist."""
    strength = sink_strength(mass)
    known = ~strength.isnan().flatten()
    score = -strength if leave_out.which == "lowest" else strength
    if leave_out.which == "random":
        score = torch.rand(strength.shape, generator=generator)
    return _best(score.flatten(), known, leave_out.count).view(strength.shape)


def sink_strength(mass: torch.Tensor) -> torch.Tensor:
    """(L, H) from 0 to 1: the share of attention that a head's leading column gets; NaN for heads that do not exist."""
    mass = mass.nan_to_num(0.0)
    return mass.amax(-1) / mass.sum(-1)


def _best(score: torch.Tensor, known: torch.Tensor, count: int) -> torch.Tensor:
    """(…, N) bool: the `count` highest of the known scores (…, N); of equal ones the lower index."""
    score = score.where(known, -torch.inf)
    best = score.argsort(dim=-1, descending=True, stable=True)[..., :count]
    return torch.zeros_like(known).scatter_(-1, best, True) & known


class Session:
    """An intervention during one run. What it remembers, the attention of the forward before, ends with the run.

    covered: (L, H, N) bool and left_out: (L, H) bool, what was changed in the forward that `changing` began last; None if not its kind.
    """

    covered: torch.Tensor | None = None
    left_out: torch.Tensor | None = None

    def __init__(self, intervention: Intervention, config: PretrainedConfig) -> None:
        self._asked, self._config = intervention, config
        self._adds_up = config.is_causal  # rows of earlier forwards still stand
        self._last_row = config.is_causal and isinstance(intervention, Cover) and intervention.protocol == "paper"
        self._generator = torch.Generator().manual_seed(intervention.seed)
        self._heads = [query_heads(config, layer) for layer in range(config.num_hidden_layers)]
        self._fresh: dict[int, torch.Tensor] = {}  # layer -> (heads that exist, K) of the forward underway
        self._mass: torch.Tensor | None = None  # (L, H, N) of the forward before
        self._columns: torch.Tensor | None = None

    @contextmanager
    def changing(self, length: int, columns: torch.Tensor | None = None) -> Iterator[None]:
        """Change the one forward run inside the block. length: N; columns: (L, K) that each layer's cache holds, None for all."""
        self._choose(length, columns)
        with change_attention(self._config, self._change):
            yield
        self._remember(length)

    def _choose(self, length: int, columns: torch.Tensor | None) -> None:
        self._columns, asked = columns, self._asked
        shape = (len(self._heads), self._config.num_attention_heads, length)
        mass = torch.full(shape, torch.nan)
        if self._mass is not None:
            mass[..., : self._mass.shape[-1]] = self._mass
        if columns is not None:
            held = torch.zeros(shape[0], length, dtype=torch.bool).scatter_(1, columns, True)
            mass = mass.masked_fill(~held[:, None], torch.nan)
        if isinstance(asked, LeaveOutHeads):
            self.left_out = heads_to_leave_out(mass, asked, self._generator)
        elif asked.which == "given":
            self.covered = torch.zeros(shape, dtype=torch.bool)
            self.covered[..., [position for position in asked.positions if position < length]] = True
        else:
            self.covered = columns_to_cover(mass, asked, self._generator)

    def _change(self, layer: int, scores: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(scores, dim=-1)  # (1, H, Q, K)
        self._fresh[layer] = weights[0, :, -1] if self._last_row else weights[0].sum(1)
        heads = self._heads[layer]
        if self.left_out is not None:
            gone = self.left_out[layer, heads].to(scores.device)
            return weights.masked_fill(gone[:, None, None], 0.0)
        covered = self.covered[layer, heads]
        if self._columns is not None:
            covered = covered[:, self._columns[layer]]
        return covered_weights(scores, covered[:, None].to(scores.device)) if covered.any() else weights

    def _remember(self, length: int) -> None:
        mass = torch.full((len(self._heads), self._config.num_attention_heads, length), torch.nan)
        for layer, heads in enumerate(self._heads):
            columns = slice(None) if self._columns is None else self._columns[layer]
            values = torch.full((len(heads), length), torch.nan)
            values[:, columns] = self._fresh[layer].cpu()
            mass[layer, heads] = values
        if self._adds_up and not self._last_row and self._mass is not None:
            mass[..., : self._mass.shape[-1]] += self._mass
        self._mass = mass


def covered_weights(scores: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    """(B, H, Q, K) weights of scores (B, H, Q, K) without the covered columns, bool of a shape that broadcasts to it."""
    open_scores = scores.masked_fill(covered, -torch.inf)
    something_left = open_scores.amax(-1, keepdim=True) > torch.finfo(scores.dtype).min / 2
    return torch.softmax(open_scores.where(something_left, scores), dim=-1)


def _check_seed(seed: int) -> None:
    if not is_whole(seed, 0):
        raise ValueError(f"seed must be a whole number from 0 to {2**31 - 1}, not {seed}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")

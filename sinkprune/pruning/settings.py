"""The words pruning speaks: what to cut (`PruneConfig`), on which text (`CalibrationConfig`), and what was cut (`PruneResult`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sinkprune.models import LoadedModel
from sinkprune.models.limits import check_seed
from sinkprune.pruning.methods import BY_NAME, Method

METHODS = tuple(BY_NAME)
STRUCTURED = tuple(name for name, method in BY_NAME.items() if method.structured)
UNSTRUCTURED = tuple(name for name in METHODS if name not in STRUCTURED)
MAX_STRUCTURED = 0.7  # the largest share a structured cut removes: a layer keeps at least one KV head and some channels
ALLOCATIONS = ("uniform", "global")
SINK_RULES = ("reference", "paper")
BUILT_IN = "bundled"
HUB_SOURCES = ("wikitext2", "c4")


@dataclass(frozen=True)
class PruneConfig:
    """What to cut.

    method: of UNSTRUCTURED, single weights become zero, and the model keeps its size and speed. Of STRUCTURED, whole MLP channels and KV
    heads leave with their query heads, and the model becomes smaller and faster. A sink-aware method weights sink tokens down.
    sparsity: share of the weights of every pruned linear that become zero, 0 to 1. Structured: share of the decoder layers' linear
    weights that leave, 0 to 0.7. The share is met as exactly as whole heads and channels allow; heads go at half the rate.
    pattern: None (unstructured) or (n, m): n zeros in every m consecutive inputs; `sparsity` is then n/m, whatever was given.
    sink_rule: how sinks are found by the sink-aware methods: "reference" (the official code) or "paper" (eq. 10-12).
    sink_weight: False is the ablation: same noise and same sums, every token's weight 1.
    allocation: structured only. "uniform": every layer loses the same share; "global": scores, in units of their layer's median, are
        ranked over all layers, so layers may differ.
    """

    method: str = "sink-wanda"
    sparsity: float = 0.5
    pattern: tuple[int, int] | None = None
    sink_rule: str = "reference"
    sink_weight: bool = True
    allocation: str = "uniform"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {self.method!r}")
        if not 0.0 <= self.sparsity <= 1.0:
            raise ValueError(f"sparsity is a share between 0 and 1, not {self.sparsity}")
        if self.pattern is not None:
            if len(self.pattern) != 2 or not all(type(part) is int for part in self.pattern):
                raise ValueError(f"pattern is None or two whole numbers (n, m), such as (2, 4), not {self.pattern!r}")
            n, m = self.pattern
            if not 0 < n < m:
                raise ValueError(f"pattern n:m needs 0 < n < m, not {n}:{m}")
            object.__setattr__(self, "sparsity", n / m)  # equal copies have equal settings
        if self.sink_rule not in SINK_RULES:
            raise ValueError(f"sink_rule must be one of {', '.join(SINK_RULES)}, not {self.sink_rule!r}")
        if self.allocation not in ALLOCATIONS:
            raise ValueError(f"allocation must be one of {', '.join(ALLOCATIONS)}, not {self.allocation!r}")
        if self.record.structured:
            self._check_structured()

    def _check_structured(self) -> None:
        if self.pattern is not None:
            raise ValueError(
                f"a pattern is about single weights, and {self.method!r} removes whole channels and heads: leave it None"
            )
        if self.sparsity > MAX_STRUCTURED:
            raise ValueError(
                f"sparsity {self.sparsity} is too much for {self.method!r}, which removes a share of 0 to {MAX_STRUCTURED}: "
                "a layer without heads or channels could not write"
            )

    @property
    def record(self) -> Method:
        """What is known of the method."""
        return BY_NAME[self.method]

    @property
    def reads_text(self) -> bool:
        """Whether calibration text is run: at sparsity 0 and 1 there is nothing to choose."""
        return self.record.reads_text and self.target not in (0.0, 1.0)

    @property
    def rule_in_use(self) -> str | None:
        """How sinks are found; None where they are not weighted down."""
        return self.sink_rule if self.record.sink_aware and self.sink_weight else None

    @property
    def target(self) -> float:
        """The share of weights asked to go."""
        return self.sparsity


@dataclass(frozen=True)
class CalibrationConfig:
    """On which text inputs are measured: `samples` sequences of `length` tokens, drawn and noised from `seed`.

    source: "bundled", the built-in cut of WikiText-2's validation split (assets/calibration.md); "wikitext2" or "c4", fetched with the
        package `datasets` and sampled as the official code does; or the path of a UTF-8 text file.
    """

    samples: int = 32
    length: int = 128
    seed: int = 0
    source: str = BUILT_IN

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"calibration needs at least 1 sequence, not {self.samples}")
        if self.length < 2:
            raise ValueError(f"calibration sequences need at least 2 tokens, not {self.length}")
        check_seed(self.seed)


@dataclass(frozen=True)
class PruneProgress:
    """Where a running prune is.

    phase: "sinks" (noised text runs through the dense model), "inputs" (text runs through a layer, or through the whole dense model),
    "weights" (`linears` were cut), "outputs" (text runs through the pruned layer), "layer" (the layer is finished; `linears` are all of
    its linears). layer: the decoder layer at work, 0 … layers - 1; None while the whole model is at work.
    done, total: steps of this phase. seconds: since the start.
    """

    phase: str
    layer: int | None
    layers: int
    linears: tuple[str, ...]
    done: int
    total: int
    seconds: float


@dataclass(frozen=True)
class LinearReport:
    """What happened to one linear. sparsity: zeros after pruning / weights; structured: weights removed / weights before.

    damping: what was added to the Hessian's diagonal, relative to the diagonal's mean (SparseGPT); above 0.01 where that was not enough.
    """

    name: str
    sparsity: float
    seconds: float
    damping: float | None = None


@dataclass(frozen=True)
class PruneResult:
    """loaded: the pruned copy. masks: linear's name -> bool (out, in), True = pruned. sparsity: zeros / weights over all pruned linears.

    seconds: with the measuring, also where an earlier prune did it; recorded: without, because the statistics came with the project.

    After a structured cut masks have the shapes from before the cut, True = removed, and sparsity is the removed share of those weights.
    """

    loaded: LoadedModel
    reports: list[LinearReport]
    masks: dict[str, torch.Tensor]
    sparsity: float
    seconds: float
    recorded: bool = False


def layer_sparsity(masks: dict[str, torch.Tensor]) -> list[float]:
    """Zeros / weights per layer, in layer order, from the masks of a PruneResult (names `model.layers.<i>. …`)."""
    zeros: dict[int, int] = {}
    weights: dict[int, int] = {}
    for name, mask in masks.items():
        layer = int(name.split("layers.")[1].split(".")[0])
        zeros[layer] = zeros.get(layer, 0) + int(mask.sum())
        weights[layer] = weights.get(layer, 0) + mask.numel()
    return [zeros[layer] / weights[layer] for layer in sorted(weights)]

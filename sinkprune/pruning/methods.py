"""The pruning methods, one record each: whoever lists, runs or describes methods reads RECORDS.

To add a method, add its record here; a new statistic goes into `statistics.py`, a new cut into `cuts.py`.
sink-wanda differs from wanda in noise and sums too: `PruneConfig(sink_weight=False)` switches off the sink weight alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sinkprune.pruning.cuts import cut_by_magnitude, cut_by_sparsegpt, cut_by_wanda
from sinkprune.pruning.statistics import HESSIAN, INPUT_NORM, SUMMED_NORMS, Statistic
from sinkprune.pruning.structured import cut_units

TOKEN_WEIGHTS = "token weights"
NOISE_STEPS = tuple(range(5, 51, 5))  # of 50: the denoising steps whose noise level the official code samples
OWN_VERSIONS = (
    len(NOISE_STEPS) - 1
)  # noised versions that differ between sequences; the last is all MASK, one forward for all
ZEROS = "zeros in a dense matrix take as long to multiply as other numbers: this copy is not faster"
SMALLER = "channels and heads were removed: the layers are smaller, so a forward pass takes less time and memory"


@dataclass(frozen=True)
class Method:
    """One pruning method (paper section 3; official code, with its numbers of zeros made exact).

    words: one line that follows the name. colour, symbol: Plotly's; a sink-aware method is its baseline, filled.
    cut: what `sinkprune.pruning.cuts` describes; of a structured method `cut_units`, which reads all layers at once.
    statistic: of the linears' inputs. None: the weights alone decide, and no text is run.
    noised: the ten noised versions of the calibration text are read. in_sequence: each layer is measured on clean text after the layers
        before it were pruned, and noised versions only weigh the tokens. Else all layers are measured once, on the dense model.
    baseline: the plain twin of a sink-aware method. alias: the name in the official repository, where it is another.
    """

    name: str
    words: str
    colour: str
    symbol: str
    cut: Callable
    statistic: Statistic | None = None
    noised: bool = False
    in_sequence: bool = False
    structured: bool = False
    baseline: str | None = None
    alias: str | None = None

    @property
    def reads_text(self) -> bool:
        """Whether calibration text plays a part."""
        return self.statistic is not None

    @property
    def sink_aware(self) -> bool:
        """Whether sink tokens are weighted down."""
        return self.baseline is not None

    @property
    def second_order(self) -> bool:
        """Whether a Hessian is inverted and remaining weights change."""
        return self.statistic is HESSIAN

    @property
    def passes(self) -> int:
        """The most forwards of each calibration token: two for each noised version, first for the sinks, then for the inputs."""
        if not self.reads_text:
            return 0
        if self.noised:
            return 2 * len(NOISE_STEPS)
        return 2 if self.in_sequence else 1

    @property
    def measured_once(self) -> str | None:
        """What is measured of the whole dense model before the first cut, by name; None where nothing is.

        It serves every sparsity, and all methods with the same name here.
        """
        if self.in_sequence:
            return TOKEN_WEIGHTS if self.sink_aware else None
        return self.statistic and self.statistic.name

    @property
    def ablation(self) -> str | None:
        """The variant with the sink weight switched off. In sequence that is the baseline, mask for mask: both read clean text."""
        if not self.sink_aware:
            return None
        return self.baseline if self.in_sequence else f"{self.name}, weight 1"

    @property
    def speed(self) -> str:
        """One sentence on how fast a pruned copy runs."""
        return SMALLER if self.structured else ZEROS


# Colours close to Okabe-Ito's, each at least 3:1 against white and a dark card; the symbol tells methods apart without them.
RECORDS = (
    Method("magnitude", "the smallest weights go; no calibration text", "#8a8f98", "x", cut_by_magnitude),
    Method(
        "wanda", "weight times input norm, compared within each output", "#2b83c6", "circle-open",
        cut_by_wanda, INPUT_NORM, in_sequence=True,
    ),
    Method(
        "sparsegpt", "second order; weights that stay make up for those that go", "#d55e00", "square-open",
        cut_by_sparsegpt, HESSIAN, in_sequence=True,
    ),
    Method(
        "sink-wanda", "wanda on noised text, with the sinks weighted down", "#2b83c6", "circle",
        cut_by_wanda, SUMMED_NORMS, noised=True, baseline="wanda", alias="sink",
    ),
    Method(
        "sink-sparsegpt", "sparsegpt with the sinks weighted down", "#d55e00", "square",
        cut_by_sparsegpt, HESSIAN, noised=True, in_sequence=True, baseline="sparsegpt", alias="sink_sgpt",
    ),
    Method(
        "structured", "whole MLP channels and attention heads go, so the copy is smaller and faster", "#0a8f6a", "diamond-open",
        cut_units, INPUT_NORM, structured=True,
    ),
    Method(
        "sink-structured", "the same on noised text, with the sinks weighted down", "#0a8f6a", "diamond",
        cut_units, SUMMED_NORMS, noised=True, structured=True, baseline="structured",
    ),
)  # fmt: skip
BY_NAME = {method.name: method for method in RECORDS}

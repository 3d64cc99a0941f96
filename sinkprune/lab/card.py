"""The card of a run: what wrote it, what was cut, what it cost, on which machine. Everything on it was set or measured."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass

import torch
import transformers

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.compare import layer_sparsity
from sinkprune.models import LoadedModel
from sinkprune.pruning import STRUCTURED, CalibrationConfig, PruneConfig, PruneResult

ZEROS = "zeros in a dense matrix take as long to multiply as other numbers"
SMALLER = "channels and heads were removed: the layers are smaller"


@dataclass(frozen=True)
class RunCard:
    """sparsity_*: zeros, or removed weights, / weights of the pruned linears; tokens: positions committed, end tokens included.

    seconds: this lane's own.
    """

    model: str
    revision: str | None
    method: str
    sparsity_asked: float
    sparsity_achieved: float
    sparsity_per_layer: list[float]
    pruning: dict
    calibration: dict
    prune_seconds: float
    parameters: int
    decoding: dict
    forwards: int
    tokens: int
    seconds: float
    device: str
    threads: int
    dtype: str
    versions: dict[str, str]

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    def as_markdown(self) -> str:
        """A list of facts, one a line."""
        facts = {
            "Model": self.model
            + (f" @ {self.revision}" if self.revision else "")
            + f", {self.parameters / 1e6:.1f} M parameters",
            "Pruning": self._pruning_fact(),
            "Decoding": _settings(self.decoding),
            "Cost": f"{self.forwards} forward passes, {self.tokens} tokens in {self.seconds:.2f} s ({self.tokens_per_second:.1f} tokens/s)",
            "Machine": f"{self.device}, {self.threads} threads, {self.dtype}, {_settings(self.versions)}",
        }
        if self.sparsity_per_layer:
            layers = ", ".join(f"{share:.1%}" for share in self.sparsity_per_layer)
            facts["Achieved per layer"] = layers
            facts["Calibration"] = f"{_settings(self.calibration)}; pruned in {self.prune_seconds:.1f} s"
            facts["Note"] = SMALLER if self.method in STRUCTURED else ZEROS
        return "\n".join(f"- **{name}:** {fact}" for name, fact in facts.items())

    def _pruning_fact(self) -> str:
        if not self.sparsity_per_layer:
            return "none (dense)"
        settings = {key: value for key, value in self.pruning.items() if key not in ("method", "sparsity")}
        return f"{self.method}, asked {self.sparsity_asked:.1%}, achieved {self.sparsity_achieved:.2%} ({_settings(settings)})"


def run_card(
    loaded: LoadedModel,
    lane: dict,
    decoding: DecodeConfig,
    result: PruneResult | None = None,
    pruning: PruneConfig | None = None,
    calibration: CalibrationConfig | None = None,
) -> RunCard:
    """The card of one finished lane. loaded: the model that wrote it; the last three only where it was pruned."""
    return RunCard(
        model=loaded.spec.name,
        revision=loaded.spec.revision,
        method=pruning.method if pruning else "dense",
        sparsity_asked=pruning.target if pruning else 0.0,
        sparsity_achieved=result.sparsity if result else 0.0,
        sparsity_per_layer=layer_sparsity(result.masks) if result else [],
        pruning=asdict(pruning) if pruning else {},
        calibration=asdict(calibration) if calibration else {},
        prune_seconds=result.seconds if result else 0.0,
        parameters=loaded.parameters,
        decoding=asdict(decoding),
        forwards=lane["nfe"],
        tokens=sum(len(frame["committed"]) for frame in lane["frames"]),
        seconds=lane["seconds"],
        device=_device_name(loaded.device),
        threads=torch.get_num_threads(),
        dtype=str(loaded.model.dtype).removeprefix("torch."),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"


def _settings(settings: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items() if value is not None)

"""The card of a run: what wrote it, what was cut, what it cost, on which machine. Everything on it was set or measured."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict, dataclass

import torch
import transformers

from sinkprune.decoding import DecodeConfig
from sinkprune.models import LoadedModel
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult
from sinkprune.pruning.methods import BY_NAME
from sinkprune.pruning.settings import BUILT_IN, layer_sparsity
from sinkprune.traces.numbers import percent

BUILT_IN_TEXT = "built-in text (a cut of WikiText-2's validation split)"
WARM_UP = "one untimed forward pass of the same shape"
DIGEST_ELEMENTS = 1024  # of each tensor: enough to tell any two prunings or trainings apart, in a millisecond


@dataclass(frozen=True)
class RunCard:
    """sparsity_*: zeros, or removed weights, / weights of the pruned linears; tokens: positions committed, end tokens included.

    weights: `weights_digest` of the model that wrote. seconds: this lane's own; warm_up: what ran before they were counted.
    """

    model: str
    revision: str | None
    weights: str
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
    statistics_recorded: bool = False  # prune_seconds: without measuring the dense model
    warm_up: str = WARM_UP

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    def as_markdown(self) -> str:
        """A list of facts, one a line."""
        facts = {
            "Model": f"{self.model}{f' @ {self.revision}' if self.revision else ''}, weights {self.weights}, "
            f"{self.parameters / 1e6:.1f} M parameters",
            "Pruning": self._pruning_fact(),
            "Decoding": _settings(self.decoding),
            "Cost": f"{self.forwards} forward passes, {self.tokens} tokens in {self.seconds:.2f} s "
            f"({self.tokens_per_second:.1f} tokens/s), after {self.warm_up}, recording the attention included",
            "Machine": f"{self.device}, {threads(self.threads)}, {self.dtype}, {_settings(self.versions)}",
        }
        if self.sparsity_per_layer:
            facts["Achieved per layer"] = ", ".join(percent(share, 1) for share in self.sparsity_per_layer)
            facts["Calibration"] = f"{self._calibration_fact()}; {self.prune_words}"
            facts["Note"] = BY_NAME[self.method].speed
        return "\n".join(f"- **{name}:** {fact}" for name, fact in facts.items())

    @property
    def prune_words(self) -> str:
        """How long the pruning took, and where it took so little because the dense model was measured before."""
        recorded = ", with statistics of the dense model that came with the project" if self.statistics_recorded else ""
        return f"pruned in {self.prune_seconds:.1f} s{recorded}"

    def _calibration_fact(self) -> str:
        if not BY_NAME[self.method].reads_text:
            return f"none: {self.method} reads no text"
        settings = {name: value for name, value in self.calibration.items() if name != "source"}
        source = BUILT_IN_TEXT if self.calibration["source"] == BUILT_IN else self.calibration["source"]
        return f"{source}; {_settings(settings)}"

    def _pruning_fact(self) -> str:
        if not self.sparsity_per_layer:
            return "none (dense)"
        settings = {key: value for key, value in self.pruning.items() if key not in ("method", "sparsity")}
        shares = f"asked {percent(self.sparsity_asked, 1)}, achieved {percent(self.sparsity_achieved, 2)}"
        return f"{self.method}, {shares} ({_settings(settings)})"


def run_card(
    loaded: LoadedModel,
    lane: dict,
    decoding: DecodeConfig,
    result: PruneResult | None = None,
    pruning: PruneConfig | None = None,
    calibration: CalibrationConfig | None = None,
) -> RunCard:
    """The card of one finished lane of `traces.runs.compare_run`.

    loaded: the model that wrote it. result, pruning, calibration: only where it was pruned.
    """
    return RunCard(
        model=loaded.spec.name,
        revision=loaded.spec.revision,
        weights=weights_digest(loaded.model),
        method=pruning.method if pruning else "dense",
        sparsity_asked=pruning.target if pruning else 0.0,
        sparsity_achieved=result.sparsity if result else 0.0,
        sparsity_per_layer=layer_sparsity(result.masks) if result else [],
        pruning=asdict(pruning) if pruning else {},
        calibration=asdict(calibration) if calibration else {},
        prune_seconds=result.seconds if result else 0.0,
        statistics_recorded=result.recorded if result else False,
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


def weights_digest(model: torch.nn.Module) -> str:
    """8 hex digits (sha256) that tell weights apart: names, shapes and the first elements of every parameter."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        if not parameter.is_meta:
            head = parameter.detach().reshape(-1)[:DIGEST_ELEMENTS].cpu().contiguous()
            digest.update(head.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:8]


def threads(count: int) -> str:
    """The number of threads in words."""
    return "1 thread" if count == 1 else f"{count} threads"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"


def _settings(settings: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items() if value is not None)

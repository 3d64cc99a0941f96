"""The bundled model's statistics at the default calibration, recorded: its first prune at any sparsity need not measure the dense model.

    python -m sinkprune.recorded.dense_statistics     # writes assets/dense-statistics/DTYPE.safetensors, for float32 and bfloat16

A file holds what `KEPT` measure: name "STATISTIC/RULE/LINEAR" -> input norms (in,), "token weights/RULE" -> (samples, T), all float32. Its
metadata say which weights, dtype and token ids they were measured on. Where one of these differs, the file is not used. Norms kept in
16 bits would change masks. Not recorded are Hessians, which take 161 MB, and what wanda and sparsegpt measure: each layer after the layers
before it were cut. A GPU measures in a moment, so nothing is read there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sinkprune.models import LoadedModel, load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.pruning import CalibrationConfig, Measured, PruneConfig, calibration_set, prune_model
from sinkprune.pruning.measured import MeasuredKey, measured_key

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "dense-statistics"
KEPT = (
    PruneConfig("sink-wanda"),  # sink-structured too
    PruneConfig("sink-wanda", sink_weight=False),
    PruneConfig("structured"),
    PruneConfig("sink-sparsegpt"),  # its token weights
)
MODEL = "bundled"


def load_statistics(loaded: LoadedModel, folder: Path = FOLDER) -> Measured:
    """What was recorded of this very model, text and dtype; {} where nothing was, or the file is damaged."""
    path = _file(loaded, folder)
    if loaded.device.type != "cpu" or loaded.spec.name != MODEL or not path.exists():
        return {}
    try:
        with safe_open(path, "pt") as file:
            if json.loads(file.metadata()["made_by"]) != _made_by(loaded):
                return {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError):
        return {}
    keys = {_name(key): key for key in _keys(loaded)}
    found: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        statistic, rule, linear = name.split("/")
        found.setdefault(f"{statistic}/{rule}", {})[linear] = tensor
    return {keys[name]: (values.get("", values), None) for name, values in found.items()}


def record_statistics(loaded: LoadedModel, folder: Path = FOLDER) -> Path:
    """Measure the dense model and write the file of its dtype."""
    measured: Measured = {}
    for config in KEPT:
        prune_model(loaded, config, measured=measured)
    tensors = {}
    for key in _keys(loaded):
        value, _ = measured[key]
        values = {"": value} if isinstance(value, torch.Tensor) else value
        tensors |= {f"{_name(key)}/{linear}": tensor.contiguous() for linear, tensor in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, _file(loaded, folder), {"made_by": json.dumps(_made_by(loaded))})
    return _file(loaded, folder)


def _made_by(loaded: LoadedModel) -> dict:
    """Everything that decides the statistics but the machine, as JSON gives it back."""
    calibration = CalibrationConfig()
    ids = calibration_set(loaded, calibration).cpu().numpy()
    return {
        "weights": weights_fingerprint(loaded),
        "dtype": str(loaded.model.dtype),
        "ids": hashlib.sha256(ids.tobytes()).hexdigest()[:16],
        "calibration": asdict(calibration),
    }


def _keys(loaded: LoadedModel) -> list[MeasuredKey]:
    return [measured_key(loaded.spec, config, CalibrationConfig()) for config in KEPT]


def _name(key: MeasuredKey) -> str:
    return f"{key.statistic}/{key.rule}"


def _file(loaded: LoadedModel, folder: Path) -> Path:
    return folder / f"{str(loaded.model.dtype).removeprefix('torch.')}.safetensors"


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the bundled model's statistics, in float32 and in bfloat16."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.dense_statistics", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    for dtype in (torch.float32, torch.bfloat16):
        path = record_statistics(load_model(MODEL, dtype=dtype), options.folder)
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()

"""How large a model is, computed on the meta device (no weight exists), and whether it fits into the memory there is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate.utils import compute_module_sizes
from transformers import LlamaForCausalLM, PretrainedConfig, PreTrainedModel, Qwen2ForCausalLM, Qwen3ForCausalLM

from sinkprune.models.reading import first_line
from sinkprune.models.registry import QUANTIZATIONS
from sinkprune.models.widths import WIDTHS_KEY, narrowed

ARCHITECTURES = {"llama": LlamaForCausalLM, "qwen2": Qwen2ForCausalLM, "qwen3": Qwen3ForCausalLM}
_GIB = 2**30
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of a container


@dataclass(frozen=True)
class Needs:
    """Bytes. load: the weights; prune: what a pruned copy beside them takes more, masks included (0: quantised, it cannot be pruned)."""

    parameters: int
    load: int
    prune: int


def empty_model(config: PretrainedConfig) -> PreTrainedModel:
    """The model of a config on the meta device: names and shapes, no numbers. ValueError for a config that makes none."""
    architecture = ARCHITECTURES[config.model_type]
    try:
        with torch.device("meta"):
            return (narrowed(architecture) if hasattr(config, WIDTHS_KEY) else architecture)(config)
    except Exception as error:  # what transformers raises for values that do not go together is open-ended
        raise ValueError(f"no model can be built from config.json ({first_line(error)}): correct it") from error


def needs(model: PreTrainedModel, dtype: torch.dtype, quantize: str | None = None) -> Needs:
    """What an `empty_model` will need in `dtype`, its layers' linears quantised or not."""
    linears = {
        name: module
        for name, module in model.model.layers.named_modules(prefix="model.layers")
        if isinstance(module, torch.nn.Linear)
    }
    weights = sum(linear.weight.numel() for linear in linears.values())
    whole = compute_module_sizes(model, dtype=dtype)[""]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if quantize is None:
        return Needs(parameters, whole, weights * dtype.itemsize + weights)
    packed = weights + 4 * sum(linear.out_features for linear in linears.values())  # int8: a scale a row
    if quantize == "nf4":
        packed = weights // 2 + 4 * (weights // 64)  # 4 bits, a scale for every 64 weights
    return Needs(parameters, whole - weights * dtype.itemsize + packed, 0)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device: of a GPU, or of this machine or the container it runs in."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    free = psutil.virtual_memory().available
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # not there, or "max"
            free = min(free, int(limit.read_text()) - psutil.Process().memory_info().rss)
    return max(free, 0)


def too_large(model: PreTrainedModel, dtype: torch.dtype, quantize: str | None, device: torch.device) -> str:
    """ "" where the weights fit into the device's free memory, else a sentence with what would."""
    free, needed = free_memory(device), needs(model, dtype, quantize).load
    if needed <= free:
        return ""
    smaller = [kind for kind in QUANTIZATIONS if quantize is None and needs(model, dtype, kind).load <= free]
    way_out = f"load it with quantize={smaller[0]!r}" if smaller else "use a larger machine or a smaller model"
    form = quantize or str(dtype).removeprefix("torch.")
    return f"needs {needed / _GIB:.1f} GiB in {form}, and {device.type} has {free / _GIB:.1f} GiB free: {way_out}"

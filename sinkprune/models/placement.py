"""Where a model goes and in which numbers: devices and dtypes, each checked before anything is read."""

from __future__ import annotations

import torch

DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")  # accelerate's


def place_of(
    device: str | torch.device | None, device_map: str | dict | None
) -> tuple[torch.device | None, str | dict | None]:
    """(device, None), or (None, device map) for layers on several. Raises ValueError for a device that is not there."""
    if device is not None and device_map is not None:
        raise ValueError("device and device_map both say where the model goes: give one of them")
    if device == "auto" or device_map is not None:
        chosen = "auto" if device_map is None else device_map
        if isinstance(chosen, str) and chosen not in DEVICE_MAPS:
            raise ValueError(f"device_map must be one of {', '.join(DEVICE_MAPS)} or a dictionary, not {chosen!r}")
        for place in chosen.values() if isinstance(chosen, dict) else ():
            if place != "disk":
                _device(place)
        return None, chosen
    return _device(default_device() if device is None else device), None


def _device(name: str | int | torch.device) -> torch.device:
    try:
        place = torch.device(name)
    except (RuntimeError, TypeError):
        raise ValueError(f"{str(name)[:40]!r} is no device: use cpu, cuda, cuda:1 or auto") from None
    if place.type == "cpu":
        return torch.device("cpu")
    module = getattr(torch, place.type, None)
    if not hasattr(module, "is_available") or not module.is_available():
        kind = "GPU" if place.type == "cuda" else f"device {place.type!r}"
        raise ValueError(f"there is no {kind} that torch can use here: leave --device out")
    if place.index is not None and place.index >= module.device_count():
        raise ValueError(
            f"there is no device {str(place)!r} here: {place.type} has {module.device_count()}, counted from 0"
        )
    return place


def default_device() -> str:
    """The first GPU, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_dtype(dtype: object) -> None:
    """Raise ValueError where weights cannot be kept in `dtype`; None is the checkpoint's own."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point and dtype.itemsize >= 2):
        raise ValueError(f"dtype must be torch.float32, torch.bfloat16, torch.float16 or None, not {dtype!r}")


def default_dtype(stored: torch.dtype, device: torch.device | None) -> torch.dtype:
    """The checkpoint's dtype, except on a CPU that would have to emulate it. device None: placed by a device map."""
    if device is None or device.type != "cpu" or stored == torch.float32:
        return stored
    # Measured on a 12-layer, 576-wide model: with these instructions a bfloat16 forward of 128 tokens is faster than float32.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if stored == torch.bfloat16 and native else torch.float32

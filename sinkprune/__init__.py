"""sinkprune: watch attention sinks in a diffusion language model, prune it, compare.

The names below are the public ones. Each is imported when it is first used, so that `import sinkprune` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sinkprune.decoding import DecodeConfig, Generation, Step, autoregress, denoise, generate
    from sinkprune.models import LoadedModel, ModelSpec, load_model
    from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult, prune_model
    from sinkprune.sinks import attention_map, record_attention

_ROOMS = {
    "models": ("LoadedModel", "ModelSpec", "load_model"),
    "sinks": ("attention_map", "record_attention"),
    "decoding": ("DecodeConfig", "Generation", "Step", "autoregress", "denoise", "generate"),
    "pruning": ("CalibrationConfig", "PruneConfig", "PruneResult", "prune_model"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "CalibrationConfig",
    "DecodeConfig",
    "Generation",
    "LoadedModel",
    "ModelSpec",
    "PruneConfig",
    "PruneResult",
    "Step",
    "attention_map",
    "autoregress",
    "denoise",
    "generate",
    "load_model",
    "prune_model",
    "record_attention",
]


def __getattr__(name: str):
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'sinkprune' has no attribute {name!r}")
    return getattr(import_module(f"sinkprune.{_ROOM_OF[name]}"), name)

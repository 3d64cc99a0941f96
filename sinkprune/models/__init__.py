"""What we run: the registry of known models, loading, checkpoint layouts, the watched attention function, prompts and texts."""

from sinkprune.models.chat import decode_answer, encode_prompt, token_texts
from sinkprune.models.direction import causal_prompt, causal_view, set_causal
from sinkprune.models.loading import load_model
from sinkprune.models.registry import MODELS, ModelInfo
from sinkprune.models.saving import check_target, save_model
from sinkprune.models.spec import LoadedModel, ModelSpec

__all__ = [
    "MODELS",
    "LoadedModel",
    "ModelInfo",
    "ModelSpec",
    "causal_prompt",
    "causal_view",
    "check_target",
    "decode_answer",
    "encode_prompt",
    "load_model",
    "save_model",
    "set_causal",
    "token_texts",
]

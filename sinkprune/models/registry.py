"""The models known by name: what they are, where their weights are, and why some cannot run here.

Sizes are those of the published config.json files, so that memory can be computed before anything is downloaded. Revisions are commits of
the hub; an entry without one is not pinned and follows the hub's main branch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BUNDLED_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "bundled"

_HUB_ID = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}(@\w[\w./-]{0,95})?", re.ASCII)

QUANTIZATIONS = ("int8", "nf4")  # forms that bitsandbytes loads any of them in


@dataclass(frozen=True)
class ModelInfo:
    """One model.

    source: a folder or a hub id. revision: the hub's commit to load; None: its main branch.
    parameters: in billions, as published; 0 where unknown. licence: "" where unknown.
    shape: entries of its config.json that fix every tensor's size; empty where the model cannot run here, or is not in the registry.
    defaults: entries that its config.json lacks and this engine needs.
    gated: the hub asks for a login and a yes to the licence first.
    causal_only: an autoregressive reference; it has no MASK and cannot denoise.
    refusal: why this engine cannot run it; "" where it can.
    """

    name: str
    source: str | Path
    title: str
    parameters: float = 0.0
    licence: str = ""
    revision: str | None = None
    shape: Mapping[str, object] = field(default_factory=dict, hash=False)
    defaults: tuple[tuple[str, object], ...] = ()
    gated: bool = False
    refusal: str = ""

    @property
    def causal_only(self) -> bool:
        return bool(dict(self.defaults).get("causal_only", False))


def _qwen(
    model_type: str, hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocabulary: int, **more
) -> dict:
    return {
        "model_type": model_type,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": mlp,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
        **more,
    }


_LLADA_8B = {
    "model_type": "llada",
    "d_model": 4096,
    "n_layers": 32,
    "n_heads": 32,
    "n_kv_heads": 32,
    "mlp_hidden_size": 12288,
    "vocab_size": 126464,
    "embedding_size": 126464,
    "max_sequence_length": 4096,
    "rope_theta": 500000.0,
    "weight_tying": False,
}
_MMADA_8B = _LLADA_8B | {"vocab_size": 134656, "embedding_size": 134656}  # 8192 image tokens more
_DREAM_7B = _qwen("Dream", 3584, 28, 28, 4, 18944, 152064)
_QWEN25_05B = _qwen("qwen2", 896, 24, 14, 2, 4864, 151936, tie_word_embeddings=True)

_LLADA_BASE = (("mask_token_id", 126336), ("chat_format", "plain"))
_LLADA_CHAT = (("mask_token_id", 126336), ("chat_format", "template"))
_DREAM_BASE = (("mask_token_id", 151666), ("chat_format", "plain"))
_DREAM_CHAT = (("mask_token_id", 151666), ("chat_format", "template"))
_CONVERTED = (("chat_format", "template"),)  # their tokenizers know the MASK
_CAUSAL = (("causal_only", True),)
_LLAMA = (*_CAUSAL, ("begin_token_id", 128000))

_BLOCKWISE = (
    "it reads finished blocks causally and only the block at work in both directions; this engine attends to the whole canvas, "
    "so the model would see what it was never trained to see"
)

_ENTRIES = (
    ModelInfo("bundled", BUNDLED_FOLDER, "bundled, 52 M", 0.052, "Apache-2.0"),
    ModelInfo(
        "qwen3-0.6b-diffusion", "dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1", "Qwen3 0.6B turned to diffusion (dLLM)", 0.75, "Apache-2.0",
        "c8d24a3f4adaeef46881b450e1bf7d1005203bd7", _qwen("a2d-qwen3", 1024, 28, 16, 8, 3072, 151936, head_dim=128), _CONVERTED,
    ),
    ModelInfo(
        "qwen2.5-coder-0.5b-diffusion", "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1",
        "Qwen2.5-Coder 0.5B turned to diffusion (dLLM)", 0.63, "Apache-2.0",
        "a284e895a6248256baf2f60502e54aba61b24c1a", _qwen("a2d-qwen2", 896, 24, 14, 2, 4864, 151936), _CONVERTED,
    ),
    ModelInfo(
        "llada-8b-base", "GSAI-ML/LLaDA-8B-Base", "LLaDA 8B Base", 8.02, "MIT",
        "0f2787f2d87eac5eed8a087d5ecd24277e6255b2", _LLADA_8B, _LLADA_BASE,
    ),
    ModelInfo(
        "llada-8b-instruct", "GSAI-ML/LLaDA-8B-Instruct", "LLaDA 8B Instruct", 8.02, "MIT",
        "08b83a6feb34df1a6011b80c3c00c7563e963b07", _LLADA_8B, _LLADA_CHAT,
    ),
    ModelInfo(
        "llada-1.5", "GSAI-ML/LLaDA-1.5", "LLaDA 1.5 (8B)", 8.02, "MIT",
        "43716255dd5ce01192bcfc073a2557e969a2f271", _LLADA_8B, _LLADA_CHAT,
    ),
    ModelInfo(
        "dream-7b-base", "Dream-org/Dream-v0-Base-7B", "Dream v0 Base 7B", 7.62, "Apache-2.0",
        "6572adb5535263e4d1a337b56942ba48b6dee2a9", _DREAM_7B, _DREAM_BASE,
    ),
    ModelInfo(
        "dream-7b-instruct", "Dream-org/Dream-v0-Instruct-7B", "Dream v0 Instruct 7B", 7.62, "Apache-2.0",
        "05334cb9faaf763692dcf9d8737c642be2b2a6ae", _DREAM_7B, _DREAM_CHAT,
    ),
    ModelInfo(
        "mmada-8b-base", "Gen-Verse/MMaDA-8B-Base", "MMaDA 8B Base (its text side)", 8.08, "MIT",
        "065b30692dd6a2d0560d280d264e5e0092c05bc4", _MMADA_8B, _LLADA_BASE,
    ),
    ModelInfo(
        "smollm2-135m", "HuggingFaceTB/SmolLM2-135M", "SmolLM2 135M", 0.135, "Apache-2.0",
        "93efa2f097d58c2a74874c7e644dbc9b0cee75a2", _qwen("llama", 576, 30, 9, 3, 1536, 49152, tie_word_embeddings=True), _CAUSAL,
    ),
    ModelInfo(
        "qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B", "Qwen2.5 0.5B", 0.49, "Apache-2.0",
        "060db6499f32faf8b98477b0a26969ef7d8b9987", _QWEN25_05B, _CAUSAL,
    ),
    ModelInfo(
        "llama-3.2-1b", "meta-llama/Llama-3.2-1B", "Llama 3.2 1B", 1.24, "Llama 3.2 Community",
        "4e20de362430cd3b72f300e6b0f18e50e7166e08", _qwen("llama", 2048, 16, 32, 8, 8192, 128256, tie_word_embeddings=True), _LLAMA,
        gated=True,
    ),
    ModelInfo(
        "llama-3.1-8b", "meta-llama/Llama-3.1-8B", "Llama 3.1 8B", 8.03, "Llama 3.1 Community",
        "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b", _qwen("llama", 4096, 32, 32, 8, 14336, 128256), _LLAMA, gated=True,
    ),
    ModelInfo(
        "qwen3-0.6b-block-diffusion", "dllm-hub/Qwen3-0.6B-diffusion-bd3lm-v0.1", "Qwen3 0.6B, block diffusion (dLLM)", 0.75,
        "Apache-2.0", refusal=_BLOCKWISE,
    ),
    ModelInfo(
        "fast-dllm-v2-1.5b", "Efficient-Large-Model/Fast_dLLM_v2_1.5B", "Fast-dLLM v2 1.5B", 1.5, "Apache-2.0", refusal=_BLOCKWISE,
    ),
    ModelInfo(
        "diffusiongemma-26b", "google/diffusiongemma-26B-A4B-it", "DiffusionGemma 26B-A4B", 25.2,
        refusal="it has no MASK token: a canvas of random tokens is renoised at every step, a causal encoder reads the prompt, and its "
        "experts are no plain linears; denoising, recording and pruning here are written for masked canvases and dense layers",
    ),
)  # fmt: skip
MODELS = {info.name: info for info in _ENTRIES}


def is_registered(info: ModelInfo) -> bool:
    """Whether this is an entry of the registry, and not a folder or another hub id, which may have the name of one."""
    return MODELS.get(info.name) is info


def find_model(name_or_path: str | Path) -> ModelInfo:
    """The entry of a registry name, a local folder or a hub id ("owner/name", or "owner/name@revision").

    Raises ValueError, listing the known names, for anything else.
    """
    name = str(name_or_path)
    if name in MODELS:
        return MODELS[name]
    if _is_folder(name):
        return ModelInfo(Path(name).resolve().name, Path(name), name)
    hub_id, _, revision = name.partition("@")
    if _HUB_ID.fullmatch(name) and ".." not in name:
        known = next((info for info in _ENTRIES if info.source == hub_id), None)
        if known is not None and not revision:
            return known
        return ModelInfo(hub_id, hub_id, hub_id, revision=revision or None, refusal=known.refusal if known else "",
                         defaults=known.defaults if known else ())  # fmt: skip
    raise ValueError(
        f"unknown model {name[:200]!r}: use one of {', '.join(MODELS)}, a local folder or a hub id (owner/name)"
    )


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # a name that no file system takes, for example a very long one
        return False

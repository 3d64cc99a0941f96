"""load_model: a name or a folder becomes a model in eval mode that looks both ways, its tokenizer and its spec.

Weights are read from safetensors by transformers' own loader, shard by shard and renamed on the way, so quantisation and device maps work
for every layout. Code inside a checkpoint is never run.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    BitsAndBytesConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    Qwen3ForCausalLM,
)

from sinkprune.models.attention import ATTENTION_NAME
from sinkprune.models.direction import set_causal
from sinkprune.models.four_bit import take_plain_kernel_where_needed
from sinkprune.models.layouts import convert_config
from sinkprune.models.registry import find_model, model_folder
from sinkprune.models.spec import LoadedModel, ModelSpec
from sinkprune.models.widths import WIDTHS_KEY, narrowed

ARCHITECTURES = {"llama": LlamaForCausalLM, "qwen2": Qwen2ForCausalLM, "qwen3": Qwen3ForCausalLM}
QUANTIZATIONS = ("int8", "nf4")
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def load_model(
    name_or_path: str | Path,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    quantize: str | None = None,
    device_map: str | dict | None = None,
) -> LoadedModel:
    """Load a diffusion language model for looking, generating and pruning.

    name_or_path: a registry name ("bundled", …), a hub id, or a folder: a transformers Llama/Qwen2/Qwen3 with mask_token_id in its
        config, or the original LLaDA, MMaDA or Dream layout.
    device: default the first GPU, else the CPU. device_map: accelerate's, instead of device.
    dtype: default the checkpoint's own; on a CPU without bfloat16 instructions, and for float16 on any CPU, float32 instead.
    quantize: None, "int8" or "nf4" (bitsandbytes; saves memory, costs speed on a CPU).
    Raises ValueError for an unknown name, an unsupported architecture, missing or extra tensors.
    """
    if quantize not in (None, *QUANTIZATIONS):
        raise ValueError(f"quantize must be None or one of {', '.join(QUANTIZATIONS)}, not {quantize!r}")
    if device is not None and device_map is not None:
        raise ValueError("device and device_map both say where the model goes: give one of them")
    info = find_model(name_or_path)
    folder, revision = model_folder(info)
    raw = dict(info.defaults) | _read_config(folder)
    config, names = convert_config(raw)
    if device_map is None:
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or default_dtype(stored_dtype(folder), device)
    placement = {"device_map": device_map if device_map is not None else {"": device}}
    if quantize is not None:
        placement["quantization_config"] = _quantization(quantize, dtype)
    model = _read_weights(folder, config, names, dtype, placement)
    set_causal(model, False)
    model.eval().requires_grad_(False)
    if quantize == "nf4":
        for linear in (module for module in model.modules() if isinstance(module, torch.nn.Linear)):
            take_plain_kernel_where_needed(linear)
    return LoadedModel(model, _read_tokenizer(folder), spec_of(config, info.name, revision))


def spec_of(config: PretrainedConfig, name: str, revision: str | None = None) -> ModelSpec:
    """The spec of a converted config."""
    eos = config.eos_token_id
    return ModelSpec(
        name=name,
        family=config.model_type,
        mask_token_id=config.mask_token_id,
        eos_token_id=eos[0] if isinstance(eos, list) else eos,
        shift_logits=config.shift_logits,
        chat_format=config.chat_format,
        drops_final_mark=config.drops_final_mark,
        causal=config.causal_lm,
        begin_token_id=config.begin_token_id,
        revision=revision,
    )


def default_dtype(stored: torch.dtype, device: torch.device | None) -> torch.dtype:
    """The checkpoint's dtype, except on a CPU that would have to emulate it. device None: placed by a device map."""
    if device is None or device.type != "cpu" or stored == torch.float32:
        return stored
    # Measured on a 12-layer, 576-wide model: with these instructions a bfloat16 forward of 128 tokens is faster than float32.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if stored == torch.bfloat16 and native else torch.float32


def stored_dtype(folder: Path) -> torch.dtype:
    """The dtype of the first tensor of the first safetensors file in `folder`. Raises ValueError where there is none to read."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder} has no *.safetensors file: only safetensors checkpoints are loaded")
    try:
        with safe_open(files[0], "pt") as tensors:
            first = next(iter(tensors.keys()))
            return _DTYPES.get(tensors.get_slice(first).get_dtype(), torch.float32)
    except (SafetensorError, OSError, StopIteration) as error:
        raise ValueError(
            f"{files[0].name} in {folder} cannot be read ({error}): the file is damaged or cut short"
        ) from error


def _read_config(folder: Path) -> dict:
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"config.json in {folder} is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ValueError(f"config.json in {folder} must hold one JSON object")
    return raw


def _quantization(quantize: str, dtype: torch.dtype) -> BitsAndBytesConfig:
    if quantize == "int8":
        # bitsandbytes announces its cast to float16 at every layer of every forward.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def _read_weights(
    folder: Path, config: PretrainedConfig, names: dict[str, str] | None, dtype: torch.dtype, placement: dict
) -> PreTrainedModel:
    architecture = ARCHITECTURES[config.model_type]
    built_as = narrowed(architecture) if hasattr(config, WIDTHS_KEY) else architecture
    try:
        # Weights made inside inference mode could not be pruned, and quantised ones could not even run.
        with torch.inference_mode(False):
            model, report = built_as.from_pretrained(
                folder,
                config=config,
                key_mapping=names,
                dtype=dtype,
                attn_implementation=ATTENTION_NAME,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **placement,
            )
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ValueError(f"the weights in {folder} do not fit its config.json or are damaged: {error}") from error
    problems = [
        f"{kind} {', '.join(sorted(map(str, keys))[:8])}{' …' if len(keys) > 8 else ''}"
        for kind, keys in (("missing", report["missing_keys"]), ("not expected", report["unexpected_keys"]))
        if keys
    ]
    if problems:
        raise ValueError(f"the tensors in {folder} do not fit its config.json: {'; '.join(problems)}")
    model.__class__ = architecture  # the narrowed class differs in its constructor only, and its name would be saved
    # Renaming is undone by save_pretrained as long as this is set; a saved copy shall have the names its config stands for.
    model._weight_conversions = None
    return model


def _read_tokenizer(folder: Path):
    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    return None

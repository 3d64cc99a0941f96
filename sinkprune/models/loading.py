"""load_model: a name or a folder becomes a model in eval mode that looks both ways, its tokenizer and its spec.

Weights are read from safetensors by transformers' own loader, shard by shard and renamed on the way, so quantisation and device maps work
for every layout. Code inside a checkpoint is never run.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

from sinkprune.models.attention import ATTENTION_NAME
from sinkprune.models.checkpoint import check_tensors, stored_dtype, stored_tensors
from sinkprune.models.direction import set_causal
from sinkprune.models.four_bit import take_plain_kernel_where_needed
from sinkprune.models.hub import model_folder, read_config
from sinkprune.models.layouts import convert_config
from sinkprune.models.registry import QUANTIZATIONS, ModelInfo, find_model, is_registered
from sinkprune.models.sizes import ARCHITECTURES, empty_model, too_large
from sinkprune.models.spec import LoadedModel, ModelSpec
from sinkprune.models.widths import WIDTHS_KEY, narrowed


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
    Raises ValueError for an unknown name, a hub that cannot be reached, an unsupported architecture, too little memory (said before the
    weights are downloaded), and missing or extra tensors.
    """
    if quantize not in (None, *QUANTIZATIONS):
        raise ValueError(f"quantize must be None or one of {', '.join(QUANTIZATIONS)}, not {quantize!r}")
    if device is not None and device_map is not None:
        raise ValueError("device and device_map both say where the model goes: give one of them")
    info = find_model(name_or_path)
    if info.refusal:
        raise ValueError(f"{info.title} cannot run here: {info.refusal}")
    raw = read_config(info)
    place = None if device_map is not None else torch.device(device or default_device())
    if place is not None and not isinstance(info.source, Path):
        _check_room(info, raw, dtype or default_dtype(torch.bfloat16, place), quantize, place)
    folder, revision = model_folder(info)
    tokenizer = _read_tokenizer(folder)
    config, names = convert_config(_with_ids_of(tokenizer, raw))
    tensors = stored_tensors(folder)
    empty = empty_model(config)
    check_tensors(tensors, empty.state_dict(), names, config.tie_word_embeddings)
    dtype = dtype or default_dtype(stored_dtype(tensors), place)
    if place is not None and (problem := too_large(empty, dtype, quantize, place)):
        raise ValueError(f"{info.title} {problem}")
    placement = {"device_map": device_map if device_map is not None else {"": place}}
    if quantize is not None:
        placement["quantization_config"] = _quantization(quantize, dtype)
    model = _read_weights(folder, config, names, dtype, placement)
    set_causal(model, config.causal_only)
    model.eval().requires_grad_(False)
    if quantize == "nf4":
        for linear in (module for module in model.modules() if isinstance(module, torch.nn.Linear)):
            take_plain_kernel_where_needed(linear)
    return LoadedModel(model, tokenizer, spec_of(config, info.name, revision, is_registered(info)))


def default_device() -> str:
    """The first GPU, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_room(info: ModelInfo, raw: dict, dtype: torch.dtype, quantize: str | None, device: torch.device) -> None:
    """Refuse a model from the hub that cannot run or does not fit, by its config.json alone."""
    config, _ = convert_config({"mask_token_id": 0} | raw)
    if problem := too_large(empty_model(config), dtype, quantize, device):
        raise ValueError(f"{info.title} {problem}")


def spec_of(config: PretrainedConfig, name: str, revision: str | None = None, registered: bool = False) -> ModelSpec:
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
        registered=registered,
    )


def default_dtype(stored: torch.dtype, device: torch.device | None) -> torch.dtype:
    """The checkpoint's dtype, except on a CPU that would have to emulate it. device None: placed by a device map."""
    if device is None or device.type != "cpu" or stored == torch.float32:
        return stored
    # Measured on a 12-layer, 576-wide model: with these instructions a bfloat16 forward of 128 tokens is faster than float32.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if stored == torch.bfloat16 and native else torch.float32


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
    if report["missing_keys"]:  # the headers had them all: transformers reads some other file
        raise ValueError(f"{folder} holds more than one checkpoint: keep the files of one")
    model.__class__ = architecture  # the narrowed class differs in its constructor only, and its name would be saved
    # Renaming is undone by save_pretrained as long as this is set; a saved copy shall have the names its config stands for.
    model._weight_conversions = None
    return model


def _with_ids_of(tokenizer: PreTrainedTokenizerBase | None, raw: dict) -> dict:
    """The config with the MASK and end ids that it lacks and its tokenizer knows."""
    known = {key: getattr(tokenizer, key, None) for key in ("mask_token_id", "eos_token_id")}
    return raw | {key: value for key, value in known.items() if value is not None and raw.get(key) is None}


def _read_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    return None

"""load_model: a name or a folder becomes a model in eval mode that looks both ways, its tokenizer and its spec.

Transformers' own loader reads the weights from safetensors, shard by shard, and renames them on the way. So quantisation and device maps
work for every layout. Code inside a checkpoint is never run.
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
)

from sinkprune.models.attention import ATTENTION_NAME
from sinkprune.models.chat import check_frame
from sinkprune.models.checkpoint import check_tensors, stored_dtype, stored_tensors
from sinkprune.models.config_checks import check_end_ids, end_ids
from sinkprune.models.direction import set_causal
from sinkprune.models.four_bit import take_plain_kernel_where_needed
from sinkprune.models.hub import model_folder, read_config
from sinkprune.models.layouts import convert_config
from sinkprune.models.placement import check_dtype, default_dtype, place_of
from sinkprune.models.reading import read_generation_config, read_tokenizer
from sinkprune.models.registry import QUANTIZATIONS, ModelInfo, find_model, is_registered
from sinkprune.models.sizes import ARCHITECTURES, empty_model, too_large
from sinkprune.models.spec import LoadedModel, ModelSpec, Renaming
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
    device: default the first GPU, else the CPU; "auto" spreads the layers over all GPUs. device_map: accelerate's, instead of device.
    dtype: default the checkpoint's own; on a CPU without bfloat16 instructions, and for float16 on any CPU, float32 instead.
    quantize: None, "int8" or "nf4" (bitsandbytes; saves memory, costs speed on a CPU).
    Raises ValueError for an unknown name or device, for a hub that cannot be reached, and for an unsupported architecture. Too little
    memory is an error before the weights are downloaded. Missing or extra tensors and unusable files are errors too.
    """
    if quantize not in (None, *QUANTIZATIONS):
        raise ValueError(f"quantize must be None or one of {', '.join(QUANTIZATIONS)}, not {quantize!r}")
    place, device_map = place_of(device, device_map)
    check_dtype(dtype)
    info = find_model(name_or_path)
    if info.refusal:
        raise ValueError(f"{info.title} cannot run here: {info.refusal}")
    raw = read_config(info)
    if place is not None and not isinstance(info.source, Path):
        _check_room(info, raw, dtype or default_dtype(torch.bfloat16, place), quantize, place)
    folder, revision = model_folder(info)
    tokenizer = read_tokenizer(folder)
    config, names = convert_config(_with_ids_of(tokenizer, raw))
    tensors = stored_tensors(folder)
    empty = empty_model(config)
    spec = spec_of(config, names, info, revision, read_generation_config(folder).get("eos_token_id"))
    check_frame(tokenizer, spec)
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
    return LoadedModel(model, tokenizer, spec)


def _check_room(info: ModelInfo, raw: dict, dtype: torch.dtype, quantize: str | None, device: torch.device) -> None:
    """Refuse a model from the hub that cannot run or does not fit, by its config.json alone."""
    config, _ = convert_config({"mask_token_id": 0} | raw)
    if problem := too_large(empty_model(config), dtype, quantize, device):
        raise ValueError(f"{info.title} {problem}")


def spec_of(
    config: PretrainedConfig, names: Renaming, info: ModelInfo, revision: str | None, generation_ends: object
) -> ModelSpec:
    """The spec of a converted config. generation_ends: eos_token_id of generation_config.json, which often has more of them."""
    last = config.vocab_size - 1
    check_end_ids(generation_ends, last, "generation_config.json")
    ends = [one for one in end_ids(config.eos_token_id) + end_ids(generation_ends) if one != config.mask_token_id]
    first, *others = list(dict.fromkeys(ends)) or [None]
    return ModelSpec(
        name=info.name,
        family=config.model_type,
        mask_token_id=config.mask_token_id,
        eos_token_id=first,
        other_end_ids=tuple(others),
        shift_logits=config.shift_logits,
        chat_format=config.chat_format,
        drops_final_mark=config.drops_final_mark,
        causal=config.causal_lm,
        begin_token_id=config.begin_token_id,
        revision=revision,
        registered=is_registered(info),
        renaming=names,
    )


def _quantization(quantize: str, dtype: torch.dtype) -> BitsAndBytesConfig:
    if quantize == "int8":
        # bitsandbytes announces its cast to float16 at every layer of every forward.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def _read_weights(
    folder: Path, config: PretrainedConfig, names: Renaming, dtype: torch.dtype, placement: dict
) -> PreTrainedModel:
    architecture = ARCHITECTURES[config.model_type]
    built_as = narrowed(architecture) if hasattr(config, WIDTHS_KEY) else architecture
    try:
        # Weights made inside inference mode could not be pruned, and quantised ones could not even run.
        with torch.inference_mode(False):
            model, report = built_as.from_pretrained(
                folder,
                config=config,
                key_mapping=dict(names) or None,
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

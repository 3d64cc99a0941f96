"""Checkpoint layouts: how a folder's config and weight names become those of a transformers Llama, Qwen2 or Qwen3.

- plain: a transformers folder whose config has mask_token_id.
- LLaDA and MMaDA (model_type "llada", "mmada"; weights model.transformer.blocks.N.*): Llama, or Qwen2 when q, k and v have biases and the
  other linears have none. Their logits equal the official code's to 0.0.
- Dream (model_type "Dream"): Qwen2 under the same weight names; its outputs are shifted by one.
- dLLM's conversions (model_type "a2d-llama", "a2d-qwen2", "a2d-qwen3"): the plain weight names; the head is never tied.

One table, LAYOUTS: loading renames by it, the renaming travels in the model's spec, and saving undoes it. Pure functions of the config
dictionary; nothing is read or built here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from transformers import LlamaConfig, PretrainedConfig, Qwen2Config, Qwen3Config

from sinkprune.models.config_checks import check_ids, check_raw, check_shape
from sinkprune.models.reading import first_line
from sinkprune.models.spec import Renaming
from sinkprune.models.widths import check_widths

PLAIN_CONFIGS = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}

_BLOCK = r"^model\.transformer\.blocks\.(\d+)\."
_BLOCK_PARTS = {
    "attn_norm": "input_layernorm",
    "ff_norm": "post_attention_layernorm",
    "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj",
    "v_proj": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}
LLADA_NAMES: Renaming = (
    *((_BLOCK + original + r"\.", r"model.layers.\1." + ours + ".") for original, ours in _BLOCK_PARTS.items()),
    (r"^model\.transformer\.wte\.", "model.embed_tokens."),
    (r"^model\.transformer\.ln_f\.", "model.norm."),
    (r"^model\.transformer\.ff_out\.", "lm_head."),
)

# What a Llama cannot compute, with the only value of each entry that it can.
_LLADA_NEEDS = {
    "alibi": False,
    "rope": True,
    "layer_norm_type": "rms",
    "activation_type": "silu",
    "block_type": "llama",
    "attention_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
}


@dataclass(frozen=True)
class Layout:
    """How one model_type is read, and written again.

    config: the transformers config of a config.json. names: how its checkpoints name the weights; () where as transformers does.
    shifts: whether position i is predicted by output i-1. needs: entries of config.json with the only value that can run here.
    """

    config: Callable[[dict], PretrainedConfig]
    names: Renaming = ()
    shifts: bool = False
    needs: Mapping[str, object] = field(default_factory=dict)


def convert_config(raw: dict) -> tuple[PretrainedConfig, Renaming]:
    """(transformers config, renaming of the weights) of a folder's config.json.

    The config comes with mask_token_id, shift_logits, chat_format, causal_lm, causal_only and begin_token_id set, so that a saved copy
    loads again. Raises ValueError for an architecture or an option that cannot run here, for quantised weights, and for impossible
    values. A missing mask_token_id is an error too, unless the config says causal_only.
    """
    layout = _layout(raw)
    for key, needed in layout.needs.items():
        if raw.get(key, needed) != needed:
            raise ValueError(f"config.json: this checkpoint has {key} = {raw[key]!r}; only {needed!r} can run here")
    check_raw(raw)
    try:
        config = layout.config(raw)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"config.json lacks what a model of type {raw['model_type']!r} needs ({error}): download it again"
        ) from error
    except Exception as error:  # what transformers raises for values of a wrong type is open-ended
        raise ValueError(
            f"config.json cannot be used ({first_line(error)}): correct it, or download it again"
        ) from error
    causal_only = raw.get("causal_only", False)
    check_shape(config)
    check_widths(config)
    config.mask_token_id = None if causal_only else raw.get("mask_token_id")
    config.shift_logits = raw.get("shift_logits", layout.shifts)
    config.chat_format = raw.get("chat_format", "plain")
    config.causal_only = causal_only
    config.causal_lm = raw.get("causal_lm", causal_only)
    config.begin_token_id = raw.get("begin_token_id")
    config.drops_final_mark = raw.get("drops_final_mark", False)
    check_ids(config)
    return config, layout.names


def _layout(raw: dict) -> Layout:
    if raw.get("quantization_config"):
        raise ValueError(
            "this checkpoint is stored quantised; sinks and pruning need its weights in 16 or 32 bits: take the original, "
            "and `quantize` while loading to save memory"
        )
    model_type = raw.get("model_type")
    if not isinstance(model_type, str) or model_type not in LAYOUTS:
        raise ValueError(
            f"config.json: model_type {model_type!r} cannot run here: use a transformers folder of type {', '.join(PLAIN_CONFIGS)}, "
            "or one in the original LLaDA, MMaDA or Dream layout"
        )
    return LAYOUTS[model_type]


def _plain(base: str, raw: dict, **entries: object) -> PretrainedConfig:
    # The dtype is that of the stored tensors, whatever the config says; and no config says whose code computes the attention.
    dropped = (
        "auto_map",
        "architectures",
        "quantization_config",
        "dtype",
        "torch_dtype",
        "trust_remote_code",
        "custom_pipelines",
    )
    named = {key: value for key, value in raw.items() if key not in dropped and not key.startswith("_")}
    kept = {key: value for key, value in named.items() if not key.endswith(("implementation", "kernel", "kernels"))}
    return PLAIN_CONFIGS[base].from_dict(kept | {"model_type": base} | entries)


def _from_llada(raw: dict) -> LlamaConfig | Qwen2Config:
    heads = raw["n_heads"]
    kv_heads = raw.get("n_kv_heads") or (1 if raw.get("multi_query_attention") else heads)
    shared = {
        "vocab_size": raw.get("embedding_size") or raw["vocab_size"],
        "hidden_size": raw["d_model"],
        "intermediate_size": raw.get("mlp_hidden_size") or raw["mlp_ratio"] * raw["d_model"],
        "num_hidden_layers": raw["n_layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": raw["max_sequence_length"],
        "rms_norm_eps": raw.get("rms_norm_eps", 1e-5),
        "rope_parameters": {"rope_type": "default", "rope_theta": float(raw.get("rope_theta", 10000.0))},
        "tie_word_embeddings": bool(raw.get("weight_tying", False)),
        **{key: raw.get(key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
    }
    everywhere = bool(raw.get("include_bias"))
    if raw.get("include_qkv_bias") and not everywhere:
        return Qwen2Config(**shared)
    return LlamaConfig(**shared, attention_bias=everywhere, mlp_bias=everywhere)


LAYOUTS = {
    **{base: Layout(partial(_plain, base)) for base in PLAIN_CONFIGS},
    **{f"a2d-{base}": Layout(partial(_plain, base, tie_word_embeddings=False)) for base in PLAIN_CONFIGS},
    "llada": Layout(_from_llada, LLADA_NAMES, needs=_LLADA_NEEDS),
    "mmada": Layout(_from_llada, LLADA_NAMES, needs=_LLADA_NEEDS),
    "Dream": Layout(partial(_plain, "qwen2"), shifts=True),
}

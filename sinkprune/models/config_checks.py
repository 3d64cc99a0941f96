"""What a config.json may say: each value that no model can have is refused in a sentence, before a model is built from it."""

from __future__ import annotations

import torch
from transformers import PretrainedConfig
from transformers.activations import ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

CHAT_FORMATS = ("plain", "chatml", "template")
MOST_LAYERS = 1000
MOST = 2**31 - 1
_SIZES = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "max_position_embeddings"),
)
_SWITCHES = ("causal_only", "causal_lm", "shift_logits", "drops_final_mark")


def check_raw(raw: dict) -> None:
    """Raise ValueError for entries of a config.json that transformers does not read, or would fail on without a word that helps."""
    for key in _SWITCHES:
        if not isinstance(raw.get(key, False), bool):
            raise ValueError(f"{key} in config.json must be true or false, not {raw[key]!r}")
    if raw.get("chat_format", "plain") not in CHAT_FORMATS:
        raise ValueError(f"chat_format in config.json must be {', '.join(CHAT_FORMATS)}, not {raw['chat_format']!r}")
    for key in ("dtype", "torch_dtype"):
        name = raw.get(key)
        known = getattr(torch, name.removeprefix("torch."), None) if isinstance(name, str) else None
        if name not in (None, "auto") and not (isinstance(known, torch.dtype) and known.is_floating_point):
            raise ValueError(f"{key} in config.json must be float32, bfloat16 or float16, not {name!r}")


def check_shape(config: PretrainedConfig) -> None:
    """Raise ValueError where sizes, activation or position encoding of a transformers config cannot be those of a model."""
    head_dim = getattr(config, "head_dim", None)
    sizes = {name: getattr(config, name) for name in _SIZES} | ({} if head_dim is None else {"head_dim": head_dim})
    for name, value in sizes.items():
        most = MOST_LAYERS if name == "num_hidden_layers" else MOST
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(f"{name} in config.json must be a whole number from 1 to {most}, not {value!r}")
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    if heads % groups:
        raise ValueError(f"config.json has {heads} attention heads, which {groups} key-value heads cannot share evenly")
    if config.hidden_act not in ACT2FN:
        raise ValueError(
            f"hidden_act {config.hidden_act!r} in config.json is none that transformers knows, such as 'silu'"
        )
    _check_positions(config)
    kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    if kinds or getattr(config, "use_sliding_window", False):
        which = (
            f"layer_types has {', '.join(map(str, sorted(kinds, key=str)))}" if kinds else "use_sliding_window is set"
        )
        raise ValueError(f"{which} in config.json: a diffusion language model needs full attention")


def _check_positions(config: PretrainedConfig) -> None:
    rope = config.rope_parameters or {}
    kind, theta = rope.get("rope_type", "default"), rope.get("rope_theta", 1.0)
    if kind != "default" and kind not in ROPE_INIT_FUNCTIONS:
        known = ", ".join(("default", *ROPE_INIT_FUNCTIONS))
        raise ValueError(f"rope_type {kind!r} in config.json is none that transformers knows: {known}")
    if isinstance(theta, bool) or not isinstance(theta, int | float) or not 0 < theta < float("inf"):
        raise ValueError(f"rope_theta in config.json must be a number above 0, not {theta!r}")


def check_ids(config: PretrainedConfig) -> None:
    """Raise ValueError where MASK, end or begin token are none of the vocabulary's."""
    last = config.vocab_size - 1
    if not config.causal_only and not _is_id(config.mask_token_id, last):
        raise ValueError(
            f"config.json needs mask_token_id, a token id from 0 to {last} (it says {config.mask_token_id!r}): "
            "a diffusion language model writes by filling in mask tokens"
        )
    if config.begin_token_id is not None and not _is_id(config.begin_token_id, last):
        raise ValueError(f"begin_token_id in config.json must be from 0 to {last}, not {config.begin_token_id!r}")
    check_end_ids(config.eos_token_id, last, "config.json")
    if config.mask_token_id is not None and config.mask_token_id in end_ids(config.eos_token_id):
        raise ValueError(f"MASK and end token have the same id {config.mask_token_id} in config.json")


def check_end_ids(value: object, last: int, file: str) -> None:
    """Raise ValueError where an eos_token_id is neither null nor an id, nor a list of ids; `last` is the highest there is."""
    if value is not None and (value == [] or not all(_is_id(one, last) for one in end_ids(value))):
        raise ValueError(
            f"eos_token_id in {file} must be a token id from 0 to {last}, or a list of such ids, not {value!r}"
        )


def end_ids(value: object) -> tuple:
    """An eos_token_id of a config as the ids it stands for; () for null."""
    return () if value is None else tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_id(value: object, last: int) -> bool:
    return type(value) is int and 0 <= value <= last

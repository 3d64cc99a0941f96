"""One whole N x N attention map for a step of a trace. The canvas goes through the model once more when somebody looks at the map.

The request comes from a browser, so everything in it is checked. The map is of a forward without a key-value cache, also where the run
had one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from sinkprune.models import LoadedModel
from sinkprune.sinks import attention_map
from sinkprune.traces.runs import MAX_CANVAS
from sinkprune.traces.shares import to_base64, to_levels


def answer_map_question(find_model: Callable[[str], LoadedModel | None], question: object) -> dict:
    """{"length": N, "map": base64 uint8 (N, N)}: 255 sqrt(attention) of one layer and head, row = query, rows sum to 1.

    find_model: a lane's model key -> the model, None when it is not in memory any more.
    question: {"model": key, "ids": the N token ids the forward read, "layer", "head": from 0 or None for the mean, "causal": True for an
        autoregressive lane}; further entries are ignored.
    Raises ValueError, in a sentence, for anything out of bounds.
    """
    if not isinstance(question, dict):
        raise ValueError("a question for an attention map is an object with model, ids, layer, head and causal")
    model, ids, layer, head = (question.get(key) for key in ("model", "ids", "layer", "head"))
    loaded = find_model(model) if isinstance(model, str) else None
    if loaded is None:
        raise ValueError("this model is no longer in memory: run again to see its attention maps")
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_CANVAS:
        raise ValueError(f"an attention map needs 1 to {MAX_CANVAS} token ids")
    config = loaded.model.config
    if not all(_is_index(token_id, config.vocab_size) for token_id in ids):
        raise ValueError(f"token ids must be whole numbers from 0 to {config.vocab_size - 1}")
    if layer is not None and not _is_index(layer, config.num_hidden_layers):
        raise ValueError(f"layer must be a whole number from 0 to {config.num_hidden_layers - 1}, or null for the mean")
    if head is not None and not _is_index(head, config.num_attention_heads):
        raise ValueError(
            f"head must be a whole number from 0 to {config.num_attention_heads - 1}, or null for the mean"
        )
    weights = attention_map(loaded, torch.tensor([ids]), layer, head, causal=question.get("causal") is True)  # (N, N)
    return {"length": len(ids), "map": to_base64(to_levels(weights.clamp(0, 1).numpy()))}


def _is_index(value: object, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end

"""The teacher writes: batched decoding of the base model with a preallocated key-value cache and grouped-query attention.

Rows that have ended leave the batch, and the cache is neither copied nor its three key-value heads repeated for the nine query heads.
On one CPU core transformers' `generate` with a static cache takes 1.07 times as long (30 layers of 576, 8 texts, 24 tokens, no row ends
early, best of 3). On a GPU with 2048 rows nothing was measured. A test holds the two equal.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

PAD, END = 0, 2  # ids of the base's tokenizer
COMPACT_EVERY = 16  # tokens: rows that have ended leave the batch


@torch.inference_mode()
def continue_texts(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    count: int,
    temperature: float | Tensor = 0.0,
    repetition_penalty: float = 1.0,
) -> Tensor:
    """Up to `count` tokens after each text: (len(texts), count) int64 on the CPU, ended by END and filled with PAD.

    temperature: of all rows, or (len(texts),) one for each; 0 takes the likeliest token. repetition_penalty: as in transformers, logits of
    tokens already in the text (prompt included) are divided by it when positive and multiplied when negative.
    """
    tokenizer.padding_side = "left"
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
    width, device = batch.input_ids.shape[1], model.device
    ids = F.pad(batch.input_ids, (0, count), value=PAD)
    visible = F.pad(batch.attention_mask, (0, count)).bool()  # (B, width + count)
    position = (batch.attention_mask.cumsum(1) - 1).clamp(min=0)
    heat = torch.as_tensor(temperature, dtype=torch.float32, device=device).expand(len(texts))
    cache = _empty_cache(model, len(texts), width + count)
    logits = _forward(model, batch.input_ids, position, visible, cache, 0)
    written = torch.full((len(texts), count), PAD)
    rows = torch.arange(len(texts), device=device)  # which texts are still being written
    for i in range(count):
        place = width + i
        done = (ids[:, width:place] == END).any(1)
        ids[:, place] = _choose(_penalised(logits, ids[:, :place], repetition_penalty), heat).masked_fill(done, PAD)
        if i + 1 == count:
            break
        if i % COMPACT_EVERY == COMPACT_EVERY - 1:
            kept = (ids[:, width : place + 1] != END).all(1).nonzero()[:, 0]
            written[rows.cpu()] = ids[:, width:].cpu()
            if not len(kept):
                break
            rows, ids, visible, heat, position = (x[kept] for x in (rows, ids, visible, heat, position))
            for number, layer in enumerate(cache):  # one at a time: two whole caches do not fit
                cache[number] = tuple(x[kept] for x in layer)
        visible[:, place] = True
        position = position[:, -1:] + 1
        logits = _forward(model, ids[:, place : place + 1], position, visible, cache, place)
    written[rows.cpu()] = ids[:, width:].cpu()
    return written


def _penalised(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """logits (B, V) after the repetition penalty on the tokens of `seen` (B, T), in place."""
    if penalty == 1.0:
        return logits
    values = logits.gather(1, seen)
    return logits.scatter_(1, seen, torch.where(values > 0, values / penalty, values * penalty))


def _choose(logits: Tensor, heat: Tensor) -> Tensor:
    """(B,) tokens drawn from softmax(logits / heat), heat (B,), by Gumbel noise; the likeliest where heat is 0."""
    if not heat.any():
        return logits.argmax(-1)
    noise = torch.empty_like(logits).exponential_().clamp_(min=1e-20).log_()  # minus Gumbel
    return (logits - noise * heat[:, None]).argmax(-1)


def _empty_cache(model: LlamaForCausalLM, rows: int, length: int) -> list[tuple[Tensor, Tensor]]:
    config = model.config
    shape = (rows, config.num_key_value_heads, length, config.head_dim)
    layers = range(config.num_hidden_layers)
    return [tuple(torch.zeros(shape, dtype=model.dtype, device=model.device) for _ in "kv") for _ in layers]


def _forward(model, ids: Tensor, position: Tensor, visible: Tensor, cache, start: int) -> Tensor:
    """Logits (B, vocabulary) float32 after the last of `ids` (B, T), whose keys and values go into the cache at `start`."""
    end = start + ids.shape[1]
    query = torch.arange(start, end, device=ids.device)[:, None]
    key = torch.arange(end, device=ids.device)
    # A padded query sees nothing it should; letting it see its own place keeps its softmax finite.
    allowed = (visible[:, None, None, :end] & (key <= query)) | (key == query)
    bias = torch.zeros_like(allowed, dtype=model.dtype).masked_fill_(~allowed, torch.finfo(model.dtype).min)
    x = model.model.embed_tokens(ids)
    rotary = model.model.rotary_emb(x, position)
    for layer, kv in zip(model.model.layers, cache, strict=True):
        x = x + _attention(layer.self_attn, layer.input_layernorm(x), rotary, bias, kv, start)
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    return model.lm_head(model.model.norm(x[:, -1])).float()


def _attention(attn, x: Tensor, rotary, bias: Tensor, kv: tuple[Tensor, Tensor], start: int) -> Tensor:
    rows, length, _ = x.shape
    q, k, v = (
        linear(x).view(rows, length, -1, attn.head_dim).transpose(1, 2)
        for linear in (attn.q_proj, attn.k_proj, attn.v_proj)
    )
    q, k = apply_rotary_pos_emb(q, k, *rotary)
    keys, values = kv
    end = start + length
    keys[:, :, start:end], values[:, :, start:end] = k, v
    heads = keys.shape[1]
    grouped = q.reshape(rows, heads, -1, attn.head_dim)  # (B, KV, group x T, D)
    scores = (grouped @ keys[:, :, :end].transpose(2, 3)).unflatten(2, (-1, length)) * attn.scaling
    weights = (scores + bias[:, :, None]).float().softmax(-1).to(x.dtype).flatten(2, 3)
    out = (weights @ values[:, :, :end]).view(rows, -1, length, attn.head_dim)
    return attn.o_proj(out.transpose(1, 2).reshape(rows, length, -1))

"""A checkpoint of random weights in the original LLaDA layout, of any size, written shard by shard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

LAYERS_PER_SHARD = 4
STD = 0.02


@dataclass(frozen=True)
class Shape:
    """LLaDA-8B's, unless said otherwise. Every head has its own keys; input and output embeddings are not tied."""

    layers: int = 32
    hidden: int = 4096
    heads: int = 32
    mlp: int = 12288
    vocabulary: int = 126464

    @property
    def mask_token_id(self) -> int:
        return self.vocabulary - 1

    @property
    def bytes(self) -> int:
        """In bfloat16."""
        layer = 4 * self.hidden**2 + 3 * self.hidden * self.mlp + 2 * self.hidden
        return 2 * (self.layers * layer + 2 * self.vocabulary * self.hidden + self.hidden)

    def config(self) -> dict:
        """config.json in LLaDA's words."""
        return {
            "model_type": "llada",
            "d_model": self.hidden,
            "n_layers": self.layers,
            "n_heads": self.heads,
            "n_kv_heads": self.heads,
            "mlp_hidden_size": self.mlp,
            "vocab_size": self.vocabulary,
            "embedding_size": self.vocabulary,
            "max_sequence_length": 4096,
            "rms_norm_eps": 1e-5,
            "rope_theta": 500000.0,
            "weight_tying": False,
            "mask_token_id": self.mask_token_id,
            "eos_token_id": self.vocabulary - 2,
        }


def write_checkpoint(folder: Path, shape: Shape, device: torch.device, seed: int = 0) -> int:
    """Write the checkpoint and return its bytes. Weights are drawn on `device`; what leaves a block is scaled down by the depth, so
    that activations stay finite in bfloat16."""
    folder.mkdir(parents=True)
    generator = torch.Generator(device).manual_seed(seed)

    def draw(rows: int, columns: int, std: float = STD) -> torch.Tensor:
        weight = torch.empty(rows, columns, dtype=torch.bfloat16, device=device)
        return weight.normal_(std=std, generator=generator).cpu()

    index, total = {}, 0
    shards = list(_shards(shape))
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {
            name: torch.ones(size[0], dtype=torch.bfloat16) if len(size) == 1 else draw(*size)
            for name, size in names.items()
        }
        save_file(tensors, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, file)
        total += sum(tensor.nbytes for tensor in tensors.values())
    entries = {"metadata": {"total_size": total}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(entries))
    (folder / "config.json").write_text(json.dumps(shape.config()))
    return total


def split_over(devices: list[torch.device], layers: int) -> dict[str, torch.device]:
    """A device map: layers evenly and in order, the embedding with the first, norm and head with the last."""
    first, last = devices[0], devices[-1]
    ends = {"model.embed_tokens": first, "model.rotary_emb": first, "model.norm": last, "lm_head": last}
    return ends | {f"model.layers.{layer}": devices[layer * len(devices) // layers] for layer in range(layers)}


def _shards(shape: Shape) -> Iterator[dict[str, tuple]]:
    """Name -> (size,) of a norm or (rows, columns, std) of a weight, for each file."""
    hidden, mlp, names = shape.hidden, shape.mlp, "model.transformer."
    small = STD / (2 * shape.layers) ** 0.5
    yield {f"{names}wte.weight": (shape.vocabulary, hidden, STD)}
    for start in range(0, shape.layers, LAYERS_PER_SHARD):
        yield {
            f"{names}blocks.{layer}.{part}.weight": size
            for layer in range(start, min(start + LAYERS_PER_SHARD, shape.layers))
            for part, size in {
                "attn_norm": (hidden,),
                "ff_norm": (hidden,),
                **dict.fromkeys(("q_proj", "k_proj", "v_proj"), (hidden, hidden, STD)),
                "attn_out": (hidden, hidden, small),
                "ff_proj": (mlp, hidden, STD),
                "up_proj": (mlp, hidden, STD),
                "ff_out": (hidden, mlp, small),
            }.items()
        }
    yield {f"{names}ln_f.weight": (hidden,), f"{names}ff_out.weight": (shape.vocabulary, hidden, STD)}

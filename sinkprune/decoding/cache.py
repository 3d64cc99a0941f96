"""What to forward: the whole canvas, or the block and what follows it, over cached keys and values (Fast-dLLM, arXiv 2505.22618).

One cache holds the keys and values of the whole canvas. The first forward of a block computes all of them; later ones recompute a slice and
overwrite it in place: from the block's start to the canvas's end ("prefix"), or the block alone ("dual", the suffix stays as it was).
"sparse" is "dual" over a cache that then lost columns (eviction.py): what is left stays in canvas order, the block in its midst.
"""

from __future__ import annotations

import torch
from transformers.cache_utils import Cache, DynamicLayer

ROWS = {  # cache mode -> (first row, end row) of the forwards that follow a block's full one
    "none": lambda start, end, length: (0, length),
    "prefix": lambda start, end, length: (start, length),
    "dual": lambda start, end, length: (start, end),
    "sparse": lambda start, end, length: (start, end),
}
CACHE_MODES = tuple(ROWS)


class CanvasLayer(DynamicLayer):
    """One layer's keys and values of the whole canvas; a forward overwrites those of the rows it computed, from `start` on."""

    start = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            return super().update(key_states, value_states)
        rows = slice(self.start, self.start + key_states.shape[-2])
        self.keys[..., rows, :] = key_states
        self.values[..., rows, :] = value_states
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        if not self.is_initialized:
            return super().get_mask_sizes(query_length)
        return self.keys.shape[-2], 0


class CanvasCache(Cache):
    """The layers of one generation. Forwards need explicit position_ids: the length of the cache says nothing about the rows.

    columns: (L, K) ascending canvas positions that each layer holds; None while every layer holds the whole canvas.
    """

    columns: torch.Tensor | None = None

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=CanvasLayer)

    def overwrite_from(self, start: int) -> None:
        """Where the rows of the next forward begin on the canvas."""
        places = [start] * len(self.layers) if self.columns is None else (self.columns < start).sum(1).tolist()
        for layer, place in zip(self.layers, places, strict=True):
            layer.start = place

    def keep(self, columns: torch.Tensor) -> None:
        """Drop all but these columns (L, K) of the whole canvas, the same number in each layer."""
        for layer, positions in zip(self.layers, columns, strict=True):
            positions = positions.to(layer.keys.device)
            layer.keys, layer.values = layer.keys[..., positions, :], layer.values[..., positions, :]
        self.columns = columns


def rows_to_forward(cache: str, first: bool, start: int, end: int, length: int) -> tuple[int, int]:
    """(first row, end row) of the forward for the block start..end on a canvas of `length`; first: one that forwards the whole canvas."""
    return (0, length) if first else ROWS[cache](start, end, length)

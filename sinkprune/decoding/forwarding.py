"""The forwards of one run over its canvas: which rows, through which cache, and what is recorded on the way."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import torch

from sinkprune.decoding.cache import CanvasCache, rows_to_forward
from sinkprune.decoding.eviction import BlockScores
from sinkprune.decoding.records import DecodeConfig
from sinkprune.models import LoadedModel
from sinkprune.models.widths import layer_widths
from sinkprune.sinks import record_attention


@dataclass(frozen=True)
class Seen:
    """What one forward gave. logits: (R, V), they predict the positions that were asked; the others: as in `Step`."""

    logits: torch.Tensor
    rows: tuple[int, int]
    kv_entries: int
    kv_bytes: int
    kept: torch.Tensor | None = None
    column_mass: torch.Tensor | None = None


class CanvasReader:
    """Forwards over one canvas. Cache and settings belong to one run; nothing is set on the model."""

    def __init__(self, loaded: LoadedModel, config: DecodeConfig, record: bool) -> None:
        self._loaded, self._config, self._record = loaded, config, record
        self._cache = CanvasCache() if config.cache in ("prefix", "dual") else None
        self._column_bytes = sum(column_bytes(loaded))
        self._layers = loaded.model.config.num_hidden_layers

    def read(self, canvas: torch.Tensor, block: tuple[int, int], step: int, asked: torch.Tensor) -> Seen:
        """One forward over canvas (1, N). block: (start, end); step: counted from 0 in each block; asked: (R,) positions to predict."""
        config, length, model_config = self._config, canvas.shape[1], self._loaded.model.config
        rows = rows_to_forward(config.cache, step <= config.delay, *block, length)
        scores = None
        if config.cache == "sparse" and step <= config.delay:
            self._cache = None
            if step == config.delay:
                self._cache, scores = CanvasCache(), BlockScores(config, block, length, self._layers)
        if self._cache is not None:
            self._cache.overwrite_from(rows[0])
        columns = None if self._cache is None else self._cache.columns
        with ExitStack() as watched:
            watched.enter_context(torch.inference_mode())
            recording = watched.enter_context(record_attention(self._loaded)) if self._record else None
            if scores is not None:
                watched.enter_context(scores.watching(model_config))
            logits = self._logits(canvas, rows, asked)
            if scores is not None:
                self._cache.keep(scores.columns())
        width = length if columns is None else columns.shape[1]
        return Seen(
            logits,
            rows,
            kv_entries=self._layers * width,
            kv_bytes=self._column_bytes * width,
            kept=None if config.cache != "sparse" else _where(columns, self._layers, length),
            # Stacked outside inference mode, the mass is an ordinary tensor, which a consumer may change or keep.
            column_mass=None if recording is None else on_canvas(recording.column_mass[:, 0].cpu(), columns, length),
        )

    def _logits(self, canvas: torch.Tensor, rows: tuple[int, int], asked: torch.Tensor) -> torch.Tensor:
        """(R, V). With shifted logits a position is predicted by the row before it, the first one by itself."""
        loaded, device = self._loaded, self._loaded.device
        keep = (asked - 1).clamp(min=0) - rows[0] if loaded.spec.shift_logits else asked - rows[0]
        # With layers on several devices an index would be sent to the first one, and the last layer's rows are elsewhere.
        several = len(set((getattr(loaded.model, "hf_device_map", None) or {}).values())) > 1
        span = slice(int(keep[0]), int(keep[-1]) + 1)
        logits = loaded.model(
            canvas[:, slice(*rows)].to(device),
            position_ids=torch.arange(*rows, device=device)[None],
            past_key_values=self._cache,
            use_cache=self._cache is not None,
            logits_to_keep=span if several else keep.to(device),
        ).logits[0]
        return logits[keep - span.start] if several else logits


def column_bytes(loaded: LoadedModel) -> list[int]:
    """Bytes of the key and the value of one token, for each layer."""
    config = loaded.model.config
    each = 2 * loaded.model.model.layers[0].self_attn.head_dim * loaded.model.dtype.itemsize
    return [each * len(widths["kv_heads"]) for widths in layer_widths(config)]


def on_canvas(values: torch.Tensor, columns: torch.Tensor | None, length: int) -> torch.Tensor:
    """(L, …, N) from values (L, …, K) of the columns (L, K) that each layer held, 0 elsewhere; None: of all of them already."""
    if columns is None:
        return values
    whole = values.new_zeros(*values.shape[:-1], length)
    places = columns.view(len(columns), *[1] * (values.dim() - 2), -1).expand_as(values)
    return whole.scatter_(-1, places, values)


def _where(columns: torch.Tensor | None, layers: int, length: int) -> torch.Tensor:
    """(L, N) bool, which columns each layer held."""
    if columns is None:
        return torch.ones(layers, length, dtype=torch.bool)
    return torch.zeros(layers, length, dtype=torch.bool).scatter_(1, columns, True)

"""The forwards of one run over its canvas: which rows, through which cache, and what is recorded on the way."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch

from sinkprune.decoding.cache import CanvasCache, rows_to_forward
from sinkprune.decoding.records import DecodeConfig
from sinkprune.models import LoadedModel
from sinkprune.sinks import record_attention


@dataclass(frozen=True)
class Seen:
    """What one forward gave. logits: (R, V), they predict the positions that were asked; the others: as in `Step`."""

    logits: torch.Tensor
    rows: tuple[int, int]
    column_mass: torch.Tensor | None


class CanvasReader:
    """Forwards over one canvas. Cache and settings belong to one run; nothing is set on the model."""

    def __init__(self, loaded: LoadedModel, config: DecodeConfig, record: bool) -> None:
        self._loaded, self._config, self._record = loaded, config, record
        self._cache = CanvasCache() if config.cache != "none" else None

    def read(self, canvas: torch.Tensor, block: tuple[int, int], step: int, asked: torch.Tensor) -> Seen:
        """One forward over canvas (1, N). block: (start, end); step: counted from 0 in each block; asked: (R,) positions to predict."""
        rows = rows_to_forward(self._config.cache, step == 0, *block, canvas.shape[1])
        if self._cache is not None:
            self._cache.overwrite_from(rows[0])
        with torch.inference_mode(), record_attention(self._loaded) if self._record else nullcontext() as recording:
            logits = self._logits(canvas, rows, asked)
        # Stacked outside inference mode, the mass is an ordinary tensor, which a consumer may change or keep.
        return Seen(logits, rows, recording.column_mass[:, 0].cpu() if self._record else None)

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

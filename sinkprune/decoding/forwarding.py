"""The forwards of one run over its canvas: which rows, through which cache, what is changed and what is recorded on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from sinkprune.decoding.cache import CanvasCache, rows_to_forward
from sinkprune.decoding.eviction import BlockScores
from sinkprune.decoding.interventions import Intervention, Session
from sinkprune.decoding.records import DecodeConfig, Wanted
from sinkprune.models import LoadedModel
from sinkprune.models.widths import layer_widths
from sinkprune.sinks import AttentionRecording, record_attention


@dataclass(frozen=True)
class Seen:
    """What one forward gave. logits: (R, V), they predict the positions that were asked; the others: as in `Step`.

    shown: fields of `Step` that are passed on as they are.
    """

    logits: torch.Tensor
    kv_entries: int
    kv_bytes: int
    shown: dict[str, object]


class CanvasReader:
    """Forwards over one canvas. Cache, intervention and settings belong to one run; nothing is set on the model."""

    def __init__(
        self, loaded: LoadedModel, config: DecodeConfig, intervention: Intervention | None, wanted: Wanted
    ) -> None:
        self._loaded, self._config, self._wanted = loaded, config, wanted
        self._session = Session(intervention, loaded.model.config) if intervention else None
        self._cache = None if config.cache in ("none", "sparse") else CanvasCache()  # a block makes the sparse one
        self._layers, self._column_bytes = loaded.model.config.num_hidden_layers, column_bytes(loaded)

    def read(self, canvas: torch.Tensor, block: tuple[int, int], step: int, asked: torch.Tensor) -> Seen:
        """One forward over canvas (1, N). block: (start, end); step: counted from 0 in each block; asked: (R,) positions to predict."""
        length = canvas.shape[1]
        rows = rows_to_forward(self._config.cache, step <= self._config.delay, *block, length)
        scores = self._prepare_sparse(block, step, length)
        if self._cache is not None:
            self._cache.overwrite_from(rows[0])
        columns = None if self._cache is None else self._cache.columns
        with watched_forward(self._loaded, self._wanted, self._session, length, columns) as recording:
            with scores.watching(self._loaded.model.config) if scores else nullcontext():
                logits = self._logits(canvas, rows, asked)
            if scores:
                self._cache.keep(scores.columns())
        shown = {"rows": rows, **shown_of(recording, self._wanted, self._session, length, columns)}
        if self._config.cache == "sparse":
            shown["kept"] = _held(columns, self._layers, length)
        width = length if columns is None else columns.shape[1]
        return Seen(logits, self._layers * width, self._column_bytes * width, shown)

    def _prepare_sparse(self, block: tuple[int, int], step: int, length: int) -> BlockScores | None:
        """A sparse cache is made anew in each block, by the forward that the returned scores are to watch; until then there is none."""
        if self._config.cache != "sparse" or step > self._config.delay:
            return None
        if step < self._config.delay:
            self._cache = None
            return None
        self._cache = CanvasCache()
        return BlockScores(self._config, block, length, self._layers)

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


@contextmanager
def watched_forward(
    loaded: LoadedModel, wanted: Wanted, session: Session | None, length: int, columns: torch.Tensor | None = None
) -> Iterator[AttentionRecording | None]:
    """Inference mode, an intervention and a recording for the one forward run inside the block.

    length: positions that exist; columns: (L, K) those that each layer's cache holds, None for all.
    """
    with ExitStack() as stack:
        if session is not None:
            stack.enter_context(session.changing(length, columns))
        stack.enter_context(torch.inference_mode())
        yield stack.enter_context(record_attention(loaded, wanted.value_norms)) if wanted.attention else None


def shown_of(
    recording: AttentionRecording | None,
    wanted: Wanted,
    session: Session | None,
    length: int,
    columns: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Fields of `Step` that a watched forward left, on the CPU and on the whole canvas."""
    shown = {}
    # Stacked outside inference mode, these are ordinary tensors, which a consumer may change or keep.
    if recording is not None:
        shown["column_mass"] = on_canvas(recording.column_mass[:, 0].cpu(), columns, length, 0.0)
        if wanted.value_norms:
            shown["value_norms"] = on_canvas(recording.value_norms[:, 0].cpu(), columns, length, torch.nan)
    if session is not None:
        shown |= {"covered": session.covered, "left_out": session.left_out}
    return shown


def column_bytes(loaded: LoadedModel) -> int:
    """Bytes of the keys and values of one token in all layers."""
    each = 2 * loaded.model.model.layers[0].self_attn.head_dim * loaded.model.dtype.itemsize
    return each * sum(len(widths["kv_heads"]) for widths in layer_widths(loaded.model.config))


def on_canvas(values: torch.Tensor, columns: torch.Tensor | None, length: int, nothing: float) -> torch.Tensor:
    """(L, …, N) from values (L, …, K) of the columns (L, K) that each layer held, `nothing` elsewhere; None: of all of them already."""
    if columns is None:
        return values
    whole = values.new_full((*values.shape[:-1], length), nothing)
    places = columns.view(len(columns), *[1] * (values.dim() - 2), -1).expand_as(values)
    return whole.scatter_(-1, places, values)


def _held(columns: torch.Tensor | None, layers: int, length: int) -> torch.Tensor:
    """(L, N) bool, which columns each layer held."""
    if columns is None:
        return torch.ones(layers, length, dtype=torch.bool)
    return torch.zeros(layers, length, dtype=torch.bool).scatter_(1, columns, True)

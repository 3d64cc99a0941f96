"""Measuring: text runs through a model or one of its layers, and statistics of the linears' inputs and attention masses come out.

Nothing runs that no measurement needs: a forward ends where the last input or the last attention was seen.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning.linears import Group, all_groups, watch_inputs
from sinkprune.pruning.statistics import Statistic
from sinkprune.pruning.token_weights import attention_mass, token_weights
from sinkprune.sinks import record_attention, total_mass

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = 1024  # tokens in one forward: more are hardly faster, and cancelling waits for the forward under way
KEPT_INPUTS = (
    512 * 2**20
)  # bytes of inputs kept to spare sink-wanda its second forward; on a GPU up to a quarter of what is free

Totals = dict[str, torch.Tensor]  # name of a group's first linear -> its statistic, summed


class _AllInputsSeen(Exception):
    """Ends a forward early: what comes after the last input needs no measuring."""


@dataclass(frozen=True)
class Seen:
    """One forward over ids (B, T). inputs: name of a group's first linear -> (B, T, in), empty where not kept. mass: (B, T)."""

    inputs: Totals
    mass: torch.Tensor


def batches(ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Rows of (B, T) in parts as even as possible, of about BATCH_TOKENS tokens."""
    return ids.chunk(-(-ids.numel() // BATCH_TOKENS))


def add_inputs(
    groups: list[Group],
    forward: Callable[[], object],
    statistic: Statistic,
    weight: torch.Tensor | None,
    totals: Totals,
) -> None:
    """Run `forward` until the last of `groups` has its input, and add each input's statistic to `totals`."""
    with _inputs_of(groups, lambda name, x: add(totals, name, statistic.of_batch(x, weight))):
        forward()


def measure_masked(loaded: LoadedModel, versions: torch.Tensor) -> Seen:
    """The last noised version of a sequence, all MASK whatever the text: one forward serves every sequence.

    versions: (10, T). Its inputs are kept where there is room for them and for those of the other versions, or of a batch of them.
    """
    masked, room = versions[-1:], KEPT_INPUTS
    if loaded.device.type == "cuda":
        room = max(room, torch.cuda.mem_get_info(loaded.device)[0] // 4)
    if _input_bytes(loaded, len(masked) + len(batches(versions[:-1])[0]), versions.shape[1]) <= room:
        return _measure(loaded, all_groups(loaded.model), masked)
    return Seen({}, attention_mass(loaded, masked))


def _input_bytes(loaded: LoadedModel, sequences: int, length: int) -> int:
    """What the inputs of all linears take over so many sequences."""
    widths = sum(next(iter(group.values())).in_features for group in all_groups(loaded.model))
    return widths * sequences * length * loaded.model.dtype.itemsize


def mass_of_versions(loaded: LoadedModel, versions: torch.Tensor, masked: Seen) -> torch.Tensor:
    """(10, T) attention mass of one sequence's noised versions (10, T)."""
    return torch.cat([*(attention_mass(loaded, batch) for batch in batches(versions[:-1])), masked.mass])


def add_noised_inputs(
    loaded: LoadedModel,
    versions: torch.Tensor,
    masked: Seen,
    rule: str | None,
    statistic: Statistic,
    totals: Totals,
    plain: Totals | None = None,
) -> None:
    """Add the statistic of one sequence's noised versions (10, T), tokens weighted against the sinks found by `rule`; None: weight 1.

    plain: gets the same statistic with weight 1, from the same forwards where the inputs are kept.
    """
    groups = all_groups(loaded.model)

    def add_seen(inputs: Totals, weights: torch.Tensor) -> None:
        for name, x in inputs.items():
            add(totals, name, statistic.of_batch(x, weights))
            if plain is not None:
                add(plain, name, statistic.of_batch(x, torch.ones_like(weights)))

    if masked.inputs and rule != "paper":  # each version's weights come from its own attention
        for seen in itertools.chain([masked], (_measure(loaded, groups, batch) for batch in batches(versions[:-1]))):
            add_seen(seen.inputs, torch.ones_like(seen.mass) if rule is None else token_weights(seen.mass, rule))
            del seen  # before the next forward keeps as much
    elif masked.inputs and _input_bytes(loaded, *versions.shape) <= KEPT_INPUTS:
        parts = [_measure(loaded, groups, batch) for batch in batches(versions[:-1])]
        mass = [*(part.mass for part in parts), masked.mass]
        *weights, last = token_weights(torch.cat(mass), rule).split([len(rows) for rows in mass])
        add_seen(masked.inputs, last)
        for part, weight in zip(parts, weights, strict=True):
            add_seen(part.inputs, weight)
    else:
        if plain is not None:
            add_noised_inputs(loaded, versions, masked, None, statistic, plain)
        weights = torch.ones(versions.shape, device=versions.device)
        if rule is not None:
            weights = token_weights(mass_of_versions(loaded, versions, masked), rule)
        for batch, weight in zip(batches(versions), batches(weights), strict=True):
            add_inputs(groups, lambda ids=batch: _forward(loaded.model, ids), statistic, weight, totals)


def add(totals: Totals, name: str, value: torch.Tensor) -> None:
    """Add to the sum under `name`, or begin it."""
    totals[name] = totals[name].add_(value) if name in totals else value


def check_finite(totals: Totals) -> None:
    """Raise ValueError where inputs overflowed."""
    for name, total in totals.items():
        if not total.isfinite().all():
            raise ValueError(f"the inputs of {name} hold NaN or infinity on this calibration text: try dtype float32")


def _measure(loaded: LoadedModel, groups: list[Group], ids: torch.Tensor) -> Seen:
    inputs: Totals = {}
    with record_attention(loaded) as recording, _inputs_of(groups, inputs.__setitem__):
        _forward(loaded.model, ids)
    return Seen(inputs, total_mass(recording.column_mass))


@contextlib.contextmanager
def _inputs_of(groups: list[Group], see: Callable[[str, torch.Tensor], None]) -> Iterator[None]:
    """`watch_inputs`, ending the forward in the block once the last group has its input."""
    last = next(iter(groups[-1]))

    def see_and_end(name: str, x: torch.Tensor) -> None:
        see(name, x)
        if name == last:
            raise _AllInputsSeen

    with watch_inputs(groups, see_and_end), contextlib.suppress(_AllInputsSeen):
        yield


def _forward(model: PreTrainedModel, ids: torch.Tensor) -> object:
    return model.model(ids, use_cache=False)

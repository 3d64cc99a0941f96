"""The examples on the device, and the batches that are drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """ids: (B, N); prompt, end, total: (B,) positions where the canvas starts, the answer ends, the padding starts.

    steps: (B, N), which forward of its block committed a token, 0 the first; None for text that the student did not write.
    """

    ids: Tensor
    prompt: Tensor
    end: Tensor
    total: Tensor
    steps: Tensor | None = None

    @property
    def real(self) -> Tensor:
        """(B, N) bool, True where a token is not padding."""
        return torch.arange(self.ids.shape[1], device=self.ids.device) < self.total[:, None]


class Examples:
    """The examples of one file on the device. separators: ids, one of which is drawn for each row of a batch."""

    def __init__(self, path: Path, device: str, separators: Sequence[int]):
        data = np.load(path)
        self.ids = torch.from_numpy(data["ids"].view(np.int16)).to(device)  # read as uint16 again in `batch`
        self.prompt, self.end, self.total = (
            torch.from_numpy(data[key].astype(np.int64)).to(device) for key in ("prompt", "end", "total")
        )
        self.steps = torch.from_numpy(data["steps"]).to(device) if "steps" in data else None
        self.separators = torch.tensor(separators, device=device)

    def batch(self, index: Tensor, length: int, separator: Tensor | None = None) -> Batch:
        """Rows `index` (B,), cut to `length` tokens; separator: (B,) ids, by default the first."""
        ids, prompt = self.ids[index, :length].long() & 0xFFFF, self.prompt[index]
        separator = self.separators[:1].expand(len(index)) if separator is None else separator
        ids.scatter_(1, prompt[:, None] - 1, separator[:, None])
        steps = None if self.steps is None else self.steps[index, :length]
        return Batch(ids, prompt, self.end[index], self.total[index], steps)


class Pool(NamedTuple):
    """Rows of one file whose padded length, a multiple of 32, is the same."""

    examples: Examples
    length: int
    rows: Tensor

    @property
    def tokens(self) -> int:
        return self.length * len(self.rows)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` rows at random."""
        device, separators = self.rows.device, self.examples.separators
        pick = torch.randint(len(self.rows), (count,), generator=generator, device=device)
        which = torch.randint(len(separators), (count,), generator=generator, device=device)
        return self.examples.batch(self.rows[pick], self.length, separators[which])


def pools_of(examples: Examples) -> list[Pool]:
    padded = (examples.total + 31) // 32 * 32
    return [Pool(examples, int(length), (padded == length).nonzero()[:, 0]) for length in padded.unique()]


def pools_by_kind(data: Path, device: str, separators: Sequence[int]) -> dict[str, list[Pool]]:
    """What each kind of batch draws from: next-token prediction is learned from the teacher alone, who writes that way."""
    teacher = pools_of(Examples(data / "train.npz", device, separators))
    own = data / "own.npz"
    student = pools_of(Examples(own, device, separators)) if own.exists() else []
    return {"causal": teacher, "cached": student, "masked": teacher + student, "guided": teacher + student}

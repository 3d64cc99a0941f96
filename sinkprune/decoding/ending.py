"""When an answer is over: nothing that a reader sees can change any more, so no further forward is needed."""

from __future__ import annotations

from collections.abc import Collection

import torch


def positions_after_end(
    answer: torch.Tensor, mask_token_id: int, end_token_ids: Collection[int]
) -> torch.Tensor | None:
    """(F,) the MASK positions of the answer (A,) once it has ended; None while it has not.

    It has ended when everything before its first end token is written, and all that is written after that token are end tokens. Written
    tokens never change and the text is cut at the first end token, so the text is the one that further forwards would give.
    """
    ends = torch.isin(answer, torch.tensor(sorted(end_token_ids), dtype=answer.dtype))
    masked = answer == mask_token_id
    if not ends.any():
        return None
    first = int(ends.int().argmax())
    if masked[:first].any() or not (ends | masked)[first:].all():
        return None
    return masked.nonzero()[:, 0]

"""SparseGPT (Frantar and Alistarh 2023; paper eq. 2-4): choose weights and let the remaining ones make up for them.

Pure functions of a weight and a Hessian, in float32. Columns (inputs) are handled from left to right in blocks; the error of a
pruned weight is spread over the columns to its right: inside a strip at once, on the rest of the block when the strip is done, on later
blocks when the block is done.
"""

from __future__ import annotations

import torch

from sinkprune.pruning.decisions import smallest_n_of_m, smallest_of_tensor

BLOCK = 128  # columns that share one threshold
STRIP = 16  # columns whose errors reach each other one by one; the rest of the block gets them as one matrix product
DAMPING = 0.01  # added to the Hessian's diagonal, relative to the diagonal's mean
MAX_DAMPING = 1e4


def invert_hessian(hessian: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Return (hinv_chol, dead, damping). hinv_chol: upper Cholesky factor of H^-1, (in, in). dead: (in,) bool, inputs that are always
    zero. damping: relative to the mean of H's diagonal.

    Where H is not positive definite the damping is multiplied by 10 until it is; the caller reports it.
    Raises ValueError where no damping helps (NaN or infinity in H).
    """
    hessian = hessian.clone()
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1.0
    mean = diagonal.mean()
    added, damping = 0.0, DAMPING
    while damping <= MAX_DAMPING:
        diagonal += (damping - added) * mean
        # Reversing the order of columns gives H = R R^T with R upper, so H^-1 = U^T U with U = R^-1:
        # one factorisation and one triangular solve instead of three passes over the matrix.
        lower, failed = torch.linalg.cholesky_ex(hessian.flip(0, 1))
        if not failed and lower.isfinite().all():
            eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
            return torch.linalg.solve_triangular(lower, eye, upper=False).flip(0, 1), dead, damping
        added, damping = damping, damping * 10
    raise ValueError("the Hessian cannot be inverted even with heavy damping: use other or more calibration text")


def sparsegpt(
    weight: torch.Tensor,
    hinv_chol: torch.Tensor,
    dead: torch.Tensor,
    sparsity: float,
    pattern: tuple[int, int] | None = None,
    rows: list[int] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prune weight (out, in) with the factor of `invert_hessian`. Returns the new weight, float32, and the mask, True = pruned.

    rows: output widths of linears with the same inputs stacked in `weight` (q, k, v): each has its own thresholds. Default: one linear.
    Weights on dead inputs become zero in any case.
    """
    block = BLOCK if pattern is None else max(BLOCK // pattern[1], 1) * pattern[1]
    diagonal = hinv_chol.diagonal().unsqueeze(1)  # (in, 1)
    spread = hinv_chol / diagonal  # row j: how much of a weight removed from column j each later column makes up for
    columns = weight.float().T.contiguous()  # (in, out): a column of the weight lies in one piece
    columns[dead] = 0.0
    mask = torch.zeros_like(columns, dtype=torch.bool)
    for part in _parts(len(columns), block):
        removed = _prune_block(columns[part], mask[part], spread[part, part], diagonal[part], sparsity, pattern, rows)
        columns[part.stop :].addmm_(spread[part, part.stop :].T, removed, alpha=-1)
    mask[dead] = True
    return columns.T.contiguous(), mask.T.contiguous()


def _parts(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _prune_block(columns, mask, spread, diagonal, sparsity, pattern, rows) -> torch.Tensor:
    """Prune one block of columns (block, out) in place, write its mask, and return what was removed (block, out), for later blocks."""
    removed = torch.zeros_like(columns)
    if pattern is None:
        scores = (columns / diagonal).square()
        pieces = scores.split(rows or [scores.shape[1]], dim=1)
        mask.copy_(torch.cat([smallest_of_tensor(piece, sparsity) for piece in pieces], dim=1))
    for part in _parts(len(columns), STRIP if pattern is None else pattern[1]):
        if pattern is not None:
            scores = (columns[part] / diagonal[part]).square()
            mask[part] = smallest_n_of_m(scores.T, *pattern).T
        _prune_strip(columns[part], mask[part], spread[part, part], removed[part])
        columns[part.stop :].addmm_(spread[part, part.stop :].T, removed[part], alpha=-1)
    columns.sub_(removed)  # exact zeros, in less time than masked_fill_
    return removed


def _prune_strip(columns, mask, spread, removed) -> None:
    """Column by column: write what goes (strip, out), and let the strip's later columns make up for it."""
    gone = mask.to(columns.dtype)
    for j, (column, chosen, out) in enumerate(zip(columns.unbind(), gone.unbind(), removed.unbind(), strict=True)):
        torch.mul(column, chosen, out=out)
        columns[j + 1 :].addr_(spread[j, j + 1 :], out, alpha=-1)

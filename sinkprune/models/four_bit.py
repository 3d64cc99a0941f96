"""bitsandbytes' 4-bit linears on a CPU."""

from __future__ import annotations

from torch import nn


def take_plain_kernel_where_needed(linear: nn.Linear) -> None:
    """Switch off, for a linear of an odd size, the repacking that bitsandbytes does on a CPU with bfloat16 instructions.

    It repacks a 4-bit linear in the first forward, and fails unless inputs come in 64s and outputs in 32s. Tiny models and structured cuts
    have other sizes. Without repacking such a linear is slower, but runs.
    """
    if linear.in_features % 64 or linear.out_features % 32:
        linear.support_avx512bf16_for_cpu = False

"""bitsandbytes' 4-bit linears on a CPU."""

from __future__ import annotations

from torch import nn


def take_plain_kernel_where_needed(linear: nn.Linear) -> None:
    """On CPUs with bfloat16 instructions bitsandbytes repacks a 4-bit linear in its first forward, which fails unless inputs come in 64s
    and outputs in 32s (tiny models, structured cuts). Switch the repacking off for such a linear: slower, but it runs."""
    if linear.in_features % 64 or linear.out_features % 32:
        linear.support_avx512bf16_for_cpu = False

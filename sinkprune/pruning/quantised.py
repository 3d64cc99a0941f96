"""Quantised after pruning: the decoder layers' linears become bitsandbytes int8 or nf4, in memory, without a file in between.

Pruned zeros stay zeros in both formats. Small weights that are left may round to zero. So sparsity is counted again on the dequantised
weights. Embedding, norms and head keep their dtype, as in `load_model(quantize=...)`, which computes the
same. Quantising saves memory; on a CPU it costs time.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass

import torch
from torch import nn

from sinkprune.models import LoadedModel
from sinkprune.models.copies import copy_sharing_tensors
from sinkprune.models.four_bit import take_plain_kernel_where_needed
from sinkprune.pruning.linears import all_groups, check_prunable

FORMATS = ("int8", "nf4")
OUTLIER = 6.0  # inputs beyond it are multiplied in 16 bits (LLM.int8(), Dettmers et al. 2022); transformers' default


@dataclass(frozen=True)
class QuantisedLinear:
    """Zeros / weights of one linear before and after quantising. kept: the share of the zeros before that are zeros still."""

    name: str
    sparsity_before: float
    sparsity: float
    kept: float


@dataclass(frozen=True)
class QuantiseResult:
    """loaded: the quantised copy. sparsities are zeros / weights over all quantised linears; bytes are those of the whole model's tensors.

    The copy shares embedding, norms and head with the model it was made from. To save it, save that model and load it with `quantize`.
    """

    loaded: LoadedModel
    reports: list[QuantisedLinear]
    sparsity_before: float
    sparsity: float
    bytes_before: int
    bytes: int


@torch.inference_mode(False)  # a weight quantised in inference mode cannot run
@torch.no_grad()
def quantise(loaded: LoadedModel, kind: str) -> QuantiseResult:
    """A copy of `loaded`, pruned or not, with its layers' linears in `kind`: "int8" (by row) or "nf4" (4 bits, blocks of 64 weights).

    Works where the model is, CPU or GPU; the given model is not changed. Raises ValueError for another kind and for weights that are
    offloaded, quantised already or not finite.
    """
    if kind not in FORMATS:
        raise ValueError(f"kind must be one of {', '.join(FORMATS)}, not {kind!r}")
    check_prunable(loaded.model, None)
    if kind == "int8":
        # bitsandbytes announces its cast to float16 at every layer of every forward.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    model = copy_sharing_tensors(loaded.model)
    reports, zeros_before, zeros, weights = [], 0, 0, 0
    for group in all_groups(model):
        for name, linear in group.items():
            quantised = _int8(linear) if kind == "int8" else _nf4(linear)
            model.set_submodule(name, quantised)
            before, after = linear.weight == 0, _zeros(quantised)
            reports.append(_report(name, before, after))
            zeros_before, zeros = zeros_before + before.sum().item(), zeros + after.sum().item()
            weights += before.numel()
    return QuantiseResult(
        loaded=dataclasses.replace(loaded, model=model),
        reports=reports,
        sparsity_before=zeros_before / weights,
        sparsity=zeros / weights,
        bytes_before=model_bytes(loaded.model),
        bytes=model_bytes(model),
    )


def model_bytes(model: nn.Module) -> int:
    """Bytes of a model's parameters and buffers, tied ones once, and of the scales that belong to quantised weights."""
    tensors = {tensor.data_ptr(): tensor for tensor in (*model.parameters(), *model.buffers())}
    total = sum(tensor.nbytes for tensor in tensors.values())
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if (state := getattr(weight, "quant_state", None)) is not None:
            total += state.absmax.nbytes + state.code.nbytes
        scales = getattr(weight, "SCB", None)
        if scales is None:  # the first forward moves them
            scales = getattr(getattr(module, "state", None), "SCB", None)
        total += 0 if scales is None else scales.nbytes
    return total


def _int8(linear: nn.Linear) -> nn.Linear:
    from bitsandbytes.nn import Int8Params, Linear8bitLt  # slow to import, and few who prune quantise

    with torch.device("meta"):
        quantised = Linear8bitLt(
            linear.in_features, linear.out_features, linear.bias is not None, has_fp16_weights=False, threshold=OUTLIER
        )
    # Only a move from the CPU quantises.
    weight = Int8Params(linear.weight.cpu(), requires_grad=False, has_fp16_weights=False).to(linear.weight.device)
    return _finish(quantised, weight, linear)


def _nf4(linear: nn.Linear) -> nn.Linear:
    from bitsandbytes.nn import Linear4bit, Params4bit

    dtype = linear.weight.dtype
    with torch.device("meta"):
        quantised = Linear4bit(
            linear.in_features,
            linear.out_features,
            linear.bias is not None,
            compute_dtype=dtype,
            compress_statistics=False,
            quant_type="nf4",
        )
    weight = Params4bit(
        linear.weight.detach(), requires_grad=False, quant_type="nf4", compress_statistics=False, module=quantised
    ).to(linear.weight.device)
    take_plain_kernel_where_needed(quantised)
    return _finish(quantised, weight, linear)


def _finish(quantised: nn.Linear, weight: nn.Parameter, linear: nn.Linear) -> nn.Linear:
    quantised.weight, quantised.bias = weight, linear.bias
    return quantised.eval().requires_grad_(False)


def _zeros(quantised: nn.Linear) -> torch.Tensor:
    """(out, in) bool: where the quantised weight stands for 0; before the first forward, which may repack it."""
    if quantised.weight.dtype == torch.int8:
        return quantised.weight.data == 0
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(quantised.weight.data, quantised.weight.quant_state) == 0


def _report(name: str, before: torch.Tensor, after: torch.Tensor) -> QuantisedLinear:
    kept = (before & after).sum().item() / before.sum().item() if before.any() else 1.0
    return QuantisedLinear(name, before.float().mean().item(), after.float().mean().item(), kept)

"""Calibration: the token sequences on which inputs are measured, clean and noised."""

from __future__ import annotations

import torch

from sinkprune.models import LoadedModel
from sinkprune.models.limits import check_ids, check_length
from sinkprune.pruning.methods import NOISE_STEPS
from sinkprune.pruning.settings import CalibrationConfig
from sinkprune.pruning.sources import draw

TOTAL_STEPS = 50
MIN_NOISE = 1e-3


def calibration_set(
    loaded: LoadedModel, calibration: CalibrationConfig, calibration_ids: torch.Tensor | None = None
) -> torch.Tensor:
    """(samples, length) token ids on the model's device: `calibration_ids` checked, or sequences drawn from the calibration's source.

    Raises ValueError for a wrong shape, ids outside the vocabulary, too little text, or a model without tokenizer and no ids.
    """
    if calibration_ids is None:
        return draw(loaded, calibration).to(loaded.device)
    ids = calibration_ids
    if ids.dim() != 2 or ids.is_floating_point() or ids.dtype == torch.bool:
        raise ValueError(f"calibration_ids must be a LongTensor (samples, length), not {ids.dtype} {tuple(ids.shape)}")
    if ids.shape[0] < 1 or ids.shape[1] < 2:
        raise ValueError(f"calibration_ids needs at least 1 sequence of 2 tokens, not {tuple(ids.shape)}")
    check_ids(loaded, ids, "calibration_ids")
    check_length(loaded, ids.shape[1], "a calibration sequence")
    return ids.long().to(loaded.device)


def noised(ids: torch.Tensor, mask_token_id: int, seed: int) -> torch.Tensor:
    """(samples, 10, length): every sequence at ten noise levels, as the official code draws them.

    At step t of 50 each token becomes MASK with probability p = (1 - 0.001) t / 50 + 0.001, so step 50 masks all.
    One `torch.rand(1, length)` a (sample, step), samples outside, steps ascending, on the CPU after `manual_seed(seed)`;
    the global generator is not touched.
    """
    generator = torch.Generator().manual_seed(seed)
    versions = ids.cpu().unsqueeze(1).repeat(1, len(NOISE_STEPS), 1)
    for sample in versions:
        for row, step in zip(sample, NOISE_STEPS, strict=True):
            p = (1 - MIN_NOISE) * step / TOTAL_STEPS + MIN_NOISE
            row[torch.rand(1, row.shape[0], generator=generator)[0] < p] = mask_token_id
    return versions.to(ids.device)

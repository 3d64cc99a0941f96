"""The microscope: one pruning decision on a text of the visitor's, as JSON values that the page's view draws (paper Fig. 3).

A value of the view, T tokens, R rows x C inputs, noise levels 0 … 9:

    model, source ("prompt" or "calibration"), prompt, layers, widths {linear: [out, in]}, sequences
    layer (from 0), linear, row, sparsity, rule
    tokens (T texts of the clean sequence), levels (10, share of tokens masked on average), masked, sinks (10 strings of T digits 0 or 1)
    mass, omega (10 x T; mass in units of its mean), threshold (10, in the same unit)
    rows, columns, norm, normPlain (C), weight, score, scorePlain (R x C), goes, goesPlain (R strings of C digits)
    cut, cutPlain (R), flippedRow, flipped (share of the linear)
    shares (base64 uint8 (10, T, C) of 255 sqrt(share of the token in the input's squared norm, without omega))
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import torch

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.overlap import answer_end
from sinkprune.models import LoadedModel, encode_prompt
from sinkprune.models.chat import running_texts
from sinkprune.pruning import CalibrationConfig, Measured, PruneConfig, calibration_set, is_at_hand
from sinkprune.pruning.calibration import MIN_NOISE, NOISE_STEPS, TOTAL_STEPS
from sinkprune.pruning.explain import LINEARS, Decision, Evidence, Spot, explain_decision, measure_evidence
from sinkprune.pruning.linears import INPUT_GROUPS

ANSWER = DecodeConfig(gen_length=64, block_length=32, steps=64, threshold=0.9, cache="dual")
LEVELS = [round((1 - MIN_NOISE) * step / TOTAL_STEPS + MIN_NOISE, 3) for step in NOISE_STEPS]


def prompt_ids(loaded: LoadedModel, prompt: str) -> torch.Tensor:
    """(1, T) the prompt and the model's own answer up to its end token: the text that the noise then falls on."""
    asked = encode_prompt(loaded, prompt)
    written = generate(loaded, asked, ANSWER).tokens
    answer = written[0, asked.shape[1] :].tolist()
    return written[:, : asked.shape[1] + max(1, answer_end(answer, loaded.spec.end_token_ids))]


def text_ids(loaded: LoadedModel, prompt: str | None) -> torch.Tensor:
    """(sequences, T) what is measured: the prompt and its answer or, for None, the default calibration text."""
    return calibration_set(loaded, CalibrationConfig()) if prompt is None else prompt_ids(loaded, prompt)


def measure(
    loaded: LoadedModel, ids: torch.Tensor | None, rule: str, measured: Measured | None = None
) -> Iterator[tuple[int, int] | Evidence]:
    """Progress and, last, the evidence on ids (sequences, T) or, for None, on the default calibration text.

    measured: statistics of the dense model on calibration texts; read, and filled.
    """
    yield from measure_evidence(loaded, PruneConfig(sink_rule=rule), calibration_ids=ids, measured=measured)


def is_quick(loaded: LoadedModel, rule: str, measured: Measured) -> bool:
    """Whether the evidence on the default calibration text takes one sequence's time."""
    configs = (PruneConfig(sink_rule=rule), PruneConfig(sink_rule=rule, sink_weight=False))
    return all(is_at_hand(measured, loaded.spec, config, CalibrationConfig()) for config in configs)


def microscope(
    loaded: LoadedModel, config: PruneConfig, spot: Spot, evidence: Evidence, prompt: str | None, ids: torch.Tensor
) -> dict:
    """The value of the view. ids: (sequences, T), those of the evidence."""
    found = explain_decision(loaded, config, spot, evidence)
    return {
        "model": loaded.spec.name,
        "source": "calibration" if prompt is None else "prompt",
        "prompt": prompt or "",
        "layers": loaded.model.config.num_hidden_layers,
        "widths": _widths(loaded, spot.layer),
        "layer": spot.layer,
        "linear": spot.linear,
        "row": spot.row,
        "sparsity": config.target,
        "rule": config.sink_rule,
        "levels": LEVELS,
        "sequences": len(ids),
        "tokens": running_texts(loaded, ids[0]),
        **_tokens(loaded, found),
        **_patch(found),
    }


def _widths(loaded: LoadedModel, layer: int) -> dict[str, list[int]]:
    """linear -> [out, in]"""
    block = loaded.model.model.layers[layer]
    paths = [path for group in INPUT_GROUPS for path in group]
    return {name: list(block.get_submodule(path).weight.shape) for name, path in zip(LINEARS, paths, strict=True)}


def _tokens(loaded: LoadedModel, found: Decision) -> dict:
    tokens = found.tokens
    mean = tokens.mass.mean(1, keepdim=True)
    return {
        "masked": _digits(tokens.ids == loaded.spec.mask_token_id),
        "sinks": _digits(tokens.sinks),
        "mass": _rounded(tokens.mass / mean),
        "omega": _rounded(tokens.omega),
        "threshold": _rounded(tokens.threshold / mean[:, 0]),
    }


def _patch(found: Decision) -> dict:
    squares = found.inputs.square()
    shares = squares / squares.sum(1, keepdim=True).clamp_min(1e-30)
    return {
        "rows": found.rows.tolist(),
        "columns": found.columns.tolist(),
        "norm": _rounded(found.norm),
        "normPlain": _rounded(found.norm_plain),
        "weight": _rounded(found.weight),
        "score": _rounded(found.score),
        "scorePlain": _rounded(found.score_plain),
        "goes": _digits(found.goes),
        "goesPlain": _digits(found.goes_plain),
        "cut": None if found.cut is None else _rounded(found.cut),
        "cutPlain": None if found.cut_plain is None else _rounded(found.cut_plain),
        "flippedRow": found.flipped_row,
        "flipped": found.flipped,
        "shares": base64.b64encode((shares.sqrt() * 255).round().to(torch.uint8).numpy().tobytes()).decode("ascii"),
    }


def _digits(rows: torch.Tensor) -> list[str]:
    return ["".join(map(str, row)) for row in rows.int().tolist()]


def _rounded(values: torch.Tensor) -> list:
    """Nested lists of numbers with five significant digits."""
    if values.dim() > 1:
        return [_rounded(row) for row in values]
    return [float(f"{value:.5g}") for value in values.tolist()]

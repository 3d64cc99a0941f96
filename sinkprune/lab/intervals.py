"""Confidence intervals of mean differences: over texts, or over calibration seeds and texts at once. Pure functions of arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval [low, high]."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Of a gain: "win" where the whole interval is above 0, "loss" where it is below, else "tie"."""
        if self.low > 0:
            return "win"
        return "loss" if self.high < 0 else "tie"


class _Variance(NamedTuple):
    of_mean: float
    degrees: float


def crossed_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Student t interval for the mean of values (seeds, texts), where every seed met every text.

    Seeds and texts are both samples from many, so their effects are random and crossed. The model is a two-way analysis of variance
    without replication. The variance of the grand mean is (MS_seeds + MS_texts - MS_rest) / (seeds x texts), with Satterthwaite's degrees
    of freedom. A component estimated below zero counts as zero. One seed: texts alone. Raises ValueError below 2 texts.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise ValueError(f"an interval needs values (seeds, texts) of at least 2 texts, not of shape {values.shape}")
    variance = _variance_of_texts(values[0]) if len(values) == 1 else _crossed_variance(values)
    mean = float(values.mean())
    if variance.of_mean == 0:
        return Interval(mean, mean, mean)
    half = student_quantile(0.5 + confidence / 2, variance.degrees) * math.sqrt(variance.of_mean)
    return Interval(mean, mean - half, mean + half)


def _variance_of_texts(values: np.ndarray) -> _Variance:
    return _Variance(float(values.var(ddof=1)) / len(values), len(values) - 1)


def _crossed_variance(values: np.ndarray) -> _Variance:
    seeds, texts = values.shape
    by_seed, by_text = values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    rest = values - by_seed - by_text + values.mean()
    squares = {
        "seeds": (texts * float(by_seed.var(ddof=1)), seeds - 1),
        "texts": (seeds * float(by_text.var(ddof=1)), texts - 1),
        "rest": (float((rest**2).sum()) / ((seeds - 1) * (texts - 1)), (seeds - 1) * (texts - 1)),
    }  # source -> (mean square, degrees of freedom)
    both = squares["seeds"][0] + squares["texts"][0] - squares["rest"][0]
    largest, degrees = max(squares["seeds"], squares["texts"])
    if largest >= both:  # the other source adds nothing to be seen
        return _Variance(largest / values.size, degrees)
    satterthwaite = both**2 / sum(square**2 / degrees for square, degrees in squares.values())
    return _Variance(both / values.size, max(1.0, satterthwaite))


def student_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t: with t = sqrt(degrees) tan(angle) the density becomes cos(angle)^(degrees - 1), summed on a fine grid."""
    angle = ((np.arange(20_000) + 0.5) / 20_000 - 0.5) * np.pi  # the middles of equal pieces
    density = np.cos(angle) ** (degrees - 1)
    cumulative = np.cumsum(density) - density / 2
    return math.sqrt(degrees) * math.tan(np.interp(probability, cumulative / density.sum(), angle))

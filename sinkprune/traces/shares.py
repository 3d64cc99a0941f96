"""Attention shares as bytes, and bytes as text of JSON: the one codec of traces, recorded material and attention maps.

A share, 0 to 1, is stored as the nearest of 255 sqrt(share), so that small shares survive: 1/100 to within 2 %.
"""

from __future__ import annotations

import base64

import numpy as np


def to_levels(shares: np.ndarray) -> np.ndarray:
    """uint8 of the same shape: 255 sqrt(share)."""
    return np.minimum(np.sqrt(shares) * 255 + 0.5, 255).astype(np.uint8)


def from_levels(levels: np.ndarray) -> np.ndarray:
    """float32 of the same shape: the shares of `to_levels`."""
    return (levels.astype(np.float32) / 255) ** 2


def to_base64(array: np.ndarray | bytes) -> str:
    """The bytes of an array, in order, as base64 text."""
    return base64.b64encode(array if isinstance(array, bytes) else array.tobytes()).decode("ascii")


def from_base64(text: str, dtype: type | str = np.uint8) -> np.ndarray:
    """(n,) array of `to_base64`. Raises ValueError where the text is no base64."""
    return np.frombuffer(base64.b64decode(text), dtype)


def to_differences(levels: np.ndarray) -> np.ndarray:
    """uint8 (T, …) of the same shape: each step less the one before, modulo 256, which compresses well."""
    return np.diff(levels, axis=0, prepend=np.uint8(0))


def from_differences(differences: np.ndarray) -> np.ndarray:
    """What `to_differences` was given."""
    return np.cumsum(differences, axis=0, dtype=np.uint8)

"""Made-up cells with known gains, for tests of the table's summary, words and figures."""

import numpy as np

from sinkprune.recorded.table_cells import VARIANTS
from sinkprune.recorded.table_summary import summarise

ABOUT = {
    "model": "tiny", "weights": "0", "dtype": "float32", "machine": "cpu", "torch": "2",
    "protocol": {
        "seeds": [0, 1, 2], "sparsities": [0.25, 0.5, 0.75], "structured": [0.5], "texts": 40, "patterns": 2, "samples": 4, "length": 16,
    },
}  # fmt: skip
GAINS = {0.25: 0.0, 0.5: 0.5, 0.75: -0.5}  # of sink-wanda over both its baselines; the other methods gain nothing
STRUCTURED_GAIN = 0.2


def made_up_cells() -> list[dict]:
    """Three seeds, 40 texts; noise of 0.05 bits a text and seed around the true values."""
    draw = np.random.default_rng(0)
    texts = draw.normal(4, 1, 40)
    dense = {"variant": "dense", "sparsity": 0.0, "seed": 0, "bits": list(texts), "repeated": [0.1], "answers": [[1]]}
    return [dense] + [
        _cell(variant, sparsity, seed, texts + draw.normal(0, 0.05, 40))
        for variant in VARIANTS
        for sparsity in ((0.5,) if "structured" in variant else GAINS)
        for seed in ((0,) if variant == "magnitude" else (0, 1, 2))
    ]


def _cell(variant: str, sparsity: float, seed: int, bits: np.ndarray) -> dict:
    saved = {"sink-wanda": GAINS.get(sparsity), "sink-structured": STRUCTURED_GAIN}.get(variant, 0.0)
    line = {
        "variant": variant, "sparsity": sparsity, "seed": seed, "bits": list(bits + 2 * sparsity - saved),
        "agreement": [0.25, 0.75], "repeated": [0.0, 0.5], "achieved": sparsity, "prune_seconds": 1.5,
    }  # fmt: skip
    return line | ({"speed_up": 1.4, "parameters": 0.6} if "structured" in variant else {})


def made_up_table() -> dict:
    return summarise(ABOUT, made_up_cells())

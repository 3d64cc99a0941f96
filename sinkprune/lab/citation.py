"""How to cite a comparison: the paper as BibTeX, and the settings that make the same run again."""

from __future__ import annotations

import json

from sinkprune.lab.comparison import Comparison

PAPER = """@misc{myrzakhan2026sinkaware,
  title = {Sink-Aware Pruning for Diffusion Language Models},
  author = {Myrzakhan, Aidar and Li, Tianyi and Guo, Bowei and Tang, Shengkun and Shen, Zhiqiang},
  year = {2026},
  eprint = {2602.17664},
  archivePrefix = {arXiv},
  url = {https://arxiv.org/abs/2602.17664}
}
"""


def bibtex_with_settings(comparison: Comparison) -> str:
    """PAPER and, below, one line for each group of settings, as JSON. BibTeX skips what stands outside entries, but for the at sign."""
    dense, pruned = comparison.dense, comparison.pruned
    settings = {
        "prompt": comparison.prompt,
        "model": {"name": dense.model, "revision": dense.revision, "weights": dense.weights, "dtype": dense.dtype},
        "pruning": pruned.pruning,
        "calibration": pruned.calibration,
        "decoding": dense.decoding,
        "machine": {"device": dense.device, "threads": dense.threads, **dense.versions},
    }
    lines = [f"% {name}: {json.dumps(value).replace('@', chr(92) + 'u0040')}" for name, value in settings.items()]
    return "\n".join([PAPER, *lines]) + "\n"

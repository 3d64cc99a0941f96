"""A workbench on a tiny random model that has words for tokens: what page and API do, in seconds."""

from __future__ import annotations

from pathlib import Path

from sinkprune.ui.server.workbench import Workbench
from tests.word_model import END, MASK, tiny_model


def tiny_bench(folder: Path, **sizes: int) -> Workbench:
    """Saves the model in `folder`, whose path is the name of the bench's model. sizes: see `tiny_model`."""
    loaded = tiny_model(**sizes)
    loaded.model.config.update({"mask_token_id": MASK, "eos_token_id": END})
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return Workbench(str(folder))

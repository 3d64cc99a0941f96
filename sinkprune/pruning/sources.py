"""Where calibration text comes from: the built-in text, WikiText-2 or C4 through the optional package `datasets`, or a text file.

WikiText-2 and C4 are sampled as the official code samples them (wanda's and Sink-Aware-Pruning's lib/data.py), number for number: special
tokens as the tokenizer adds them by itself, `random.seed(seed)`, one `randint` a window, and for C4 one more a document tried.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sinkprune.models import LoadedModel
from sinkprune.pruning.settings import BUILT_IN, HUB_SOURCES, CalibrationConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CALIBRATION_TEXT = Path(__file__).parents[2] / "assets" / "calibration.txt"
WIKITEXT2 = {"path": "Salesforce/wikitext", "name": "wikitext-2-raw-v1", "split": "train"}
# The official 50,000 documents, out of the one file that holds them instead of all 1024.
C4 = {
    "path": "allenai/c4",
    "data_files": {"train": "en/c4-train.00000-of-01024.json.gz"},
    "split": "train[:50000]",
}
TRIES = 20_000  # documents looked at for one long enough: about 1 in 30 has 2048 tokens


class SourceUnreachable(ValueError):
    """The text is on a hub, and cannot be had now."""


def draw(loaded: LoadedModel, calibration: CalibrationConfig) -> torch.Tensor:
    """(samples, length) token ids of the source that `calibration` names, drawn by its seed.

    Raises SourceUnreachable where `datasets` or the hub is missing; ValueError for no tokenizer, an unreadable file, too little text.
    """
    tokenizer, source = loaded.tokenizer, calibration.source
    if tokenizer is None:
        raise ValueError(f"{loaded.spec.name} has no tokenizer: give calibration_ids, a LongTensor (samples, length)")
    if source == "c4":
        return _from_documents(tokenizer, _hub_texts(source, C4), calibration)
    if source == "wikitext2":
        stream = torch.tensor(_tokens(tokenizer, " ".join(_hub_texts(source, WIKITEXT2))))
        return _windows(stream, calibration, len(stream) - calibration.length - 1)
    stream = torch.tensor(_tokens(tokenizer, _file_text(source), add_special_tokens=False))
    return _windows(stream, calibration, len(stream) - calibration.length)


def draw_or_built_in(
    loaded: LoadedModel, calibration: CalibrationConfig
) -> tuple[torch.Tensor, CalibrationConfig, str | None]:
    """(ids, the calibration used, why it is not the one asked for): the built-in text stands in for one that is out of reach."""
    try:
        return draw(loaded, calibration), calibration, None
    except SourceUnreachable as error:
        used = dataclasses.replace(calibration, source=BUILT_IN)
        return draw(loaded, used), used, str(error)


def _file_text(source: str) -> str:
    path = CALIBRATION_TEXT if source == BUILT_IN else Path(source)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"calibration text {source!r} cannot be read ({type(error).__name__}): "
            f"use {', '.join((BUILT_IN, *HUB_SOURCES))} or a UTF-8 text file"
        ) from None


def _hub_texts(source: str, place: dict):
    """The texts of a hub's data set, one a document."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise SourceUnreachable(
            f"{source} needs the package `datasets` (pip install datasets), which is not installed"
        ) from None
    try:
        return load_dataset(**place)["text"]
    except Exception as error:  # what a hub, a proxy or a half-filled cache raises is open-ended
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceUnreachable(f"{source} could not be fetched from the hub ({reason[:200]})") from error


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str, **options: bool) -> list[int]:
    return tokenizer(text, verbose=False, **options)["input_ids"]


def _windows(stream: torch.Tensor, calibration: CalibrationConfig, last: int) -> torch.Tensor:
    """Slices of `length` tokens that begin at random places from 0 to `last`."""
    if last < 0:
        raise ValueError(
            f"calibration length {calibration.length} is more than the {len(stream)} tokens of the text "
            f"{calibration.source!r}: use a shorter one"
        )
    pick = random.Random(calibration.seed)
    starts = [pick.randint(0, last) for _ in range(calibration.samples)]
    return torch.stack([stream[start : start + calibration.length] for start in starts])


def _from_documents(tokenizer: PreTrainedTokenizerBase, texts, calibration: CalibrationConfig) -> torch.Tensor:
    """One slice of each of `samples` random documents that are longer than `length`."""
    pick, length, rows = random.Random(calibration.seed), calibration.length, []
    for _ in range(calibration.samples):
        for _ in range(TRIES):
            ids = _tokens(tokenizer, texts[pick.randint(0, len(texts) - 1)])
            if len(ids) > length:
                break
        else:
            raise ValueError(f"none of {TRIES} documents of c4 has more than {length} tokens: use a shorter length")
        start = pick.randint(0, len(ids) - length - 1)
        rows.append(ids[start : start + length])
    return torch.tensor(rows)

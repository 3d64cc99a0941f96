"""Where calibration text comes from: the built-in text, WikiText-2 or C4 through the optional package `datasets`, or a text file.

WikiText-2 and C4 are sampled as in the official code, number for number (lib/data.py of wanda and of Sink-Aware-Pruning). The tokenizer
adds its special tokens. The draws are `random.seed(seed)` and one `randint` per window, for C4 one more per document tried. Only the
names of MASK and end tokens in a text are read as their characters there; in a file and in the built-in text, those of all special tokens.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sinkprune.models import LoadedModel
from sinkprune.models.chat import encode_text, ordinary_pieces
from sinkprune.models.limits import check_ids, check_length
from sinkprune.models.text_files import WHOLE, TextFile, open_text, tokens_at
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
    check_length(loaded, calibration.length, "a calibration sequence")
    if source == "c4":
        ids = _from_documents(loaded, _hub_texts(source, C4), calibration)
    elif source == "wikitext2":
        stream = torch.tensor(_hub_tokens(loaded, " ".join(_hub_texts(source, WIKITEXT2))))
        ids = _windows(stream, calibration, len(stream) - calibration.length - 1)
    else:
        ids = _from_file(tokenizer, _text_file(source), calibration)
    check_ids(loaded, ids, f"tokens of {source!r}")
    return ids


def draw_or_built_in(
    loaded: LoadedModel, calibration: CalibrationConfig
) -> tuple[torch.Tensor, CalibrationConfig, str | None]:
    """(ids, the calibration used, why it is not the one asked for): the built-in text stands in for one that is out of reach."""
    try:
        return draw(loaded, calibration), calibration, None
    except SourceUnreachable as error:
        used = dataclasses.replace(calibration, source=BUILT_IN)
        return draw(loaded, used), used, str(error)


def _text_file(source: str) -> TextFile:
    try:
        return open_text(CALIBRATION_TEXT if source == BUILT_IN else source)
    except ValueError as error:
        raise ValueError(
            f"calibration text {source!r} cannot be read ({error}): use {', '.join((BUILT_IN, *HUB_SOURCES))} or a UTF-8 text file"
        ) from None


def _from_file(tokenizer: PreTrainedTokenizerBase, file: TextFile, calibration: CalibrationConfig) -> torch.Tensor:
    """Windows of the whole text; of a large one, windows that begin at random bytes, so that only these are tokenised."""
    if file.size <= WHOLE:
        stream = torch.tensor(encode_text(tokenizer, file.piece(0, file.size)), dtype=torch.long)
        return _windows(stream, calibration, len(stream) - calibration.length)
    pick = random.Random(calibration.seed)
    places = [pick.randrange(file.size) for _ in range(calibration.samples)]
    rows = [tokens_at(tokenizer, file, place, calibration.length) for place in places]
    if len(rows[0]) < calibration.length:
        raise ValueError(_too_short(calibration, len(rows[0])))
    return torch.tensor(rows)


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


def _hub_tokens(loaded: LoadedModel, text: str) -> list[int]:
    """As the official code tokenises: special tokens in the text and around it as the tokenizer has them, but for MASK and end tokens."""
    tokenizer, spec = loaded.tokenizer, loaded.spec
    guarded = {spec.mask_token_id, *spec.end_token_ids}
    first, *others = ordinary_pieces(text, [name for name, i in tokenizer.get_added_vocab().items() if i in guarded])
    ids = tokenizer(first, verbose=False)["input_ids"]
    for piece in others:
        ids += tokenizer(piece, verbose=False, add_special_tokens=False)["input_ids"]
    return ids


def _windows(stream: torch.Tensor, calibration: CalibrationConfig, last: int) -> torch.Tensor:
    """Slices of `length` tokens that begin at random places from 0 to `last`."""
    if last < 0:
        raise ValueError(_too_short(calibration, len(stream)))
    pick = random.Random(calibration.seed)
    starts = [pick.randint(0, last) for _ in range(calibration.samples)]
    return torch.stack([stream[start : start + calibration.length] for start in starts])


def _too_short(calibration: CalibrationConfig, tokens: int) -> str:
    return (
        f"calibration length {calibration.length} is more than the {tokens} tokens of the text "
        f"{calibration.source!r}: use a shorter one"
    )


def _from_documents(loaded: LoadedModel, texts, calibration: CalibrationConfig) -> torch.Tensor:
    """One slice of each of `samples` random documents that are longer than `length`."""
    pick, length, rows = random.Random(calibration.seed), calibration.length, []
    for _ in range(calibration.samples):
        for _ in range(TRIES):
            ids = _hub_tokens(loaded, texts[pick.randint(0, len(texts) - 1)])
            if len(ids) > length:
                break
        else:
            raise ValueError(f"none of {TRIES} documents of c4 has more than {length} tokens: use a shorter length")
        start = pick.randint(0, len(ids) - length - 1)
        rows.append(ids[start : start + length])
    return torch.tensor(rows)

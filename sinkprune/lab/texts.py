"""Texts to measure a model on: the held-out answers of the bundled model, or any text file cut into sequences."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sinkprune.models import LoadedModel, encode_prompt
from sinkprune.models.chat import encode_text
from sinkprune.models.limits import check_length
from sinkprune.models.text_files import WHOLE, TextFile, open_text, tokens_at

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HELD_OUT = Path(__file__).resolve().parents[2] / "assets" / "held-out.jsonl"
CANVAS = 96
SENTENCE_END = re.compile(r"(?<!\d)[.!?][\"')]*(?=\s|$)")  # "2." begins a list entry and ends no sentence


def held_out_texts(loaded: LoadedModel, canvas: int = CANVAS) -> tuple[list[torch.Tensor], list[int]]:
    """(texts, prompt lengths): one LongTensor (P + canvas,) a held-out prompt, in the model's chat format.

    The teacher's answer is cut after the last whole sentence that fits on the canvas and filled with end tokens, as the training data was.
    Raises ValueError for a model without tokenizer or end token.
    """
    _check_tokenizer(loaded)
    end = loaded.spec.eos_token_id
    if end is None:
        raise ValueError(f"{loaded.spec.name} has no end token to fill a canvas with: measure it on a text file")
    texts, lengths = [], []
    for prompt, answers in held_out_answers().items():
        prompt_ids = encode_prompt(loaded, prompt)[0]
        answer = max((whole_sentences(loaded, entry["answer"], canvas - 1) for entry in answers), key=len)
        filled = answer + [end] * (canvas - len(answer))
        texts.append(torch.cat([prompt_ids, torch.tensor(filled)]))
        lengths.append(len(prompt_ids))
    return texts, lengths


def whole_sentences(loaded: LoadedModel, text: str, most: int) -> list[int]:
    """The token ids of as many whole sentences of `text` as fit into `most` tokens; none where the first one does not."""
    ids, ends = sentence_ends(loaded.tokenizer, text)
    return ids[: max((end for end in ends if end <= most), default=0)]


def sentence_ends(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[int]]:
    """(token ids of `text`, the numbers of tokens after which a sentence is complete)."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = {match.end() for match in SENTENCE_END.finditer(text)}
    offsets = encoded["offset_mapping"]
    return encoded["input_ids"], [i + 1 for i, (_, stop) in enumerate(offsets) if stop in ends]


def file_texts(loaded: LoadedModel, path: str | Path, length: int = 128, most: int = 64) -> list[torch.Tensor]:
    """The file's tokens cut into sequences of `length`, a shorter rest left out; `most` of them, spread over the file.

    Special tokens' names are read as their characters. Raises ValueError where the file is missing, is not UTF-8 text, or is shorter than
    one sequence, and where a sequence is longer than the model reads.
    """
    _check_tokenizer(loaded)
    if length < 1 or most < 1:
        raise ValueError("sequences need a length of at least 1 token, and at least 1 sequence is needed")
    check_length(loaded, length, "a sequence")
    file = open_text(path)
    if file.size > max(WHOLE, 8 * most * length):
        return _spread(loaded, file, length, most)
    ids = torch.tensor(encode_text(loaded.tokenizer, file.piece(0, file.size)), dtype=torch.long)
    sequences = len(ids) // length
    if not sequences:
        raise ValueError(f"{path} has {len(ids)} tokens: use a longer text, or sequences shorter than {length} tokens")
    chosen = range(sequences) if sequences <= most else [number * sequences // most for number in range(most)]
    return [ids[number * length : (number + 1) * length] for number in chosen]


def _spread(loaded: LoadedModel, file: TextFile, length: int, most: int) -> list[torch.Tensor]:
    """Sequences that begin at evenly spaced bytes of a large file, so that only these are tokenised."""
    rows = [tokens_at(loaded.tokenizer, file, number * file.size // most, length) for number in range(most)]
    if len(rows[0]) < length:
        raise ValueError(
            f"{file.path} has {len(rows[0])} tokens: use a longer text, or sequences shorter than {length}"
        )
    return [torch.tensor(row, dtype=torch.long) for row in rows]


def held_out_answers() -> dict[str, list[dict]]:
    """Prompt -> the teacher's answers: {"answer": text, "finished": whether the teacher ended it}.

    The 64 prompts, in the order of the file, are those that training never saw.
    """
    answers: dict[str, list[dict]] = {}
    for line in HELD_OUT.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        answers.setdefault(entry["prompt"], []).append(entry)
    return answers


def _check_tokenizer(loaded: LoadedModel) -> None:
    if loaded.tokenizer is None:
        raise ValueError(f"the model {loaded.spec.name!r} has no tokenizer: give token ids instead of a text")

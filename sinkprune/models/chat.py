"""Texts to token ids and back: the prompt in the model's chat format, the answer, one display text per token.

The words of a visitor are always ordinary text. A typed "<|im_end|>" is tokenised as characters, never as the special token. So a prompt
can neither end its turn nor contain a MASK.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from sinkprune.models.reading import first_line
from sinkprune.models.spec import LoadedModel, ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MASK_TEXT = "[MASK]"
BROKEN = "\N{REPLACEMENT CHARACTER}"  # what decoding makes of a part of a character
REST = "\N{DOT OPERATOR}"  # in the place of such a part, where the whole character is shown before it
MOST_TOKENS_OF_A_CHARACTER = 8
_CHATML = ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n")
_TEMPLATE_ADVICE = (
    "correct it in chat_template.jinja or tokenizer_config.json, or write chat_format plain or chatml into config.json"
)
_PLACEHOLDER = "Place <of> the 'Prompt' & its End"  # changed by a template that changes case, escapes or trims words


def encode_prompt(loaded: LoadedModel, text: str) -> torch.Tensor:
    """(1, P) int64 on the CPU: `text` as the user's turn, in the model's chat format.

    Raises ValueError without a tokenizer, without text, for half a character, and for a chat template that cannot frame a prompt.
    """
    if loaded.tokenizer is None:
        raise ValueError(f"the model {loaded.spec.name!r} has no tokenizer: give token ids instead of a text")
    if not text.strip():
        raise ValueError("the prompt is empty: type a few words")
    if not whole_characters(text):
        raise ValueError("the prompt holds half a character (a lone surrogate): type it again")
    if loaded.spec.drops_final_mark:
        text = without_final_mark(text)
    before, after = _chat_frame(loaded.tokenizer, loaded.spec)
    tokenizer = loaded.tokenizer
    ids = [*_encode(tokenizer, before), *encode_text(tokenizer, text), *_encode(tokenizer, after)]
    return torch.tensor([ids], dtype=torch.long)


def whole_characters(text: str) -> bool:
    """Whether a text can be written as UTF-8: shells and JSON let halves of characters (lone surrogates) through."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def without_final_mark(text: str) -> str:
    """`text` without the full stops, question and exclamation marks at its end; as it is where nothing else would be left.

    A full stop at the end of every prompt becomes the sink of every run and holds it there; without one, sinks are free to follow the text.
    """
    return text.rstrip().rstrip(".?!").rstrip() or text


def decode_answer(loaded: LoadedModel, ids: torch.Tensor | Iterable[int]) -> str:
    """The text of generated ids up to the first end token, special tokens and masks left out; "" without a tokenizer."""
    ids = _as_list(ids)
    ids = ids[: next((place for place, one in enumerate(ids) if one in loaded.spec.end_token_ids), len(ids))]
    if loaded.tokenizer is None:
        return ""
    known = [i for i in ids if i != loaded.spec.mask_token_id and i < len(loaded.tokenizer)]
    return loaded.tokenizer.decode(known, skip_special_tokens=True)


def token_texts(loaded: LoadedModel, ids: torch.Tensor | Iterable[int]) -> list[str]:
    """One display text per id, white space kept; the id itself where there is no tokenizer or the tokenizer does not know it."""
    return [_token_text(loaded, i) for i in _as_list(ids)]


def running_texts(loaded: LoadedModel, ids: torch.Tensor | Iterable[int]) -> list[str]:
    """`token_texts` of ids that follow each other: a character cut into several tokens stands at the first one, REST at the others."""
    ids = _as_list(ids)
    texts = token_texts(loaded, ids)
    start = 0
    while start < len(ids):
        whole = _whole_text(loaded, ids, start) if BROKEN in texts[start] else None
        stop, text = whole or (start + 1, texts[start])
        texts[start:stop] = [text, *[REST] * (stop - start - 1)]
        start = stop
    return texts


def _whole_text(loaded: LoadedModel, ids: list[int], start: int) -> tuple[int, str] | None:
    """(stop, text) of the fewest ids from `start` on that are whole characters together; None where none are."""
    for stop in range(start + 2, min(start + MOST_TOKENS_OF_A_CHARACTER, len(ids)) + 1):
        text = loaded.tokenizer.decode(ids[start:stop], skip_special_tokens=False)
        if BROKEN not in text:
            return stop, text
    return None


def _token_text(loaded: LoadedModel, token_id: int) -> str:
    if token_id == loaded.spec.mask_token_id:
        return MASK_TEXT
    if loaded.tokenizer is None or not 0 <= token_id < len(loaded.tokenizer):
        return str(token_id)
    return loaded.tokenizer.decode([token_id], skip_special_tokens=False)


def _as_list(ids: torch.Tensor | Iterable[int]) -> list[int]:
    return ids.flatten().tolist() if isinstance(ids, torch.Tensor) else [int(i) for i in ids]


def check_frame(tokenizer: PreTrainedTokenizerBase | None, spec: ModelSpec) -> None:
    """Raise ValueError where the tokenizer's chat template, if the model uses one, cannot frame a prompt."""
    if tokenizer is not None:
        _chat_frame(tokenizer, spec)


def _chat_frame(tokenizer: PreTrainedTokenizerBase, spec: ModelSpec) -> tuple[str, str]:
    """What the chat format puts before and after the user's text."""
    if spec.chat_format == "plain":
        return "", ""
    if spec.chat_format == "chatml":
        return _CHATML
    turn = [{"role": "user", "content": _PLACEHOLDER}]
    # Qwen3's template would ask for a chain of thought, which models turned to diffusion were not trained to write.
    rendered = render_chat(tokenizer, spec.name, turn, enable_thinking=False)
    before, *others = rendered.split(_PLACEHOLDER)
    if len(others) != 1:
        fault = "changes or drops the prompt" if not others else f"repeats the prompt {len(others)} times"
        raise ValueError(f"the chat template of {spec.name!r} {fault}: {_TEMPLATE_ADVICE}")
    return before, others[0]


def render_chat(tokenizer: PreTrainedTokenizerBase, name: str, turns: list[dict[str, str]], **options: object) -> str:
    """Turns of a chat as the tokenizer's own template writes them. Raises ValueError where the template is missing or fails."""
    try:
        return tokenizer.apply_chat_template(turns, **{"tokenize": False, "add_generation_prompt": True} | options)
    except Exception as error:  # a template may raise what it likes
        raise ValueError(
            f"the chat template of {name!r} cannot be used ({first_line(error)}): {_TEMPLATE_ADVICE}"
        ) from error


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False) if text else []


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The ids of `text` as ordinary text: a special token's name in the text stands for its characters."""
    pieces = ordinary_pieces(text, tokenizer.get_added_vocab())
    encoded = tokenizer(pieces, add_special_tokens=False, verbose=False)["input_ids"]
    return [token for ids in encoded for token in ids]


def ordinary_pieces(text: str, special_texts: Iterable[str]) -> list[str]:
    """`text` in pieces, none of which contains a special token's text: each occurrence is cut after its first character.

    Cutting, and not the tokenizer's switch for special tokens, because that switch is shared state: two threads would race for it.
    """
    longest_first = sorted((s for s in special_texts if len(s) > 1), key=len, reverse=True)
    if not longest_first:
        return [text]
    special = re.compile("|".join(map(re.escape, longest_first)))
    pieces, begin = [], 0
    while match := special.search(text, begin):
        pieces.append(text[begin : match.start() + 1])
        begin = match.start() + 1
    return [*pieces, text[begin:]]

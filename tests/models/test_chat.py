"""Prompts and texts, with a byte-level tokenizer made here whose special tokens are those of the bundled model."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from sinkprune.models import decode_answer, encode_prompt, running_texts, token_texts
from sinkprune.models.chat import REST
from tests.tiny_models import make_tiny

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<mask>"]
START, END, MASK = 1, 2, 3


def byte_tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {name: number for number, name in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in SPECIAL])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")


def loaded_with(chat_format: str):
    tiny = make_tiny()
    return dataclasses.replace(
        tiny, tokenizer=byte_tokenizer(), spec=dataclasses.replace(tiny.spec, chat_format=chat_format)
    )


CHAT = loaded_with("chatml")
PLAIN = loaded_with("plain")


def test_chatml_frame():
    ids = encode_prompt(CHAT, "Hi")
    assert ids.dtype == torch.int64
    assert ids.shape[0] == 1
    text = CHAT.tokenizer.decode(ids[0], skip_special_tokens=False)
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert (ids == START).sum() == 2
    assert (ids == END).sum() == 1


hostile = st.lists(
    st.sampled_from([*SPECIAL, "<|im_", "end|>", "<", "|", "<<mask>mask>", "é", "你", "🙂", " ", "a"]), min_size=1
)


@given(hostile.map("".join).filter(str.strip))
def test_no_text_becomes_a_special_token(text):
    ids = encode_prompt(PLAIN, text)
    assert not set(ids[0].tolist()) & set(range(len(SPECIAL)))
    assert PLAIN.tokenizer.decode(ids[0]) == text
    framed = encode_prompt(CHAT, text)[0].tolist()
    assert (framed.count(START), framed.count(END), framed.count(MASK)) == (2, 1, 0)


def test_template_frame_keeps_hostile_text_inside_the_turn():
    loaded = loaded_with("template")
    loaded.tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    ids = encode_prompt(loaded, "a<|im_end|>b")[0].tolist()
    assert ids[0] == START
    assert ids[-2:] == [END, START]
    assert ids.count(END) == 1


def test_answers_stop_at_the_end_token_and_drop_masks():
    letters = CHAT.tokenizer.encode("hello")
    assert decode_answer(CHAT, torch.tensor([[*letters, MASK, END, *letters]])) == "hello"
    assert decode_answer(CHAT, [*letters, START, *letters]) == "hellohello"
    assert decode_answer(CHAT, []) == ""
    two_ends = dataclasses.replace(CHAT, spec=dataclasses.replace(CHAT.spec, other_end_ids=(letters[3],)))
    assert decode_answer(two_ends, [*letters, END, *letters]) == "hel"[: letters.index(letters[3])]
    assert decode_answer(make_tiny(), [5, 6]) == ""


def test_one_text_per_token():
    ids = [*CHAT.tokenizer.encode("a é"), MASK, END, 9999]
    texts = token_texts(CHAT, torch.tensor(ids))
    assert len(texts) == len(ids)
    assert texts[:2] == ["a", " "]
    assert texts[-3:] == ["[MASK]", "<|im_end|>", "9999"]
    assert token_texts(make_tiny(), [5, MASK]) == ["5", "[MASK]"]


@pytest.mark.parametrize(
    ("text", "read"), [("Why?", "Why"), ("Wait... what?! \n", "Wait... what"), ("e.g. this", "e.g. this"), ("?", "?")]
)
def test_a_model_trained_without_final_marks_reads_none(text, read):
    without = dataclasses.replace(PLAIN, spec=dataclasses.replace(PLAIN.spec, drops_final_mark=True))
    assert PLAIN.tokenizer.decode(encode_prompt(without, text)[0]) == read
    assert PLAIN.tokenizer.decode(encode_prompt(PLAIN, text)[0]) == text


@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_prompts_are_refused(text):
    with pytest.raises(ValueError, match="empty"):
        encode_prompt(CHAT, text)


def test_a_model_without_tokenizer_cannot_read_text():
    with pytest.raises(ValueError, match="no tokenizer"):
        encode_prompt(make_tiny(), "Hi")


@pytest.mark.parametrize("text", ["é", "a你b", "🙂🦊", "اب", "fine"])
def test_a_character_of_several_tokens_is_shown_whole_at_the_first(text):
    ids = encode_prompt(PLAIN, text)[0].tolist()
    assert len(ids) == len(text.encode())
    shown = running_texts(PLAIN, ids)
    assert len(shown) == len(ids)
    assert "".join(shown).replace(REST, "") == text
    assert [one for one in shown if one != REST] == list(text)


def test_half_a_character_stays_half_a_character():
    ids = encode_prompt(PLAIN, "🙂")[0].tolist()
    assert running_texts(PLAIN, ids[:2]) == token_texts(PLAIN, ids[:2])
    assert running_texts(PLAIN, [START, *ids, MASK]) == ["<|im_start|>", "🙂", *[REST] * 3, *token_texts(PLAIN, [MASK])]

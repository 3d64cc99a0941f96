"""Tokenizers that come with a checkpoint: LLaDA's and Dream's files and chat formats, and the MASK and end ids that a config lacks."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from sinkprune.models import decode_answer, encode_prompt, load_model
from tests.models.test_loading import write_llada
from tests.tiny_models import make_tiny

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
SIZE = 280  # the 256 bytes and the special tokens behind them
LLADA_SPECIAL = [
    "<|startoftext|>",
    "<|endoftext|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|mdm_mask|>",
]
LLADA_TEMPLATE = (
    "{% for message in messages %}{% if loop.index0 == 0 %}{{ bos_token }}{% endif %}<|start_header_id|>{{ message['role'] }}"
    "<|end_header_id|>\n\n{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
DREAM_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|beginoftext|>", "<|mask|>"]
DREAM_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}{% if enable_thinking is not defined %}<think>{% endif %}"
)


def byte_vocabulary() -> dict[str, int]:
    return {letter: number for number, letter in enumerate(ALPHABET)}


def write_llada_tokenizer(folder):
    tokenizer = Tokenizer(models.BPE(vocab=byte_vocabulary(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in LLADA_SPECIAL])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|startoftext|>", eos_token="<|endoftext|>")
    fast.chat_template = LLADA_TEMPLATE
    fast.save_pretrained(folder)


def write_dream_tokenizer(folder):
    """Dream ships vocab.json, merges.txt and Python code for them; here as there, special tokens stand in tokenizer_config.json."""
    (folder / "vocab.json").write_text(json.dumps(byte_vocabulary()))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    added = {
        str(256 + number): {
            "content": name,
            "special": True,
            "normalized": False,
            "lstrip": False,
            "rstrip": False,
            "single_word": False,
        }
        for number, name in enumerate(DREAM_SPECIAL)
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "added_tokens_decoder": added,
                "auto_map": {"AutoTokenizer": ["tokenization_dream.DreamTokenizer", None]},
                "tokenizer_class": "DreamTokenizer",
                "chat_template": DREAM_TEMPLATE,
                "eos_token": "<|endoftext|>",
                "pad_token": "<|endoftext|>",
                "mask_token": "<|mask|>",
            }
        )
    )


def test_llada_reads_a_prompt_in_its_own_frame(tmp_path):
    write_llada(
        tmp_path, make_tiny(vocab_size=SIZE), shards=2, mask_token_id=261, eos_token_id=257, chat_format="template"
    )
    write_llada_tokenizer(tmp_path)
    loaded = load_model(tmp_path)
    ids = encode_prompt(loaded, "Hi <|eot_id|>")[0].tolist()
    text = loaded.tokenizer.decode(ids, skip_special_tokens=False)
    assert text == (
        "<|startoftext|><|start_header_id|>user<|end_header_id|>\n\nHi <|eot_id|><|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert ids[0] == 256
    assert ids.count(260) == 1  # the turn's own end; what was typed is text
    answer = [*loaded.tokenizer.encode("Yes", add_special_tokens=False), 260, 257, 257]
    assert decode_answer(loaded, answer) == "Yes"


def test_dream_loads_without_its_code(tmp_path):
    make_tiny("qwen2", vocab_size=SIZE).model.save_pretrained(tmp_path)
    raw = json.loads((tmp_path / "config.json").read_text())
    raw |= {"model_type": "Dream", "mask_token_id": 260, "eos_token_id": 256, "chat_format": "template"}
    (tmp_path / "config.json").write_text(json.dumps(raw | {"auto_map": {"AutoModel": "modeling_dream.DreamModel"}}))
    write_dream_tokenizer(tmp_path)
    (tmp_path / "tokenization_dream.py").write_text("raise SystemExit('code of a checkpoint ran')\n")
    loaded = load_model(tmp_path)
    assert loaded.spec.shift_logits
    ids = encode_prompt(loaded, "Hi")[0].tolist()
    assert loaded.tokenizer.decode(ids, skip_special_tokens=False) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert (ids[0], ids.count(258)) == (257, 1)


@pytest.mark.parametrize("entries", [{}, {"mask_token_id": None, "eos_token_id": None}])
def test_mask_and_end_of_a_converted_model_are_its_tokenizers(tmp_path, entries):
    make_tiny("qwen3", vocab_size=SIZE).model.save_pretrained(tmp_path)
    raw = json.loads((tmp_path / "config.json").read_text())
    for key in ("mask_token_id", "eos_token_id"):
        raw.pop(key)
    (tmp_path / "config.json").write_text(json.dumps(raw | entries | {"model_type": "a2d-qwen3"}))
    write_dream_tokenizer(tmp_path)
    spec = load_model(tmp_path).spec
    assert (spec.mask_token_id, spec.eos_token_id) == (260, 256)

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from sinkprune.lab import texts
from sinkprune.lab.texts import (
    SENTENCE_END,
    file_texts,
    held_out_answers,
    held_out_texts,
    sentence_ends,
    whole_sentences,
)

END = 2
BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "bundled"


@pytest.fixture
def answers(monkeypatch, tmp_path):
    """A held-out file with two prompts and three answers."""
    path = tmp_path / "held-out.jsonl"
    lines = [
        {"prompt": "why do stars shine ?", "answer": "the sun is a star . we see"},
        {"prompt": "why do stars shine ?", "answer": "the sun . the sea is blue . and"},
        {"prompt": "the sea", "answer": "cold and"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    monkeypatch.setattr(texts, "HELD_OUT", path)


def words(loaded, ids) -> str:
    return " ".join(loaded.tokenizer.convert_ids_to_tokens(ids))


def test_held_out_texts_are_prompt_and_the_longest_whole_answer(loaded, answers):
    canvases, prompts = held_out_texts(loaded, canvas=10)
    assert prompts == [5, 2]
    assert [len(text) for text in canvases] == [15, 12]
    assert words(loaded, canvases[0].tolist()[:-2]) == "why do stars shine ? the sun . the sea is blue ."
    assert canvases[0].tolist()[-2:] == [END, END]
    assert canvases[1].tolist()[2:] == [END] * 10  # no whole sentence
    assert list(held_out_answers()) == ["why do stars shine ?", "the sea"]


def test_whole_sentences_leave_room(loaded):
    assert words(loaded, whole_sentences(loaded, "the sun is . we see . and", 6)) == "the sun is ."
    assert words(loaded, whole_sentences(loaded, "the sun is . we see . and", 7)) == "the sun is . we see ."
    assert whole_sentences(loaded, "the sun is . we see", 3) == []


@pytest.mark.parametrize(
    ("text", "ends"),
    [('He said "go." Now!', ['."', "!"]), ("1. First step", []), ("What? (Yes.) No", ["?", ".)"]), ("3.14 is", [])],
)
def test_sentence_ends(text, ends):
    assert SENTENCE_END.findall(text) == ends


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rains. Go home!", ["It rains.", "It rains. Go home!"]),
        ("Two steps:\n1. Wash them.\n2. Eat", ["Two steps:\n1. Wash them."]),  # a list number ends no sentence
        ('He said "go." Now', ['He said "go."']),
        ("Pi is 3.14", []),
    ],
)
def test_sentences_end_after_whole_tokens(text, sentences):
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    ids, ends = sentence_ends(tokenizer, text)
    assert ids == tokenizer(text, add_special_tokens=False).input_ids
    assert [tokenizer.decode(ids[:end]) for end in ends] == sentences


def test_the_shipped_held_out_set_is_long_enough():
    assert len(held_out_answers()) == 64


def test_a_file_is_cut_into_sequences(loaded, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the sun is a star " * 5)  # 25 tokens
    pieces = file_texts(loaded, path, length=4)
    assert len(pieces) == 6
    stream = loaded.tokenizer(path.read_text())["input_ids"]
    assert torch.cat(pieces).tolist() == stream[:24]
    assert torch.equal(torch.stack(file_texts(loaded, path, 4, most=2)), torch.stack([pieces[0], pieces[3]]))


def test_files_that_cannot_be_measured_are_refused(loaded, tmp_path):
    short, binary = tmp_path / "short.txt", tmp_path / "binary"
    short.write_text("the sun")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, words_said in ((short, "has 2 tokens"), (binary, "UTF-8"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ValueError, match=words_said):
            file_texts(loaded, path)

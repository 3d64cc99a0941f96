"""Calibration text from the hub (a stub `datasets` on local texts), from a file, and the built-in text in their place."""

import dataclasses
import random
import sys
import types

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from sinkprune.pruning import CalibrationConfig, PruneConfig, calibration_set, draw_or_built_in, prune_model

BEGIN = 1
TEXTS = ["".join(random.Random(i).choices("abcdefghij klmnop", k=20 + 13 * i)) for i in range(12)]


@pytest.fixture(scope="module")
def reader(make_model):
    """A model whose tokenizer reads letters and puts a begin token in front by itself, as LLaDA's does not and Llama's does."""
    letters = {chr(97 + i): 4 + i for i in range(26)} | {"<unk>": 0, "<s>": BEGIN}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BEGIN)])
    return dataclasses.replace(make_model(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer))


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the package `datasets`; holds what was asked of it."""
    asked = []

    def load_dataset(**place):
        asked.append(place)
        return {"text": TEXTS}

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return asked


def official_wikitext2(tokenizer, samples, seed, length):
    """The official get_wikitext2, on TEXTS."""
    stream = tokenizer(" ".join(TEXTS), return_tensors="pt").input_ids
    random.seed(seed)
    rows = []
    for _ in range(samples):
        i = random.randint(0, stream.shape[1] - length - 1)
        rows.append(stream[:, i : i + length])
    return torch.cat(rows)


def official_c4(tokenizer, samples, seed, length):
    """The official get_c4, on TEXTS."""
    random.seed(seed)
    rows = []
    for _ in range(samples):
        while True:
            i = random.randint(0, len(TEXTS) - 1)
            ids = tokenizer(TEXTS[i], return_tensors="pt").input_ids
            if ids.shape[1] > length:
                break
        i = random.randint(0, ids.shape[1] - length - 1)
        rows.append(ids[:, i : i + length])
    return torch.cat(rows)


@pytest.mark.parametrize(("source", "official"), [("wikitext2", official_wikitext2), ("c4", official_c4)])
@pytest.mark.parametrize("seed", [0, 7])
def test_hub_texts_are_sampled_as_the_official_code_does(reader, hub, source, official, seed):
    before = random.getstate()
    ids = calibration_set(reader, CalibrationConfig(samples=9, length=40, seed=seed, source=source))
    assert random.getstate() == before
    assert torch.equal(ids, official(reader.tokenizer, 9, seed, 40))


def test_the_data_sets_asked_for_are_the_official_ones(reader, hub):
    calibration_set(reader, CalibrationConfig(1, 8, source="wikitext2"))
    calibration_set(reader, CalibrationConfig(1, 8, source="c4"))
    assert [place["path"] for place in hub] == ["Salesforce/wikitext", "allenai/c4"]
    assert hub[0]["name"] == "wikitext-2-raw-v1"
    assert hub[1]["split"] == "train[:50000]"


def test_documents_that_are_all_too_short_are_refused(reader, hub):
    with pytest.raises(ValueError, match="use a shorter"):
        calibration_set(reader, CalibrationConfig(1, 1000, source="c4"))
    with pytest.raises(ValueError, match="use a shorter one"):
        calibration_set(reader, CalibrationConfig(1, 100_000, source="wikitext2"))


def test_the_built_in_text_stands_in_and_says_why(reader, hub, monkeypatch):
    asked = CalibrationConfig(4, 16, seed=3, source="c4")
    ids, used, why = draw_or_built_in(reader, asked)
    assert (used, why) == (asked, None)

    def no_network(**place):
        raise ConnectionError("Couldn't reach 'allenai/c4' on the Hub")

    monkeypatch.setattr(sys.modules["datasets"], "load_dataset", no_network)
    ids, used, why = draw_or_built_in(reader, asked)
    assert used == CalibrationConfig(4, 16, seed=3)
    assert torch.equal(ids, calibration_set(reader, used))
    assert "Couldn't reach" in why
    with pytest.raises(ValueError, match="c4 could not be fetched"):
        calibration_set(reader, asked)

    monkeypatch.setitem(sys.modules, "datasets", None)
    _, used, why = draw_or_built_in(reader, asked)
    assert used.source == "bundled"
    assert "pip install datasets" in why


def test_a_text_file_is_cut_into_windows(reader, tmp_path):
    text = "abcdefghijklmnopqrstuvwxyz" * 3
    (tmp_path / "text.txt").write_text(text)
    calibration = CalibrationConfig(20, 60, source=str(tmp_path / "text.txt"))
    for row in calibration_set(reader, calibration).tolist():
        assert "".join(chr(i + 93) for i in row) in text
    pruned = prune_model(reader, PruneConfig("wanda"), calibration)
    given = prune_model(reader, PruneConfig("wanda"), calibration, calibration_set(reader, calibration))
    assert all(torch.equal(pruned.masks[name], given.masks[name]) for name in given.masks)


@pytest.mark.parametrize("source", ["no/such/file.txt", ".", "wikitext3"])
def test_a_source_that_is_no_text_is_refused_in_words(reader, source):
    with pytest.raises(ValueError, match="use bundled, wikitext2, c4 or a UTF-8 text file"):
        draw_or_built_in(reader, CalibrationConfig(2, 8, source=source))

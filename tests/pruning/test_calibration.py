"""The built-in calibration text and how sequences are drawn from it."""

import dataclasses

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from sinkprune.pruning import CalibrationConfig, PruneConfig, calibration_set, prune_model
from sinkprune.pruning.calibration import noised
from sinkprune.pruning.sources import CALIBRATION_TEXT


@pytest.fixture(scope="module")
def with_tokenizer(make_model):
    """A model that reads letters: ids 4 to 29 are a to z, everything else is 0."""
    letters = {chr(97 + i): 4 + i for i in range(26)} | {"<unk>": 0}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return dataclasses.replace(make_model(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer))


def test_the_text_is_clean_and_long_enough():
    text = CALIBRATION_TEXT.read_text(encoding="utf-8")
    assert len(text) > 200_000
    for leftover in ("<unk>", "@-@", "@,@", " ,", " .", "= ="):
        assert leftover not in text
    assert all(len(passage) >= 50 for passage in text.splitlines())


def test_sequences_are_slices_of_the_text_drawn_by_the_seed(with_tokenizer):
    ids = calibration_set(with_tokenizer, CalibrationConfig(5, 40, seed=1))
    assert ids.shape == (5, 40)
    assert ids.dtype == torch.long
    text = "".join(c if "a" <= c <= "z" else "?" for c in CALIBRATION_TEXT.read_text(encoding="utf-8"))
    for sequence in ids.tolist():
        assert "".join(chr(i + 93) if i else "?" for i in sequence) in text
    assert torch.equal(ids, calibration_set(with_tokenizer, CalibrationConfig(5, 40, seed=1)))
    assert not torch.equal(ids, calibration_set(with_tokenizer, CalibrationConfig(5, 40, seed=2)))


def test_a_length_beyond_the_text_is_refused(with_tokenizer):
    with pytest.raises(ValueError, match="use a shorter one"):
        calibration_set(with_tokenizer, CalibrationConfig(1, 1_000_000))


def test_pruning_uses_the_built_in_text_by_default(with_tokenizer):
    calibration = CalibrationConfig(3, 20, seed=4)
    default = prune_model(with_tokenizer, PruneConfig("sink-wanda"), calibration)
    given = prune_model(
        with_tokenizer, PruneConfig("sink-wanda"), calibration, calibration_set(with_tokenizer, calibration)
    )
    assert all(torch.equal(default.masks[name], given.masks[name]) for name in given.masks)


def test_noise_rises_to_all_masked_and_touches_nothing_else(make_ids):
    ids = make_ids(samples=200, length=50)
    versions = noised(ids, 3, seed=0)
    assert versions.shape == (200, 10, 50)
    masked = versions == 3
    assert torch.equal(versions, torch.where(masked, 3, ids.unsqueeze(1)))
    shares = masked.float().mean((0, 2))
    torch.testing.assert_close(shares, torch.arange(1, 11) / 10, atol=0.03, rtol=0)
    assert masked[:, -1].all()

import pytest
import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.card import run_card, weights_digest
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult, prune_model
from sinkprune.traces.runs import finish, trace_run

CONFIG = DecodeConfig(gen_length=8, block_length=4, steps=4, seed=7)


@pytest.fixture(scope="module")
def lane(loaded):
    return finish(trace_run(loaded, "the sun is", CONFIG, ("dlm",)))["lanes"][0]


def test_a_dense_card_counts_what_was_run(loaded, lane):
    card = run_card(loaded, lane, CONFIG)
    assert (card.forwards, card.tokens) == (4, 8)
    assert card.tokens_per_second == pytest.approx(8 / lane["seconds"])
    assert card.threads == torch.get_num_threads()
    assert card.versions["torch"] == torch.__version__
    text = card.as_markdown()
    assert "none (dense)" in text
    assert "4 forward passes, 8 tokens" in text
    assert "seed 7" in text
    assert "after one untimed forward pass" in text
    assert f"weights {card.weights}" in text
    assert "Achieved per layer" not in text


def test_a_pruned_card_says_what_was_asked_and_what_came_out(loaded, lane):
    masks = {
        "model.layers.0.mlp.up_proj": torch.tensor([True, False]),
        "model.layers.1.mlp.up_proj": torch.tensor([True, True]),
    }
    result = PruneResult(loaded, [], masks, 0.75, 3.25)
    card = run_card(
        loaded, lane, CONFIG, result, PruneConfig("wanda", pattern=(2, 4)), CalibrationConfig(samples=5, seed=9)
    )
    assert card.sparsity_per_layer == [0.5, 1.0]
    assert card.sparsity_asked == 0.5
    text = card.as_markdown()
    assert "wanda, asked 50.0 %, achieved 75.00 %" in text
    assert "50.0 %, 100.0 %" in text
    assert "WikiText-2's validation split); samples 5, length 128, seed 9; pruned in 3.2 s" in text
    assert "zeros in a dense matrix" in text


def test_a_digest_tells_weights_apart(loaded, make_model):
    assert weights_digest(loaded.model) == weights_digest(make_model().model)
    assert weights_digest(loaded.model) != weights_digest(make_model(1).model)
    pruned = prune_model(loaded, PruneConfig("magnitude", 0.1)).loaded
    assert weights_digest(loaded.model) != weights_digest(pruned.model)


def test_magnitude_names_no_calibration_text(loaded, lane):
    config, calibration = PruneConfig("magnitude", 0.5), CalibrationConfig()
    result = prune_model(loaded, config, calibration)
    assert "magnitude reads no text" in run_card(result.loaded, lane, CONFIG, result, config, calibration).as_markdown()


def test_a_structured_card_says_that_layers_are_smaller(loaded, lane):
    config, calibration = PruneConfig("structured", 0.3), CalibrationConfig(samples=2, length=16)
    result = prune_model(loaded, config, calibration)
    card = run_card(result.loaded, lane, CONFIG, result, config, calibration)
    assert card.parameters < run_card(loaded, lane, CONFIG).parameters
    assert "the layers are smaller" in card.as_markdown()
    assert "zeros in a dense matrix" not in card.as_markdown()

"""What a visitor chose becomes the engine's settings, and nothing else does."""

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig
from sinkprune.pruning import METHODS, CalibrationConfig, PruneConfig
from sinkprune.ui.inputs import calibration_from, decoding_from, in_words, pruning_from, sparsity_bound

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.text(max_size=2), max_size=2)
)


@pytest.mark.parametrize(
    ("rule", "settings"),
    [("threshold", {"threshold": 0.8}), ("factor", {"factor": 1.5}), ("one", {})],
)
def test_one_commit_rule_at_a_time(rule, settings):
    config = decoding_from(64, 16, rule, 0.8, 1.5, "dual", 0.5, 7)
    assert config == DecodeConfig(64, 16, 64, cache="dual", temperature=0.5, seed=7, **settings)


def test_whole_numbers_may_come_as_floats():
    assert decoding_from(32.0, 16.0, "one", 0.9, 1.0, "none", 0, 3.0) == DecodeConfig(32, 16, 32, seed=3)


def test_pruning_settings():
    made = pruning_from("wanda", 0.4, "free", "paper", False, "uniform")
    assert made == PruneConfig("wanda", 0.4, None, "paper", False)
    assert pruning_from("sparsegpt", 0.4, "4:8", "reference", True, "uniform").target == 0.5
    made = pruning_from("structured", 0.3, "free", "reference", True, "global")
    assert made == PruneConfig("structured", 0.3, allocation="global")
    assert calibration_from(16.0) == CalibrationConfig(samples=16)


def settings_or_sentence(make, *values):
    """What make returns, or its refusal as a string; anything but a ValueError fails the test."""
    try:
        return make(*values)
    except ValueError as error:
        return str(error)


@given(st.lists(ANYTHING, min_size=8, max_size=8))
def test_any_decoding_values_give_settings_or_a_sentence(values):
    made = settings_or_sentence(decoding_from, *values)
    assert isinstance(made, DecodeConfig) or " " in made


METHOD = st.sampled_from(METHODS) | ANYTHING


@pytest.mark.parametrize("method", METHODS)
def test_the_largest_sparsity_offered_is_allowed(method):
    assert pruning_from(method, sparsity_bound(method), "free", "reference", True, "uniform").method == method
    with pytest.raises(ValueError, match="sparsity"):
        pruning_from(method, sparsity_bound(method) + 0.05, "free", "reference", True, "uniform")


@pytest.mark.parametrize("pattern", ["2:4", "4:8"])
def test_a_pattern_decides_the_sparsity_whatever_the_slider_says(pattern):
    made = [pruning_from("wanda", sparsity, pattern, "reference", True, "uniform") for sparsity in (0.3, 0.9)]
    assert made[0] == made[1]
    assert made[0].sparsity == 0.5


def test_structured_methods_know_no_pattern():
    with pytest.raises(ValueError, match="whole channels and heads"):
        pruning_from("structured", 0.5, "2:4", "reference", True, "uniform")


@given(st.tuples(METHOD, ANYTHING, st.just("free") | ANYTHING, ANYTHING, ANYTHING, st.just("global") | ANYTHING))
def test_any_pruning_values_give_settings_or_a_sentence(values):
    made = settings_or_sentence(pruning_from, *values)
    assert 0 <= made.sparsity <= 0.9 if isinstance(made, PruneConfig) else " " in made


@given(ANYTHING)
def test_any_number_of_sequences_is_bounded(samples):
    made = settings_or_sentence(calibration_from, samples)
    assert 1 <= made.samples <= 64 if isinstance(made, CalibrationConfig) else "from 1 to 64" in made


def test_a_refusal_is_shown_as_text():
    with pytest.raises(gr.Error) as shown, in_words():
        raise ValueError("not <b>this</b>")
    assert "<b>" not in shown.value.message

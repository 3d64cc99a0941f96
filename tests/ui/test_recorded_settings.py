"""The settings of recorded runs, as the controls of "How it writes" hold them."""

from dataclasses import asdict

import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.recorded.presets import load_presets
from sinkprune.ui.inputs import check_offered, decoding_from
from sinkprune.ui.sections.recorded_settings import recorded_values, settings_words


def trace(lanes=2, **settings) -> dict:
    return {"lanes": [{}] * lanes, "settings": {**asdict(DecodeConfig(64, 16, 64)), **settings}}


@pytest.mark.parametrize("preset", load_presets(), ids=lambda preset: preset.name)
def test_using_the_settings_of_a_recorded_run_writes_as_it_was_written(preset):
    values = recorded_values(preset.trace)
    assert values.pop("both") == (len(preset.trace["lanes"]) > 1)
    check_offered(values)
    config = decoding_from(**values)
    recorded = preset.trace["settings"]
    unused = {"steps"} if config.threshold is not None else set()
    assert {name: getattr(config, name) for name in recorded if name not in unused} == {
        name: value for name, value in recorded.items() if name not in unused
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "64 tokens in blocks of 16, one token a step"),
        ({"threshold": 0.9, "cache": "dual"}, "all tokens above a confidence of 0.9, dual cache"),
        (
            {"factor": 1.5, "cache": "sparse", "retention": 0.5},
            "the factor 1.5 allows, sparse cache with 50 % of the keys",
        ),
        ({"temperature": 0.7, "seed": 3}, "one token a step, temperature 0.7, seed 3"),
    ],
)
def test_settings_in_words(settings, words):
    assert settings_words(recorded_values(trace(**settings))).endswith(words)


def test_settings_that_a_recording_lacks_are_the_defaults_and_others_are_left_alone():
    recorded = trace(1, controls=True)
    del recorded["settings"]["cfg_scale"]
    values = recorded_values(recorded)
    assert (values["cfg_scale"], values["both"]) == (0.0, False)

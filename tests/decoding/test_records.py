"""DecodeConfig says in a sentence what does not fit."""

import pytest

from sinkprune.decoding import DecodeConfig


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gen_length": 100}, "block_length 32 must divide gen_length 100: use 96 or 128"),
        ({"gen_length": 20}, "use 32"),
        ({"gen_length": 0}, "at least 1"),
        ({"block_length": 0}, "at least 1"),
        ({"steps": 30}, "steps 30 must be a multiple of the 4 blocks: use 32"),
        ({"steps": 0}, "use 4"),
        ({"threshold": 0.9, "factor": 1.0}, "set one of them"),
        ({"threshold": 1.5}, "probability"),
        ({"threshold": 0.0}, "probability"),
        ({"factor": 0.0}, "above 0"),
        ({"cache": "dull"}, "none, prefix, dual"),
        ({"remasking": "worst"}, "low_confidence, random"),
        ({"temperature": -1.0}, "between 0 and 5"),
        ({"temperature": float("nan")}, "between 0 and 5"),
        ({"seed": -1}, "whole number"),
    ],
)
def test_settings_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        DecodeConfig(**arguments)

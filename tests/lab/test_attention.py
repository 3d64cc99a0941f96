import base64

import numpy as np
import pytest
import torch

from sinkprune.lab.attention import encoded_map
from sinkprune.sinks import attention_map

IDS = [4, 9, 12, 5, 3]


def decoded(answer: dict) -> np.ndarray:
    size = answer["length"]
    return (np.frombuffer(base64.b64decode(answer["map"]), np.uint8).reshape(size, size) / 255) ** 2


@pytest.mark.parametrize(("layer", "head"), [(None, None), (1, None), (None, 2), (0, 3)])
@pytest.mark.parametrize("causal", [False, True])
def test_the_map_is_the_engines_to_within_quantisation(loaded, layer, head, causal):
    weights = decoded(encoded_map({"tiny": loaded}.get, "tiny", IDS, layer, head, causal))
    exact = attention_map(loaded, torch.tensor([IDS]), layer, head, causal).numpy()
    assert np.abs(np.sqrt(weights) - np.sqrt(exact)).max() <= 0.51 / 255
    assert weights.sum(1) == pytest.approx(1, abs=0.02)
    assert (np.triu(weights, 1) == 0).all() == causal


@pytest.mark.parametrize(
    ("request_part", "sentence"),
    [
        ({"model": "gone"}, "no longer in memory"),
        ({"model": ["tiny"]}, "no longer in memory"),
        ({"ids": []}, "2 to 256"),
        ({"ids": [4] * 257}, "2 to 256"),
        ({"ids": "4,5"}, "2 to 256"),
        ({"ids": [4, 64]}, "from 0 to 63"),
        ({"ids": [4, -1]}, "from 0 to 63"),
        ({"ids": [4, 5.0]}, "from 0 to 63"),
        ({"ids": [4, True]}, "from 0 to 63"),
        ({"layer": 2}, "layer must be a whole number from 0 to 1"),
        ({"layer": "0"}, "layer must be"),
        ({"head": -1}, "head must be a whole number from 0 to 3"),
        ({"head": {}}, "head must be"),
    ],
)
def test_hostile_requests_are_refused_in_words(loaded, request_part, sentence):
    request = {"model": "tiny", "ids": IDS, "layer": 0, "head": 0} | request_part
    with pytest.raises(ValueError, match=sentence):
        encoded_map({"tiny": loaded}.get, **request)

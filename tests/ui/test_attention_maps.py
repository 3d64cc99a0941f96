import base64

import numpy as np
import pytest
import torch

from sinkprune.sinks import attention_map
from sinkprune.ui.server.attention_maps import answer_map_question

IDS = [4, 9, 12, 5, 3]


def decoded(answer: dict) -> np.ndarray:
    size = answer["length"]
    return (np.frombuffer(base64.b64decode(answer["map"]), np.uint8).reshape(size, size) / 255) ** 2


@pytest.mark.parametrize(("layer", "head"), [(None, None), (1, None), (None, 2), (0, 3)])
@pytest.mark.parametrize("causal", [False, True])
def test_the_map_is_the_engines_to_within_quantisation(loaded, layer, head, causal):
    weights = decoded(
        answer_map_question(
            {"tiny": loaded}.get, {"model": "tiny", "ids": IDS, "layer": layer, "head": head, "causal": causal}
        )
    )
    exact = attention_map(loaded, torch.tensor([IDS]), layer, head, causal).numpy()
    assert np.abs(np.sqrt(weights) - np.sqrt(exact)).max() <= 0.51 / 255
    assert weights.sum(1) == pytest.approx(1, abs=0.02)
    assert (np.triu(weights, 1) == 0).all() == causal


@pytest.mark.parametrize(
    ("question_part", "sentence"),
    [
        ({"model": "gone"}, "no longer in memory"),
        ({"model": ["tiny"]}, "no longer in memory"),
        ({"ids": []}, "1 to 256"),
        ({"ids": [4] * 257}, "1 to 256"),
        ({"ids": "4,5"}, "1 to 256"),
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
def test_hostile_requests_are_refused_in_words(loaded, question_part, sentence):
    question = {"model": "tiny", "ids": IDS, "layer": 0, "head": 0} | question_part
    with pytest.raises(ValueError, match=sentence):
        answer_map_question({"tiny": loaded}.get, question)


@pytest.mark.parametrize("question", [None, [], "tiny", {}])
def test_what_is_no_question_is_refused_in_words(loaded, question):
    with pytest.raises(ValueError, match=r"a question for|no longer in memory"):
        answer_map_question({"tiny": loaded}.get, question)

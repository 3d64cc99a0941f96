"""Two-layer random models, calibration ids, and the golden data made with the official code on tests/fixtures/tiny-llada."""

import numpy as np
import pytest
import torch

from sinkprune.models import LoadedModel
from tests.tiny_models import FIXTURES, VOCABULARY, make_tiny


def two_layers(family: str = "llama", seed: int = 0, **config) -> LoadedModel:
    return make_tiny(family, seed, **{"num_hidden_layers": 2} | config)


def random_ids(samples: int = 6, length: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randint(4, VOCABULARY, (samples, length), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def make_model():
    return two_layers


@pytest.fixture(scope="session")
def make_ids():
    return random_ids


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    """Official results at 50 %: `METHOD/zeros/LINEAR` are packed bits, the rest is named after what it is."""
    with np.load(FIXTURES / "pruning" / "golden.npz") as arrays:
        return dict(arrays)

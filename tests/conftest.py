"""What all tests share: tiny random models by fixture, and the tiny models in the original layouts."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from sinkprune.models import LoadedModel, load_model
from tests.tiny_models import FIXTURES, make_tiny, save_tiny

settings.register_profile("sinkprune", deadline=None)  # a busy machine is no failure
settings.load_profile("sinkprune")
torch.set_num_threads(1)  # models this small only lose by sharing a forward between threads


@pytest.fixture(scope="session")
def tiny():
    """make_tiny, remembering what it made: the models are read-only, as every loaded model is."""
    made = {}

    def get(family: str = "llama", **options) -> LoadedModel:
        key = (family, *sorted(options.items()))
        if key not in made:
            made[key] = make_tiny(family, **options)
        return made[key]

    return get


@pytest.fixture(scope="session")
def llada() -> LoadedModel:
    """The tiny model in the original LLaDA layout."""
    return load_model(FIXTURES / "tiny-llada")


@pytest.fixture(scope="session")
def dream() -> LoadedModel:
    """The tiny model in the original Dream layout."""
    return load_model(FIXTURES / "tiny-dream")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A folder with a tiny random model that reads letters."""
    folder = tmp_path_factory.mktemp("model")
    save_tiny(folder)
    return folder

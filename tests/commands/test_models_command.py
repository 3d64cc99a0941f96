"""models: a line for every known model, and a sentence where there is no such device."""

import pytest
import torch

from sinkprune.cli import main
from sinkprune.models import MODELS


def test_every_known_model_has_its_line(capsys):
    assert main(["models", "--quantize", "nf4", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for info in MODELS.values():
        (line,) = [line for line in lines if line.startswith(info.name + " ")]
        assert ("another engine" in line) == bool(info.refusal)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said(capsys):
    assert main(["models", "--device", "cuda"]) == 2
    assert "no GPU" in capsys.readouterr().err

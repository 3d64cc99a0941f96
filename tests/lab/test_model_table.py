"""The known models as rows: the verdict follows from the memory there is, and nothing is fetched."""

import huggingface_hub
import pytest
import torch

from sinkprune.lab import model_table
from sinkprune.lab.model_table import GIB, KINDS, model_rows
from sinkprune.models import MODELS

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    for name in ("hf_hub_download", "snapshot_download"):
        monkeypatch.setattr(huggingface_hub, name, lambda *_, **__: pytest.fail("the hub was asked"))


def rows_with(monkeypatch, gib, quantize=None, device=GPU):
    monkeypatch.setattr(model_table, "free_memory", lambda _: int(gib * GIB))
    return {row.info.name: row for row in model_rows(quantize, device)}


def test_every_model_has_a_row_and_a_reason_where_it_does_not_run(monkeypatch):
    rows = rows_with(monkeypatch, 80)
    assert rows.keys() == MODELS.keys()
    for row in rows.values():
        assert row.verdict in KINDS
        assert row.why or row.loads
        assert (row.needs is None) == bool(row.info.refusal)


@pytest.mark.parametrize(
    ("gib", "quantize", "verdict"),
    [
        (80, None, "fits"),
        (20, None, "runs"),
        (10, None, "large"),
        (10, "int8", "runs"),
        (7, "int8", "large"),
        (7, "nf4", "runs"),
    ],
)
def test_an_8_b_model_by_the_memory_there_is(monkeypatch, gib, quantize, verdict):
    row = rows_with(monkeypatch, gib, quantize)["llada-8b-instruct"]
    assert row.verdict == verdict
    assert row.loads == (verdict != "large")
    if verdict == "large":
        assert f"{gib:.1f} GiB free" in row.why


def test_numbers_of_the_bundled_model_are_its_own(monkeypatch, tiny):
    row = rows_with(monkeypatch, 80)["bundled"]
    assert row.needs[0] * GIB == pytest.approx(2 * row.info.parameters * 1e9, rel=0.02)
    assert row.needs[1] < 2 * row.needs[0]


def test_a_slow_machine_is_said_to_be_slow(monkeypatch):
    rows = rows_with(monkeypatch, 80, device=CPU)
    assert "takes minutes" in rows["dream-7b-instruct"].why
    assert "takes minutes" not in rows["qwen3-0.6b-diffusion"].why

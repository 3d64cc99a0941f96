"""The comparison that the page opens with: it comes back as it was recorded, is checked when read, and is the bundled model's."""

import gzip
import json

import pytest
import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.models import load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.pruning import METHODS, CalibrationConfig
from sinkprune.recorded import comparison as module
from sinkprune.recorded.comparison import MAX_BYTES, PATH, load_comparison, record_comparison, write_comparison
from sinkprune.recorded.presets import load_presets
from sinkprune.ui.inputs import COPY, DECODING, request_from

SHORT = DecodeConfig(gen_length=8, block_length=4, steps=8)


@pytest.fixture(scope="module")
def found(loaded):
    return record_comparison(loaded, "the sun is", SHORT, calibration=CalibrationConfig(samples=2, length=16))


@pytest.fixture(scope="module")
def path(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "comparison.json.gz"
    write_comparison(found, path)
    return path


def test_it_comes_back_as_it_was_recorded(found, path):
    again = load_comparison(path)
    assert again.comparison.as_markdown() == found.comparison.as_markdown()
    assert again.trace == found.trace
    assert again.methods == found.methods
    assert (again.request.decoding, again.request.pruning) == (found.request.decoding, found.request.pruning)


def test_every_method_is_there_and_the_compared_copy_is_the_same_in_both(found):
    assert found.methods[0].method == "dense"
    assert {row.method for row in found.methods} == {"dense", *METHODS}
    copy = next(row for row in found.methods if row.method == found.request.pruning.method)
    assert copy.text == found.trace["lanes"][1]["text"]
    assert copy.forwards == found.comparison.pruned.forwards


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stored: stored.pop("weights"),
        lambda stored: stored["methods"][0].pop("text"),
        lambda stored: stored["methods"].pop(0),
        lambda stored: stored["comparison"].pop("agreement"),
        lambda stored: stored["comparison"].update(agreement="much"),
        lambda stored: stored["comparison"]["dense"].pop("device"),
        lambda stored: stored["pruning"].update(method="unknown"),
        lambda stored: stored["trace"]["lanes"].pop(),
        lambda stored: stored["trace"]["lanes"][0]["packed"].update(data="AAAA"),
    ],
)
def test_a_damaged_file_is_refused_with_the_command(path, tmp_path, spoil):
    stored = json.loads(gzip.decompress(path.read_bytes()))
    spoil(stored)
    damaged = tmp_path / "comparison.json.gz"
    damaged.write_bytes(gzip.compress(json.dumps(stored).encode()))
    with pytest.raises(ValueError, match=r"comparison\.json\.gz is damaged .*recorded\.comparison"):
        load_comparison(damaged)


def test_nothing_recorded_is_nothing(tmp_path):
    assert load_comparison(tmp_path / "none.json.gz") is None


def test_what_does_not_fit_is_refused(found, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="record a shorter answer"):
        write_comparison(found, tmp_path / "large.json.gz")


@pytest.mark.bundled
def test_the_shipped_comparison_is_of_the_bundled_model_at_the_pages_settings():
    shipped = load_comparison()
    assert PATH.stat().st_size <= MAX_BYTES
    prompt = load_presets()[0].trace["prompt"]
    assert shipped.request.key == request_from({"prompt": prompt, **DECODING, **COPY}, "bundled").key
    dtype = getattr(torch, shipped.comparison.dense.dtype)
    assert shipped.weights == weights_fingerprint(load_model("bundled", dtype=dtype))

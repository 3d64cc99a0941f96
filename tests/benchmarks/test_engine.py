import pytest

from sinkprune.benchmarks.engine import (
    as_text,
    decoding_times,
    encoding_ms,
    forward_times,
    pruning_times,
    quantised_times,
)
from sinkprune.benchmarks.product_floor import product_floors
from sinkprune.models import encode_prompt
from sinkprune.pruning import METHODS, STRUCTURED, CalibrationConfig

# A structured cut of a tiny model is as exact as whole heads and channels allow.
SLACK = {method: 0.1 if method in STRUCTURED else 0.01 for method in METHODS}


def test_the_floor_counts_how_often_a_method_reads_the_text(loaded):
    floors = product_floors(loaded, tokens=1024)
    assert set(floors) == set(METHODS)
    once = floors["structured"]
    assert floors["magnitude"] == 0 < once
    assert floors["sink-wanda"] == pytest.approx(9 * once)
    assert floors["sink-sparsegpt"] > floors["sparsegpt"] == floors["wanda"] > 0


@pytest.mark.parametrize("section", ["forward", "decoding", "pruning", "quantised"])
def test_the_table_shows_what_was_measured(loaded, section):
    prompt_ids = encode_prompt(loaded, "why do stars shine ?")
    measured = {
        "forward": lambda: forward_times({"float32": loaded}, prompt_ids, 6, rounds=1),
        "decoding": lambda: decoding_times(loaded, prompt_ids, 6, rounds=1),
        "pruning": lambda: pruning_times(loaded, CalibrationConfig(samples=2, length=8)),
        "quantised": lambda: quantised_times(loaded, CalibrationConfig(samples=2, length=8), prompt_ids, 6, rounds=1),
    }[section]()
    facts = {
        "model": "tiny",
        "dtype": "float32",
        "device": "cpu",
        "threads": 1,
        "torch": "x",
        "canvas": 11,
        "load": 0.1,
    }
    result = {
        **facts,
        "samples": 2,
        "forward": {},
        "decoding": {},
        "pruning": {},
        "quantised": {},
        "encoding_ms": 0.1,
        section: measured,
    }
    text = as_text(result)
    assert all(name in text for name in measured)
    if section == "decoding":
        assert measured["plain"]["forwards"] == 6
        assert all(row["forwards"] <= 6 and row["tokens"] <= 6 for row in measured.values())
    if section == "pruning":
        assert list(measured) == list(METHODS)
        assert all(row["sparsity"] == pytest.approx(0.5, abs=SLACK[method]) for method, row in measured.items())
        assert all(phase in text for row in measured.values() for phase in row["phases"])
        assert "sinks" in measured["sink-wanda"]["phases"]
        assert "sinks" not in measured["wanda"]["phases"]
    if section == "quantised":
        assert measured["nf4"]["mib"] < measured["int8"]["mib"] < measured["as it is"]["mib"]
        assert all(row["sparsity"] >= measured["as it is"]["sparsity"] for row in measured.values())
        assert all(row["forward_ms"] > 0 for row in measured.values())
    if section == "forward":
        row = measured["float32"]
        assert row["overhead"] == pytest.approx(row["recorded_ms"] / row["forward_ms"] - 1)


def test_encoding_is_measured(loaded):
    assert 0 < encoding_ms(loaded, encode_prompt(loaded, "the sun"), 6, rounds=2) < 1000


def test_phases_add_up_and_no_wait_is_longer_than_its_phase(loaded):
    for row in pruning_times(loaded, CalibrationConfig(samples=2, length=8)).values():
        assert sum(row["phases"].values()) == pytest.approx(row["seconds"], rel=0.2, abs=0.01)
        assert 0 < row["longest_wait"] <= max(*row["phases"].values(), row["seconds"] - sum(row["phases"].values()))


def test_pruning_alone_needs_no_other_section(loaded):
    pruning = pruning_times(loaded, CalibrationConfig(samples=2, length=8))
    facts = {"model": "tiny", "dtype": "float32", "device": "cpu", "threads": 1, "torch": "x"}
    text = as_text({**facts, "samples": 2, "load": 0.1, "pruning": pruning, "quantised": {}})
    assert "2 x 128" in text
    assert "decoding" not in text

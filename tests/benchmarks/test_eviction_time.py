"""The timing of the sparse cache: that it runs on a tiny model, what it writes, and the table that ships."""

import pytest

from sinkprune.benchmarks.eviction import measure
from sinkprune.recorded.eviction_times import load_times, times_table
from tests.tiny_models import make_tiny


def test_every_retention_is_timed_beside_the_whole_cache():
    rows = measure(make_tiny(), (64,), rounds=2)
    assert [row["retention"] for row in rows] == [1.0, 0.5, 0.25, 0.125, 0.0, None]
    assert [row["touched"] for row in rows] == [1.0, 0.75, 0.625, 0.5625, 0.5, 1.0]
    assert rows[0]["ratio"] == 1
    assert all(row["cpu"] > 0 and row["wall"] > 0 for row in rows)


def test_the_shipped_times_are_of_the_bundled_model():
    found = load_times()
    assert found["model"] == "bundled"
    assert {row["canvas"] for row in found["rows"]} == {128, 256, 512, 1024}
    table = times_table(found).splitlines()
    assert len(table) == 2 + 2 + 4
    assert table[-1].startswith("| 1024 |")
    shortest = min(found["rows"], key=lambda row: (row["canvas"], row["touched"]))
    assert shortest["touched"] == pytest.approx(32 / 128)

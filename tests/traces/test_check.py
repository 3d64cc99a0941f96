"""Reading a trace file: packed or not, bounded while it is unpacked, and refused with a sentence where it is no trace that can be shown."""

import copy
import gzip
import json
import tracemalloc

import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.models import load_model
from sinkprune.traces import check
from sinkprune.traces.check import read_trace, trace_text
from sinkprune.traces.runs import finish, trace_run


@pytest.fixture(scope="module")
def trace(model_folder):
    return finish(trace_run(load_model(model_folder), "why", DecodeConfig(8, 8, 8), ["dlm"]))


def test_a_packed_trace_is_the_same_trace(trace):
    text = trace_text(trace)
    for content in (text, text.encode(), gzip.compress(text.encode())):
        assert read_trace(content) == json.loads(text)


def test_a_small_file_that_unpacks_to_gigabytes_costs_no_more_than_the_bound():
    bomb = gzip.compress(b" " * 2**20) * 2000  # two gigabytes in two megabytes
    tracemalloc.start()
    with pytest.raises(ValueError, match="larger than 64 MB"):
        read_trace(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * check.MAX_BYTES


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-20], lambda b: b[:40], lambda b: b[:30] + b"\xff" * 30 + b[60:], lambda b: b[:2]]
)
def test_a_damaged_packed_file_is_a_sentence(trace, spoil):
    with pytest.raises(ValueError, match=r"gzip|not JSON"):
        read_trace(spoil(gzip.compress(trace_text(trace).encode())))


@pytest.mark.parametrize(
    "place",
    [
        ("prompt",),
        ("run",),
        ("model", "name"),
        ("lanes", 0, "title"),
        ("lanes", 0, "text"),
        ("lanes", 0, "tokens", 0),
        ("settings", "seed"),
    ],
)
def test_half_characters_anywhere_are_refused(trace, place):
    spoilt = copy.deepcopy(trace)
    part = spoilt
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = "a\ud800"
    with pytest.raises(ValueError, match=r"\w"):
        read_trace(json.dumps(spoilt))


@pytest.mark.parametrize("settings", [{"a": "x" * 30_000}, {"a": [[]] * 9000}, [], "x"])
def test_settings_are_bounded(trace, settings):
    with pytest.raises(ValueError, match="settings"):
        read_trace(json.dumps(trace | {"settings": settings}))


def test_tokens_that_no_forward_predicted_are_checked(trace):
    def with_filled(filled):
        spoilt = copy.deepcopy(trace)
        spoilt["lanes"][0]["frames"][-1]["filled"] = filled
        return json.dumps(spoilt)

    read_trace(with_filled([[9, 2, "."]]))
    for filled in ("x", [[9, 2]], [[999, 2, "."]], [[9, 2, 3]], [[9, 2, "."]] * 99):
        with pytest.raises(ValueError, match="filled"):
            read_trace(with_filled(filled))

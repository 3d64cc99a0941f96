"""The comparison behind the button, without a browser: what the page gets, what the link promises, and another model meanwhile."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from sinkprune.models import LoadedModel
from sinkprune.ui.inputs import COPY, DECODING
from sinkprune.ui.sections.compare import _cancelled, _compare
from sinkprune.ui.server.links import read_link
from sinkprune.ui.server.workbench import Workbench
from tests.tiny_bench import tiny_bench
from tests.word_model import tiny_model

PROMPT = "why do stars shine ?"
CHOICES = COPY | {"method": "wanda", "samples": 8} | DECODING | {"gen_length": 32, "prompt": PROMPT}


@pytest.fixture
def bench(tmp_path):
    return tiny_bench(tmp_path)


def press(bench: Workbench, linked: str | None = None, meanwhile=lambda: None) -> dict:
    """The last value that each output got from one press; meanwhile: happens when the first line of progress is shown."""
    last = {}
    for number, update in enumerate(_compare(bench, CHOICES | {"linked": linked})):
        if number == 0:
            meanwhile()
        last |= update
    return last


def test_a_press_ends_with_a_card_a_pin_and_a_link_that_gives_the_same(bench):
    shown = press(bench)
    pin, trace = shown["pinned"], shown["shown"]
    assert "Done" in shown["status"]
    assert all(lane["done"] for lane in trace["lanes"])
    assert "Forward passes" in shown["card"]
    assert pin["id"] == trace["run"]
    assert pin["query"].startswith(f"{trace['query']}&expect=")
    link = read_link(dict(parse_qsl(pin["query"].removeprefix("?"))))
    assert link.values == CHOICES
    assert link.model == "own"  # the bench's model is a folder, whose name is nobody else's business
    assert all(part not in pin["query"] for part in Path(bench.name).parts[1:])
    for lane, answer in zip(trace["lanes"], pin["answers"], strict=True):
        written = {entry[0]: entry[1] for frame in lane["frames"] for entry in frame["committed"]}
        assert answer["ids"] == [written[position] for position in sorted(written)][: len(answer["ids"])]
    again = press(bench, linked=pin["query"])
    assert "Same as in the link" in again["status"]
    assert again["pinned"]["query"] == pin["query"]
    assert again["pinned"]["id"] != pin["id"]
    assert "Not the same" in press(bench, linked=trace["query"] + "&expect=000000000000")["status"]


def test_a_run_ends_with_the_model_it_began_with(bench, monkeypatch):
    expected, begun, other = press(bench)["pinned"]["query"], bench.loaded, tiny_model(1)
    present: list[LoadedModel] = [begun]
    monkeypatch.setattr(Workbench, "loaded", property(lambda bench: present[0]))
    shown = press(bench, meanwhile=lambda: present.__setitem__(0, other))
    assert shown["pinned"]["query"] == expected


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        (None, "Nothing was written."),
        ({"lanes": [{"done": True}, {"done": True}]}, "What is below was written before."),
        ({"lanes": [{"done": True}, {"done": False}]}, "What was written so far stays."),
    ],
)
def test_a_cancelled_comparison_says_whose_texts_stand_below(trace, said):
    assert said in _cancelled(trace)["status"]

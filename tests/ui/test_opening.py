"""What a link does to the page's controls, without a browser."""

from types import SimpleNamespace
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.ui.opening import another_model, open_links
from sinkprune.ui.sections.compare import _as_linked
from sinkprune.ui.sections.copy_controls import copy_controls, copy_updates
from sinkprune.ui.sections.decoding_controls import decoding_controls
from sinkprune.ui.server.links import comparison_link

SETTINGS = ("a <b>star</b>", DecodeConfig(64, 32, 64, factor=2.0), PruneConfig("structured", 0.6), CalibrationConfig(8))
LINK = comparison_link("bundled", *SETTINGS, "0123456789ab")


@pytest.fixture
def opened():
    """opened(query, model): what the controls of a page that runs this model are set to."""
    bench = SimpleNamespace(public_name=None)
    with gr.Blocks() as page:
        with gr.Tabs() as tabs:
            pass
        decoding, copy = decoding_controls(), copy_controls(None)
        open_links(page, bench, gr.HTML(), tabs, gr.Textbox(), gr.Checkbox(), decoding, copy, gr.State())
    load = next(event for event in page.fns.values() if event.targets[0][1] == "load")

    def call(query, model="bundled"):
        bench.public_name = model
        return load.fn(SimpleNamespace(query_params=dict(parse_qsl(query.removeprefix("?")))))

    return call


def test_a_link_sets_every_control_and_is_remembered(opened):
    said, tabs, prompt, both, *values, linked = opened(LINK)
    assert said == ""
    assert both == gr.skip()
    assert tabs.selected == "compare"
    assert prompt == SETTINGS[0]
    assert values[:8] == [64, 32, "factor", 0.9, 2.0, "none", 0.0, 0]
    assert values[8] == "structured"
    assert (values[9].value, values[9].maximum) == (0.6, 0.7)
    assert linked == LINK


def test_no_link_leaves_everything_alone(opened):
    said, *updates, linked = opened("")
    assert said == ""
    assert linked is None
    assert all(update == gr.skip() for update in updates)


def test_a_link_made_with_another_model_is_said_and_promises_nothing_of_this_one(opened):
    said, tabs, prompt, *_, linked = opened(LINK, model="llada-8b-base")
    assert "made with bundled, and this page runs llada-8b-base" in said
    assert "nothing was started" in said
    assert (tabs.selected, prompt) == ("compare", SETTINGS[0])
    assert _as_linked(comparison_link("llada-8b-base", *SETTINGS, "0123456789ab"), linked) == ""


def test_a_link_that_names_no_model_is_read_for_the_present_one(opened):
    said, *_, linked = opened(LINK.replace("model=bundled&", ""))
    assert (said, linked) == ("", LINK)


@pytest.mark.parametrize(
    ("asked", "present", "words"),
    [
        (None, "bundled", None),
        ("bundled", "bundled", None),
        ("bundled", "bundled (int8)", "made with bundled, and this page runs bundled (int8)"),
        ("own", "bundled", "made with a model that links do not name, and this page runs bundled"),
        ("bundled", "own", "made with bundled, and this page runs one of its owner's"),
        ("own", "own", "such a one too, perhaps another"),
    ],
)
def test_another_model_is_said_in_one_sentence(asked, present, words):
    sentence = another_model(asked, present)
    assert bool(sentence) == (words is not None)
    assert words is None or (words in sentence and sentence.count(".") == 1)


def test_a_bad_link_is_refused_as_text_and_changes_nothing(opened):
    said, *updates = opened("?tab=compare&prompt=star&method=<img>")
    assert "method must be one of" in said
    assert "<img" not in said
    assert all(update == gr.skip() for update in updates)


def test_updates_follow_the_method():
    assert copy_updates(["wanda", 0.9, "2:4", "paper", False, "uniform", 16])[1].maximum == 0.9
    assert copy_updates(["structured", 0.1, "free", "paper", False, "uniform", 16])[2].interactive is False


def test_a_run_is_compared_with_its_own_link_only():
    other = comparison_link("bundled", "another prompt", *SETTINGS[1:], "0123456789ab")
    assert _as_linked(LINK, LINK).startswith("Same as")
    assert _as_linked(comparison_link("bundled", *SETTINGS, "ffffffffffff"), LINK).startswith("Not the same")
    assert _as_linked(LINK, other) == _as_linked(LINK, None) == ""

"""What a link does to the page's controls, without a browser."""

from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qsl, quote

import gradio as gr
import pytest

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.request import Request
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.traces.touch import Edit, Touch
from sinkprune.ui.inputs import COPY
from sinkprune.ui.opening import another_model, open_links
from sinkprune.ui.sections.compare import _as_linked
from sinkprune.ui.sections.copy_controls import copy_controls, copy_updates, sparsity_slider
from sinkprune.ui.sections.decoding_controls import decoding_controls
from sinkprune.ui.server.links import link_to

SETTINGS = ("a <b>star</b>", DecodeConfig(64, 32, 64, factor=2.0), PruneConfig("structured", 0.6), CalibrationConfig(8))
ASKED = Request("bundled", *SETTINGS)
LINK = link_to(ASKED, "0123456789ab")


@pytest.fixture
def opened():
    """opened(query, model): what the controls of a page that runs this model are set to."""
    bench = SimpleNamespace(public_name=None)
    with gr.Blocks() as page:
        with gr.Tabs() as tabs:
            pass
        said, linked = gr.HTML(), gr.State()
        recorded, decoding = decoding_controls()
        controls = {"prompt": gr.Textbox(), **recorded, **decoding, **copy_controls()[0]}
        open_links(page, bench, said, tabs, controls, linked, touched := gr.State(), ["drift"])
    load = next(event for event in page.fns.values() if event.targets[0][1] == "load")
    names = {component: name for name, component in controls.items()} | {
        said: "said",
        tabs: "tabs",
        linked: "linked",
        touched: "touched",
    }

    def call(query, model="bundled"):
        bench.public_name = model
        updates = load.fn(SimpleNamespace(query_params=dict(parse_qsl(query.removeprefix("?")))))
        return {names[component]: value for component, value in updates.items()}

    return call


def test_a_link_brings_its_touched_token_unless_another_model_wrote_it(opened):
    link = "?tab=whatif&model=bundled&edited_lane=1&edits=" + quote('[[3,20," blue"],[4,21,null]]')
    assert opened(link)["touched"] == Touch(1, (Edit(3, 20, " blue"), Edit(4, 21)))
    assert opened(link, "llada-1.5")["touched"] is None
    assert opened(LINK)["touched"] is None


def test_a_link_sets_every_control_and_is_remembered(opened):
    updates = opened(LINK)
    assert updates["said"] == ""
    assert "both" not in updates
    assert updates["tabs"].selected == "compare"
    assert updates["prompt"] == SETTINGS[0]
    decoding = {"gen_length": 64, "block_length": 32, "rule": "factor", "threshold": 0.9, "factor": 2.0}
    assert {name: updates[name] for name in decoding} == decoding
    assert (updates["cache"], updates["temperature"], updates["seed"]) == ("none", 0.0, 0)
    assert updates["method"] == "structured"
    assert (updates["sparsity"].value, updates["sparsity"].maximum) == (0.6, 0.7)
    assert updates["linked"] == LINK


def test_no_link_leaves_everything_alone(opened):
    assert opened("") == {"said": "", "linked": None, "touched": None}


def test_a_link_made_with_another_model_is_said_and_promises_nothing_of_this_one(opened):
    updates = opened(LINK, model="llada-8b-base")
    assert "made with bundled, and this page runs llada-8b-base" in updates["said"]
    assert "nothing was started" in updates["said"]
    assert (updates["tabs"].selected, updates["prompt"]) == ("compare", SETTINGS[0])
    here = Request("llada-8b-base", *SETTINGS)
    assert _as_linked(link_to(here, "0123456789ab"), updates["linked"]) == ""


def test_a_link_that_names_no_model_is_read_for_the_present_one(opened):
    updates = opened(LINK.replace("model=bundled&", ""))
    assert (updates["said"], updates["linked"]) == ("", LINK)


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
    updates = opened("?tab=compare&prompt=star&method=<img>")
    assert list(updates) == ["said"]
    assert "method must be one of" in updates["said"]
    assert "<img" not in updates["said"]


def test_a_link_to_a_recorded_run_that_is_gone_is_said_as_other_stale_links_are(opened):
    assert opened("?preset=drift")["said"] == ""
    updates = opened("?preset=gone")
    assert list(updates) == ["said"]
    assert "recorded run is not among" in updates["said"]


def test_updates_follow_the_method():
    assert copy_updates(COPY | {"method": "wanda", "sparsity": 0.9, "pattern": "2:4"})["sparsity"].maximum == 0.9
    assert copy_updates(COPY | {"method": "structured", "sparsity": 0.1})["pattern"].interactive is False


def test_the_slider_is_not_live_under_a_pattern_and_says_the_share():
    fixed, free = sparsity_slider("wanda", 0.8, "2:4"), sparsity_slider("wanda", 0.8, "free")
    assert (fixed.value, fixed.interactive, "50 %" in fixed.info) == (0.5, False, True)
    assert (free.value, free.interactive) == (0.8, True)
    assert sparsity_slider("structured", 0.8, "2:4").interactive  # structured methods know no pattern


def test_a_run_is_compared_with_its_own_link_only():
    other = link_to(replace(ASKED, prompt="another prompt"), "0123456789ab")
    assert _as_linked(LINK, LINK).startswith("Same as")
    assert _as_linked(link_to(ASKED, "ffffffffffff"), LINK).startswith("Not the same")
    assert _as_linked(LINK, other) == _as_linked(LINK, None) == ""

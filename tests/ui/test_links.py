"""A link holds every setting of a comparison, and nothing that the page would not take from a visitor."""

import contextlib
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.request import Request
from sinkprune.models import MODELS
from sinkprune.pruning import STRUCTURED, UNSTRUCTURED, CalibrationConfig, PruneConfig
from sinkprune.ui.inputs import COPY, DECODING, copy_from, copy_values, decoding_from, decoding_values, request_from
from sinkprune.ui.server.links import OWN, Link, link_to, preset_link, read_link

RULES = st.sampled_from([{"threshold": 0.87}, {"factor": 1.3}, {}])
DECODINGS = st.builds(
    lambda length, cache, seed, temperature, rule, stop: DecodeConfig(
        length, 32, length, cache=cache, seed=seed, temperature=temperature, stop_at_end=stop, **rule
    ),
    st.sampled_from([32, 64, 96, 128]),
    st.sampled_from(["none", "prefix", "dual"]),
    st.integers(0, 2**31 - 1),
    st.sampled_from([0.0, 0.7]),
    RULES,
    st.booleans(),
)
PRUNINGS = st.one_of(
    st.builds(
        PruneConfig,
        st.sampled_from(UNSTRUCTURED),
        st.sampled_from([0.0, 0.35, 0.9]),
        st.sampled_from([None, (2, 4), (4, 8)]),
        st.sampled_from(["reference", "paper"]),
        st.booleans(),
    ),
    st.builds(
        PruneConfig, st.sampled_from(STRUCTURED), st.floats(0, 0.7), allocation=st.sampled_from(["uniform", "global"])
    ),
)
PROMPTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def query(link: str) -> dict:
    return dict(parse_qsl(link.removeprefix("?"), keep_blank_values=True, strict_parsing=True))


REQUESTS = st.builds(
    Request,
    st.sampled_from([None, "bundled", "llada-1.5"]),
    PROMPTS,
    DECODINGS,
    PRUNINGS,
    st.builds(CalibrationConfig, st.integers(8, 64)),
)


@given(config=DECODINGS, pruning=PRUNINGS, samples=st.integers(8, 64))
def test_controls_give_back_the_settings_they_show(config, pruning, samples):
    assert decoding_from(**decoding_values(config)) == config
    calibration = CalibrationConfig(samples=samples)
    assert copy_from(copy_values(pruning, calibration)) == (pruning, calibration)


@given(REQUESTS)
def test_a_link_gives_back_the_request(asked):
    link = read_link(query(link_to(asked, "0123456789ab")))
    assert (link.tab, link.model, link.expect, link.whole) == ("compare", asked.model or OWN, "0123456789ab", True)
    assert request_from(link.values, asked.model) == asked


@given(prompt=PROMPTS, config=DECODINGS, lanes=st.sampled_from([("dlm",), ("dlm", "ar")]))
def test_a_watched_run_is_linked_with_its_lanes(prompt, config, lanes):
    asked = Request("llada-1.5", prompt, config, lanes=lanes)
    link = read_link(query(link_to(asked)))
    assert (link.tab, link.model, link.whole) == ("watch", "llada-1.5", False)
    assert link.values.keys() == {"prompt", "both", *DECODING}
    assert request_from(link.values, link.model) == asked


@pytest.mark.parametrize("name", [*MODELS, "bundled (int8)", "llada-8b-base (nf4)"])
def test_a_link_names_a_model_of_the_registry(name):
    assert read_link(query(link_to(Request(name, "a star", DecodeConfig(32, 32, 32))))).model == name


def test_a_model_that_is_not_in_the_registry_is_not_named():
    assert read_link(query(link_to(Request(None, "a star", DecodeConfig(32, 32, 32))))).model == OWN


def test_a_recorded_run_is_linked_by_name():
    assert preset_link("fox") == "?preset=fox"
    assert read_link({"preset": "fox", "step": "3"}) == Link()


def test_what_a_link_leaves_out_keeps_the_default():
    assert read_link({}) == Link()
    assert read_link({"utm_source": "mail", "step": "3"}) == Link()
    older = {"stop_at_end": False}  # links that name no such setting were made before it
    assert read_link({"seed": "5"}).values == DECODING | older | {"seed": 5}
    assert read_link({"method": "wanda"}).values == COPY | {"method": "wanda"}


@pytest.mark.parametrize(
    "bad",
    [
        {"tab": "<img src=x>"},
        {"prompt": "x" * 1001},
        {"expect": "zz"},
        {"preset": "../x"},
        {"lanes": "ar"},
        {"model": "/home/me/secret"},
        {"model": "owner/name"},
        {"model": "bundled (int4)"},
        {"model": ""},
        {"gen_length": "1e9"},
        {"gen_length": "48"},
        {"block_length": "nan"},
        {"threshold": "0.01"},
        {"temperature": "inf"},
        {"seed": "-1"},
        {"seed": "half"},
        {"rule": "all"},
        {"cache": "disk"},
        {"method": "delete"},
        {"sparsity": "0.95"},
        {"method": "structured", "sparsity": "0.8"},
        {"sink_weight": "maybe"},
        {"samples": "4"},
        {"samples": "1000"},
        {"edits": ""},
        {"edits": "[[1,"},
        {"edits": "[" * 3000},
        {"edits": "[[0,5]]"},
        {"edits": "[[1,5]]", "edited_lane": "9"},
        {"edits": "null"},
    ],
)
def test_what_the_page_does_not_offer_is_refused_in_words(bad):
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        read_link(bad)


NAMES = st.sampled_from(["tab", "model", "prompt", "expect", *DECODING, *COPY])


@given(st.dictionaries(NAMES, st.text(max_size=8) | st.sampled_from(["nan", "1e400", "-0", "True", "0.5", "32"])))
def test_any_query_is_read_or_refused(values):
    with contextlib.suppress(ValueError):
        assert isinstance(read_link(values), Link)

"""The figures of the sinks in headless Chromium: drawn when seen, for a run and for the prompt set, with words, definition and numbers."""

from __future__ import annotations

import json

import gradio as gr
import pytest
from player_traces import make_trace
from watched_page import watched_page

from sinkprune.recorded.prompt_set import PromptSet
from sinkprune.traces.sink_statistics import layer_statistics, trace_statistics
from sinkprune.traces.stages import trace_stages
from sinkprune.ui.page import LAUNCH
from sinkprune.ui.sections.sink_figures import figure_section

pytestmark = pytest.mark.browser

READY = "role=heading[name='How the sinks moved']"
NAMES = ("trajectory", "variances", "layers", "stages")


@pytest.fixture(scope="module")
def address():
    trace = make_trace()
    lanes = [*trace_statistics(trace), *layer_statistics(trace)]
    recorded = PromptSet(trace["model"], {}, lanes * 3, trace["prompt"], trace_stages(trace))
    with gr.Blocks() as demo:
        gr.HTML("<div style='height: 1800px'></div>")
        figure_section(recorded, trace, gr.State(trace))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
    yield url
    demo.close()


@pytest.fixture(scope="module")
def seen(browser, address):
    """One page whose figures are drawn."""
    page = watched_page(browser)
    page.goto(address)
    see(page)
    yield page
    page.close()
    assert page.problems == []


def see(page):
    page.locator(READY).scroll_into_view_if_needed()
    for name in NAMES:
        page.locator(f"#{name}-figure .js-plotly-plot .main-svg").first.wait_for()


def test_nothing_of_plotly_is_fetched_before_the_figures_are_near(open_page):
    page = open_page()
    page.wait_for_timeout(2500)
    assert page.locator(".js-plotly-plot").count() == 0
    assert not [url for url in page.requests if "lotly" in url]
    see(page)
    assert [url for url in page.requests if "lotly" in url]


def test_every_figure_has_words_a_definition_and_its_numbers(seen):
    page = seen
    for name in NAMES:
        assert "Diffusion" in page.locator(f"#{name}-words").inner_text()
        head = page.locator(f"#{name}-head")
        figure = page.get_by_role("img", name=head.locator("h3").inner_text(), exact=True)
        assert figure.get_attribute("aria-describedby") == f"{name}-words"
        assert not head.locator("details p").first.is_visible()
        head.get_by_text("What is this?").click()
        assert head.locator("details p").first.is_visible()
        with page.expect_download() as waiting:
            head.get_by_role("button", name="CSV").click()
        file = waiting.value
        assert file.suggested_filename == f"sinkprune-{name}.csv"
        assert file.path().read_text().splitlines()[0].split(",")[0] in ("prompt", "lane")
    with page.expect_download() as waiting:
        page.locator("#trajectory-head").get_by_role("button", name="JSON").click()
    numbers = json.loads(waiting.value.path().read_text())
    assert {row["lane"] for row in numbers["rows"]} == {"Diffusion", "Autoregressive"}


def test_the_recorded_prompts_are_one_click_away(seen):
    page = seen
    page.locator("#figures-source").get_by_text("recorded").click()
    page.locator("#trajectory-words").get_by_text("3 prompts").wait_for()
    page.locator("#trajectory-figure .legendtext").get_by_text("Diffusion, mean").wait_for()
    assert "typical prompt" in page.locator("#stages-words").inner_text()
    with page.expect_download() as waiting:
        page.locator("#variances-head").get_by_role("button", name="CSV").click()
    assert len(waiting.value.path().read_text().splitlines()) == 1 + 6


def test_a_phone_needs_no_sideways_scrolling(open_page):
    page = open_page(width=390, scheme="dark")
    see(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

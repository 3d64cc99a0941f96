"""The section on changed attention in headless Chromium: verdicts, a figure, tables; and what it says where nothing was measured."""

from __future__ import annotations

from contextlib import contextmanager

import gradio as gr
import pytest

from sinkprune.recorded.eviction_times import load_times
from sinkprune.recorded.what_if import load_what_if
from sinkprune.ui.page import LAUNCH
from sinkprune.ui.sections.what_if_results import what_if_results_section

pytestmark = pytest.mark.browser

READY = "#what-if-verdicts"
FIGURE = "#what-if-figure .js-plotly-plot .scatterlayer .trace"


@contextmanager
def served(summary, times):
    """The address of a page that holds the section and nothing else."""
    with gr.Blocks() as demo:
        what_if_results_section(summary, times)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
    yield address
    demo.close()


@pytest.fixture(scope="module")
def address():
    with served(load_what_if(), load_times()) as url:
        yield url


def test_verdicts_figure_and_tables_fit_a_phone(open_page):
    page = open_page(width=390, scheme="dark")
    said = page.locator("#what-if-verdicts").inner_text()
    assert "40 % less compute" in said
    assert "Does diffusion survive" in said
    page.locator(FIGURE).nth(7).wait_for(timeout=60_000)
    assert page.locator(".numbers table").first.locator("tbody tr").count() == 7
    page.get_by_role("button", name="in numbers").click()
    page.locator("#what-if-numbers table").last.get_by_text("1024").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_numbers_the_section_says_how_to_measure(open_page):
    with served(None, None) as url:
        assert "python -m sinkprune.recorded.what_if" in open_page(url=url).locator(READY).inner_text()

"""The results tab in headless Chromium, with a made-up table: a paragraph, two figures, tables; and what it says without a table."""

from __future__ import annotations

from contextlib import contextmanager

import gradio as gr
import pytest

from sinkprune.recorded.table_text import findings, verdict
from sinkprune.ui.page import LAUNCH
from sinkprune.ui.sections.results import table_section
from tests.recorded.table_samples import GAINS, made_up_table

pytestmark = pytest.mark.browser

READY = "h2"


@contextmanager
def served(table):
    """The address of a page that holds the section and nothing else."""
    with gr.Blocks() as demo:
        table_section(table)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
    yield address
    demo.close()


@pytest.fixture(scope="module")
def address():
    with served(made_up_table()) as url:
        yield url


def test_findings_figures_and_tables_are_shown(open_page):
    page = open_page()
    verdict_said = page.locator("#verdict").inner_text()
    assert verdict(made_up_table()) in verdict_said
    assert not page.locator("#findings").is_visible()
    page.get_by_role("button", name="Which method").click()
    page.locator("#findings").wait_for()
    said = page.locator("#findings").inner_text()
    assert said.split() == findings(made_up_table()).replace("**", "").split()
    for kind in ("ablation", "official"):
        page.locator(f"#gains-{kind} .js-plotly-plot .scatterlayer .trace").nth(1).wait_for()
        marks = page.locator(f"#gains-{kind} .js-plotly-plot").evaluate(
            "(plot) => [plot.calcdata[0].map((point) => point.y), plot.data[0].marker.symbol]"
        )
        assert marks[0] == pytest.approx(list(GAINS.values()), abs=0.05)
        assert marks[1] == ["circle-open", "circle", "circle"]
    assert page.locator("#verdict tbody tr").count() == len(GAINS)
    assert page.locator(".numbers table").nth(1).locator("tbody tr").count() == 6
    assert page.locator(".modebar").count() == 0 or not page.locator(".modebar").first.is_visible()
    assert page.get_by_text("1.40 x").first.is_visible()
    page.get_by_role("button", name="Every number").click()
    page.locator("#all-numbers table").last.get_by_text("seconds to prune").wait_for()


def test_a_phone_needs_no_sideways_scrolling(open_page):
    page = open_page(width=390, scheme="dark")
    page.locator("#gains-official .js-plotly-plot .scatterlayer .trace").first.wait_for()
    page.get_by_role("button", name="Every number").click()
    page.locator("#all-numbers table").last.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_a_table_the_page_says_how_to_measure_one(open_page):
    with served(None) as url:
        page = open_page(url=url)
        assert "python -m sinkprune.recorded.pruning_table" in page.locator("#verdict").inner_text()
        assert page.locator(".js-plotly-plot").count() == 0

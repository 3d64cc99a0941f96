"""What pruning does to the sinks, in headless Chromium: drawn when seen, for two ways of reading, with words and numbers."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest
from watched_page import watched_page

from sinkprune.pruning import METHODS
from sinkprune.recorded.pruned_sinks import PrunedRivers, PrunedSinks
from sinkprune.ui.page import LAUNCH
from sinkprune.ui.sections.pruned_sinks import pruned_sinks_section

pytestmark = pytest.mark.browser


def made_up() -> PrunedSinks:
    """Every copy moves the sink from position 5: by one when it reads, by ten when it writes."""
    steps, length = 12, 30

    def river(leader):
        shares = np.full((steps, length), 0.5 / (length - 1))
        shares[:, leader] = 0.5
        return shares

    copies = {method: {"read": river(6), "own": river(15)} for method in METHODS}
    rivers = [PrunedRivers(prompt, 8, river(5), copies, {"dense": "<i>fox</i>"}) for prompt in ("one", "<b>two</b>")]
    calibration = {"samples": 4, "length": 16, "seed": 0}
    return PrunedSinks("made-up", {"gen_length": 22, "steps": 22}, calibration, 0.5, rivers)


@pytest.fixture(scope="module")
def address():
    with gr.Blocks() as demo:
        pruned_sinks_section(made_up())
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
    yield url
    demo.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_method_has_a_signed_map(browser, address, width, scheme):
    page = watched_page(browser, viewport={"width": width, "height": 900})
    page.goto(f"{address}?__theme={scheme}")
    plot = page.locator("#pruned-sinks-figure .js-plotly-plot")
    plot.locator(".heatmaplayer").first.wait_for()
    assert plot.evaluate("(plot) => plot._fullData.length") == 1 + len(METHODS)
    assert page.get_by_text("<b>two</b>").is_visible()  # a prompt is text
    page.get_by_text("What each of them wrote").click()
    assert page.get_by_text("<i>fox</i>").is_visible()  # and so is an answer
    said = page.locator("#pruned-sinks-words")
    assert "same leader in 0 % of the steps" in said.inner_text()
    page.get_by_label("its own text").check()
    page.wait_for_function("document.querySelector('#pruned-sinks-figure .js-plotly-plot')._fullData[1].z[15][0] < 0")
    with page.expect_download() as waiting:
        page.locator("#pruned-sinks-head").get_by_role("button", name="CSV").click()
    assert len(waiting.value.path().read_text().splitlines()) == 1 + 12 * (1 + len(METHODS))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert page.problems == []

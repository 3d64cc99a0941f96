"""The tab "Bring your own model" of the real page, which is shared: every known model with its needs, and no way to change the model."""

import pytest
import torch
from watched_page import watched_page

from sinkprune.models import MODELS
from sinkprune.models.placement import default_dtype
from tests.running_app import app_address


@pytest.mark.bundled
def test_known_models_and_what_they_need(browser):
    """On a phone: the tests with axe look at the width of every tab at 1280 too."""
    page = watched_page(browser, viewport={"width": 390, "height": 900}, reduced_motion="reduce")
    page.goto(app_address())
    page.get_by_role("tab", name="Bring your own model").click()
    rows = page.locator("#known-models tbody tr")
    rows.first.wait_for()
    assert rows.count() == len(MODELS)
    llada = rows.filter(has_text="llada-8b-instruct")
    before = llada.inner_text()
    page.get_by_text("nf4 (4 bits)").click()
    page.wait_for_function("text => !document.querySelector('#known-models').innerText.includes(text)", arg=before)
    nf4_gib = {torch.bfloat16: "5.", torch.float32: "7.5"}  # what is not quantised stands in the dtype of this CPU
    assert nf4_gib[default_dtype(torch.bfloat16, torch.device("cpu"))] in llada.inner_text()
    assert page.locator("#own-load").count() == 0
    assert "cannot be changed from the page" in page.locator("#own-status").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.problems == []
    page.close()

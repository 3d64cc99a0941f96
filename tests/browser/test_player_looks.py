"""How the player looks: a phone, both colour schemes, a large run."""

from __future__ import annotations

import pytest
from player_driver import contrast, open_page, settle, state
from player_pages import served_player
from player_traces import make_map, make_trace

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address():
    with served_player(make_map, make_trace(length=160, steps=64, kinds=("dlm", "dlm"), seed=8), {}) as url:
        yield url


def test_a_phone_needs_no_sideways_scrolling(browser, address):
    page = open_page(browser, f"{address}?__theme=dark", viewport={"width": 390, "height": 800}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    chip = page.locator(".sp-lane").first.locator('[data-position="3"]')
    chip.tap()
    settle(page)
    assert state(page)["focus"] == "3"
    page.close()


def test_texts_keep_their_contrast(browser, address):
    """WCAG AA, 4.5:1, for every small text on the page's own surface, in both schemes."""
    for scheme in ("light", "dark"):
        page = open_page(browser, f"{address}?__theme={scheme}")
        for selector in (".sp-stats", ".sp-verdict", ".sp-readout", ".sp-explain", ".sp-field", ".sp-prompt .sp-chip"):
            assert contrast(page, selector) >= 4.5, (scheme, selector)
        page.close()

"""How the player is handled: hints, keys, Space anywhere, projector view, folded end marks, cancelling, terms."""

from __future__ import annotations

import pytest
from player_driver import open_page, press, settle, state, wait_state
from player_pages import served_player
from player_traces import END, make_map, make_trace

pytestmark = pytest.mark.browser

SMALL = {"length": 110, "steps": 12, "layers": 4, "heads": 3, "block": 32}


@pytest.fixture(scope="module")
def address():
    with served_player(make_map, make_trace(**SMALL), {}) as url:
        yield url


def test_hints_name_what_the_visitor_has(browser, address, page):
    hint = page.locator(".sp-hint").first.inner_text()
    assert "Point at a word" in hint
    assert "in the picture" in hint
    phone = open_page(browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert phone.locator(".sp-hint").first.inner_text().startswith("Tap a word")
    phone.context.close()


def test_keys_can_be_seen(page):
    keys = page.locator(".sp-keys")
    assert not keys.is_visible()
    page.get_by_role("button", name="Keys").click()
    keys.wait_for()
    assert "plays and pauses" in keys.inner_text()
    page.keyboard.press("Escape")
    keys.wait_for(state="hidden")


def test_space_plays_when_nothing_else_has_the_focus(page):
    page.evaluate("document.activeElement.blur()")
    press(page, " ")
    wait_state(page, playing="true")
    press(page, " ")
    wait_state(page, playing="false")
    page.locator(".sp-drawn summary").focus()
    press(page, " ")  # closes what has the focus, and plays nothing
    assert page.locator(".sp-drawn[open]").count() == 0
    assert state(page)["playing"] == "false"


def test_projector_view_shows_words_river_and_transport_until_escape(page):
    page.get_by_role("button", name="Projector view").click()
    settle(page)
    assert page.locator(".sp-words").first.is_visible()
    assert page.locator(".sp-river").first.is_visible()
    assert page.locator(".sp-transport").is_visible()
    for selector in (".sp-legend", ".sp-panel", ".sp-verdict", ".sp-drawn"):
        assert not page.locator(selector).first.is_visible()
    width = page.locator(".sp-player").evaluate("(player) => player.getBoundingClientRect().width")
    assert width == pytest.approx(page.evaluate("innerWidth"), abs=16)
    page.keyboard.press("Escape")
    page.wait_for_selector(".sp-player:not([data-projector])")
    page.locator(".sp-panel").first.wait_for()


def test_end_marks_are_one_chip_until_the_switch_opens_them(page):
    page.locator(".sp-player").focus()
    press(page, "End")
    lane = make_trace(**SMALL)["lanes"][0]
    marks = sum(entry[2] == END for frame in lane["frames"] for entry in frame["committed"])
    words = page.locator(".sp-words").first
    chips = words.locator(".sp-chip:not([hidden])")
    assert chips.last.inner_text() == f"∎ × {marks}"
    folded = chips.count()
    page.locator(".sp-fold").uncheck()
    settle(page)
    assert chips.count() == folded + marks - 1
    assert words.locator(".sp-chip", has_text="×").count() == 0


def test_a_film_can_be_cancelled(page):
    page.get_by_text("Share and save").click()
    page.locator(".sp-speed").select_option("2")
    page.get_by_role("button", name="Film").click()
    page.locator(".sp-share-said").get_by_text("Recording").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator(".sp-share-said").get_by_text("Cancelled: nothing is saved.").wait_for()
    assert page.get_by_role("button", name="Film").is_enabled()
    assert not page.get_by_role("button", name="Cancel").is_visible()
    assert state(page)["step"] == "0"


def test_terms_explain_themselves(page):
    for name in ("strongest sink", "model run"):
        term = page.locator(".sp-term").get_by_text(name).first
        term.focus()
        shown = term.evaluate("(element) => getComputedStyle(element, '::after').content")
        assert len(shown) > 30
        assert shown.strip('"') == term.get_attribute("aria-description")

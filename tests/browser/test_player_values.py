"""What the player shows of the values that a page sends it: hostile tokens, a run that grows, a comparison, a cache, nothing, nonsense."""

from __future__ import annotations

import threading

import pytest
from player_driver import press, settle, show, state, wait_state
from player_pages import served_player
from player_traces import HOSTILE, growing, hostile_trace, make_map, make_trace

pytestmark = pytest.mark.browser

SMALL = {"length": 78, "steps": 16, "layers": 4, "heads": 3, "block": 32}


LOOKED_BACK = threading.Event()  # set when the test has gone back a few steps: the stream waits for it half way


def stream():
    parts = list(growing(make_trace(**SMALL, seed=4)))
    for count, part in enumerate(parts):
        if count == len(parts) // 2:
            LOOKED_BACK.wait(300)
        yield part


@pytest.fixture(scope="module")
def address():
    buttons = {
        "hostile": lambda: hostile_trace(**SMALL, seed=2),
        "stream": stream,
        "compare": lambda: make_trace(**SMALL, kinds=("dlm", "dlm"), seed=5),
        "cached": lambda: {**make_trace(**SMALL, kinds=("dlm",), cache=True), "run": "cached"},
        "nothing": lambda: None,
        "broken": lambda: {"format": "sinkprune-trace", "version": 2, "run": "b", "lanes": []},
    }
    with served_player(make_map, make_trace(**SMALL), buttons) as url:
        yield url


def test_hostile_tokens_stay_text(page):
    show(page, "hostile")
    page.locator(".sp-player").focus()
    press(page, "End", "ArrowDown")
    assert page.locator(".sp-chip").nth(4).inner_text() == HOSTILE
    assert HOSTILE in page.locator(".sp-title").first.inner_text()
    assert page.locator(".sp-player img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_a_streamed_run_is_followed_live_and_stays_usable(page):
    show(page, "stream")
    wait_state(page, live="true")
    page.wait_for_function("() => Number(document.querySelector('.sp-player').dataset.step) > 5")
    assert page.locator(".sp-live").is_visible()
    page.locator(".sp-player").focus()
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft")
    back = int(state(page)["step"])
    assert state(page)["live"] == "false"
    LOOKED_BACK.set()
    wait_state(page, frames="32")
    assert int(state(page)["step"]) == back
    press(page, "End")
    assert state(page)["step"] == "31"
    page.wait_for_function("() => document.querySelector('.sp-live').hidden")


def test_comparison_marks_where_the_canvases_part(page):
    show(page, "compare")
    button = page.locator(".sp-parting")
    assert "First difference in time: step 1" in button.inner_text()
    page.locator(".sp-player").focus()
    press(page, "End")
    button.click()
    settle(page)
    assert (state(page)["step"], state(page)["focus"] != "") == ("0", True)
    assert page.locator('.sp-chip[data-difference="changed"]').count() == 0


def test_rows_from_the_cache_are_named(page):
    assert not page.locator(".sp-key-cached").is_visible()
    show(page, "cached")
    assert page.locator(".sp-key-cached").is_visible()
    assert page.locator(".sp-lane").count() == 1


def test_nothing_and_broken_values_are_said_in_words(page):
    page.get_by_role("button", name="nothing", exact=True).click()
    page.wait_for_selector(".sp-message:visible")
    assert "No run yet" in page.locator(".sp-message").inner_text()
    page.get_by_role("button", name="broken", exact=True).click()
    page.wait_for_selector(".sp-player[data-error]")
    assert "The player stopped" in page.locator(".sp-message").inner_text()
    page.get_by_role("button", name="compare", exact=True).click()
    page.wait_for_selector(".sp-player:not([data-error])")
    wait_state(page, frames="16")
    assert page.problems
    page.problems.clear()  # what the broken value logged, as it should

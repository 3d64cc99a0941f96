"""What if, on the real application: each change is driven once from its controls, and its link opens and runs again."""

from __future__ import annotations

import pytest
from watched_page import watched_page

from tests.running_app import app_address

pytestmark = [pytest.mark.browser, pytest.mark.bundled]

LIVE_SECONDS = 300_000  # milliseconds: a busy machine is no failure
SHORT = "?tab=whatif&prompt=What+is+a+star&gen_length=32&block_length=32&model=bundled"


@pytest.fixture
def opened(browser):
    """opened(query): the page at a link, which may run by itself."""
    pages = []

    def open_it(query):
        page = watched_page(browser, viewport={"width": 1280, "height": 900})
        pages.append(page)
        page.goto(app_address() + query)
        page.locator("#what-if-change").wait_for()
        return page

    yield open_it
    for page in pages:
        assert page.problems == []
        page.close()


def done(page, lanes: int):
    page.locator("#what-if-status").get_by_text("Done").or_(
        page.locator("#what-if-status").get_by_text("Kept")
    ).first.wait_for(timeout=LIVE_SECONDS)
    page.wait_for_function(
        "(lanes) => document.querySelectorAll('#what-if-player .sp-lane').length === lanes",
        arg=lanes,
        timeout=LIVE_SECONDS,
    )
    # "Kept" is said before the kept run has passed: it is over when Stop has nothing to stop and the player waits for nothing.
    page.locator("#what-if-stop:disabled").wait_for(timeout=LIVE_SECONDS)
    page.locator("#what-if-player .sp-live").wait_for(state="hidden", timeout=LIVE_SECONDS)


def texts_at_the_end(page) -> list[str]:
    """The lanes' texts, read at the last step, where the player stands still."""
    page.locator("#what-if-player .sp-player").press("End")
    page.wait_for_function(
        "() => { const { step, frames } = document.querySelector('#what-if-player .sp-player').dataset; return +step === frames - 1; }"
    )
    return page.locator("#what-if-player .sp-answer").all_text_contents()


def titles(page) -> list[str]:
    return page.locator("#what-if-player .sp-title").all_text_contents()


def test_covered_sinks_stand_between_the_untouched_run_and_random_tokens(opened):
    page = opened(SHORT)
    page.locator("#covered-count input[type=number]").fill("3")
    page.locator("#what-if-run").click()
    done(page, 3)
    assert titles(page) == ["Untouched", "Covered", "Random tokens covered"]
    rows = page.locator("#what-if-table tbody tr")
    assert rows.count() == 3
    assert "(" in rows.nth(1).locator("td").nth(3).inner_text()  # an interval
    assert page.locator("#what-if-player .sp-key-away").is_visible()
    assert page.locator("#what-if-player .sp-lane:nth-child(2) .sp-chip.sp-left-out").count() > 0
    assert page.locator("#what-if-player .sp-lane:nth-child(1) .sp-chip.sp-left-out").count() == 0
    page.locator("#what-if-player .sp-share summary").click()
    link = page.locator("#what-if-player .sp-share-address").input_value()
    assert "change=cover" in link
    texts = texts_at_the_end(page)

    again = opened("?" + link.partition("?")[2])
    done(again, 3)
    assert texts_at_the_end(again) == texts
    touched = touch_a_token(again)
    page.goto(app_address() + touched)
    done(page, 2)
    assert texts_at_the_end(page) == texts_at_the_end(again)
    assert titles(page) == titles(again)


def touch_a_token(page) -> str:
    """Lock a token of the second lane, look at its candidates, put another word there; returns the query of the run that comes of it."""
    player = page.locator("#what-if-player .sp-player")
    lane = page.locator("#what-if-player .sp-lane:nth-child(2)")
    assert page.locator("#what-if-player .sp-difference-with option").all_text_contents() == titles(page)[1:]
    player.press("Home")
    lane.locator(".sp-words .sp-chip[data-state=masked]").first.hover()
    assert lane.locator(".sp-guesses").inner_text().count("%") == 5
    player.press("ArrowRight")
    lane.locator(".sp-words .sp-chip:is([data-state=settled], [data-state=revealed])").first.click()
    lane.get_by_label("or put").fill("<b>")
    lane.get_by_role("button", name="Go on").click()
    page.get_by_text("tokens of this model").wait_for(timeout=LIVE_SECONDS)
    player.press("Escape")
    lane.locator(".sp-words .sp-chip:is([data-state=settled], [data-state=revealed])").first.click()
    lane.get_by_label("or put").fill("green")
    lane.get_by_role("button", name="Go on").click()
    page.get_by_text("The model went on").wait_for(timeout=LIVE_SECONDS)
    done(page, 2)
    assert titles(page) == ["Covered", "Touched after step 2"]
    assert "green" in texts_at_the_end(page)[1]
    assert page.locator("#what-if-player .sp-parting").is_visible()
    if not page.locator("#what-if-player .sp-share-address").is_visible():
        page.locator("#what-if-player .sp-share summary").click()
    link = page.locator("#what-if-player .sp-share-address").input_value()
    assert "edits=" in link
    return "?" + link.partition("?")[2]


def test_keys_are_left_out(opened):
    page = opened(SHORT)
    page.locator("#what-if-change").get_by_label("Leave out keys and values").check()
    page.locator("#kept-share input[type=number]").fill("0.25")
    page.locator("#kept-share input[type=number]").press("Tab")
    page.locator("#what-if-run").click()
    done(page, 3)
    assert titles(page) == ["All keys kept", "25 % of keys kept", "Random keys kept"]
    assert page.locator("#what-if-player .sp-key-away").is_visible()


def test_heads_are_left_out(opened):
    page = opened(SHORT)
    page.locator("#what-if-change").get_by_label("Leave out heads").check()
    page.locator("#what-if-run").click()
    done(page, 3)
    assert titles(page)[2] == "Random heads left out"


def test_blanks_are_filled_and_bad_ones_get_a_sentence(opened):
    page = opened(SHORT)
    page.locator("#what-if-change").get_by_label("Fill in the blanks").check()
    blanks = page.locator("#blanks textarea")
    blanks.fill("no gap here")
    page.locator("#what-if-run").click()
    page.get_by_text("the text has no blank").wait_for(timeout=LIVE_SECONDS)
    blanks.fill("A star is a ___ of hot gas. <img src=x onerror=alert(1)>")
    page.locator("#what-if-run").click()
    done(page, 1)
    (text,) = texts_at_the_end(page)
    assert text.startswith("A star is a")
    assert "___" not in text
    assert "<img" in text


def test_controls_of_the_sparse_cache_show_with_it(opened):
    page = opened(SHORT)
    page.get_by_role("button", name="How it writes").click()
    page.locator("#cfg-scale").wait_for()
    assert not page.locator("#retention").is_visible()
    page.get_by_label("Key-value cache").click()
    page.get_by_role("option", name="sparse").click()
    page.locator("#retention").wait_for()

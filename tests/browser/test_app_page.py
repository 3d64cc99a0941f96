"""The whole page in headless Chromium, as a visitor uses it, on a tiny model: stop, prune and compare, mistakes, a phone.

test_bundled_page.py does the same with the bundled model, where its recorded runs and its text matter.
"""

from __future__ import annotations

import pytest
from watched_page import watched_page

from tests.tiny_app import tiny_app_address

pytestmark = pytest.mark.browser

WATCH, COMPARE = "#watch-player .sp-player", "#compare-player .sp-player"


@pytest.fixture
def page(browser):
    """The page on a tiny model, just opened; fails when it logged an error or asked another machine for anything."""
    yield from opened(browser, tiny_app_address(), reduced_motion="reduce")


def opened(browser, address, **options):
    page = open_page(browser, address, **options)
    yield page
    page.close()
    assert page.problems == []


def open_page(browser, address, **options):
    page = watched_page(browser, **options)
    origin = address.partition("?")[0]
    page.on("request", lambda request: note_request(page, request.url, origin))
    page.goto(address)
    page.wait_for_selector(f"{WATCH}[data-frames]")
    return page


def note_request(page, url, origin):
    if not url.startswith((origin, "data:", "blob:")):
        page.problems.append(f"asked for {url}")


def state(page, player=WATCH) -> dict:
    return page.locator(player).evaluate("(element) => ({...element.dataset})")


def wait_for(page, condition, player=WATCH):
    """Wait until a condition on the player's state d holds."""
    page.wait_for_function(
        f"(player) => {{ const d = document.querySelector(player)?.dataset; return d && ({condition}); }}", arg=player
    )


def choose(page, label, value):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=value, exact=True).click()
    page.get_by_role("listbox").wait_for(state="detached")


def short_answers(page):
    """32 tokens in one block: the shortest run that the page offers."""
    page.get_by_role("button", name="How it writes").click()
    choose(page, "Answer length", "32")


def run(page, prompt):
    page.get_by_label("Prompt", exact=True).fill(prompt)
    before = state(page)["run"]
    page.get_by_role("button", name="Run", exact=True).click()
    wait_for(page, f"d.run !== '{before}' && d.frames > 0")


def answer(page, player=WATCH, lane=0) -> str:
    return page.locator(f"{player} .sp-answer").nth(lane).text_content()


def test_stop_keeps_what_was_written(page):
    page.get_by_role("button", name="How it writes").click()
    page.locator("#recorded-settings").get_by_text("64 tokens in blocks of 16, one token a step").wait_for()
    page.locator("#use-settings").click()
    page.wait_for_function("() => document.querySelector('input[aria-label=\"Block length\"]').value === '16'")
    assert page.get_by_label("one token a step", exact=True).is_checked()
    choose(page, "Answer length", "160")  # long enough to be stopped, however fast the machine
    run(page, "Write a short story about a fox who learns to swim.")
    wait_for(page, "d.live === 'true' && d.frames > 2")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("#note").get_by_text("Stopped").wait_for()
    page.locator("#use-settings").wait_for(state="hidden")  # no recorded run is on screen
    wait_for(page, "d.live === 'false' && d.frames > 2 && d.frames < 160")
    frames = state(page)["frames"]
    page.wait_for_timeout(700)
    assert state(page)["frames"] == frames
    assert page.get_by_role("button", name="Run", exact=True).is_enabled()


def test_mistakes_are_said_and_lose_nothing(page):
    before = state(page)["run"]
    prompt = page.get_by_label("Prompt", exact=True)
    go = page.get_by_role("button", name="Run", exact=True)
    for text, words in (("  ", "type a few words"), ("word " * 199, "shorten"), ("x" * 1001, "shorten it to at most")):
        prompt.fill(text)
        go.click()
        page.locator("#note").get_by_text(
            words
        ).wait_for()  # beside the prompt, in one line that the next mistake replaces
        assert page.locator("#note .badge").inner_text() == "Not started"
        assert page.get_by_test_id("toast-body").count() == 0
        assert prompt.input_value() == text
    prompt.fill("Why is the sky blue?")
    page.get_by_role("button", name="How it writes").click()
    choose(page, "Block length", "64")
    go.click()
    page.locator("#note").get_by_text("block_length 64 must divide gen_length 96").wait_for()
    assert state(page)["run"] == before
    choose(page, "Answer length", "64")
    run(page, "Why is the sky blue?")
    wait_for(page, "d.live === 'false'")


def test_prune_and_compare_at_half(page):
    short_answers(page)
    page.get_by_role("tab", name="Prune and compare").click()
    page.get_by_label("Prompt", exact=True).fill("What is a star?")
    page.get_by_role("radio", name="wanda", exact=True).click()
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("number input for Calibration sequences").fill("8")
    page.get_by_role("button", name="Prune and generate").click()
    page.locator("#compare-status").get_by_text("of 12").wait_for()
    page.locator("#compare-status").get_by_text("Done").wait_for()
    wait_for(page, "d.run !== 'recorded-comparison' && d.live === 'false'", COMPARE)
    assert "50.0 %" in page.locator("#compare-status").inner_text()
    card = page.locator("#card").inner_text()
    assert "50.00 %" in card
    assert "Forward passes" in card
    assert len(answer(page, COMPARE, 0)) > 10
    assert len(answer(page, COMPARE, 1)) > 10
    assert page.locator(f"{COMPARE} .sp-title").all_inner_texts() == ["Dense", "wanda, 50 % pruned"]
    page.get_by_role("button", name="Prune and generate").click()
    page.locator("#compare-status").get_by_text("An earlier visitor asked for the same").wait_for()
    page.locator("#compare-status").get_by_text("Done").wait_for()


def few_sequences(page):
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("number input for Calibration sequences").fill("8")


def test_what_the_sink_weight_changed_is_shown_on_request(page):
    short_answers(page)
    page.get_by_role("tab", name="Prune and compare").click()
    few_sequences(page)
    go = page.locator("#changes-run")
    assert not go.is_visible()
    page.get_by_role("button", name="Prune and generate").click()
    go.wait_for()
    status = page.locator("#changes-status")
    go.click()
    status.locator("progress").wait_for()
    page.locator("#changes-cancel").click()
    status.get_by_text("Cancelled").wait_for()
    go.click()
    status.get_by_text("Done").wait_for()
    for name in ("strength", "disagreement", "difference", "linears"):
        page.locator(f"#changes-{name} .heatmaplayer").wait_for()
    shape = "(plot) => [plot.data[0].y.length, plot.data[0].x.length]"
    assert page.locator("#changes-strength .js-plotly-plot").evaluate(shape) == [12, 9]
    assert page.locator("#changes-linears .js-plotly-plot").evaluate(shape) == [12, 7]
    page.locator("details", has_text="share of a head's attention").locator("summary").click()
    assert page.get_by_text("share of a head's attention").is_visible()
    assert page.get_by_text("The two masks decide differently").is_visible()


def test_a_structured_copy_writes_beside_the_dense_model(page):
    short_answers(page)
    page.get_by_role("tab", name="Prune and compare").click()
    page.get_by_label("number input for Sparsity").fill("0.9")
    page.get_by_role("radio", name="structured", exact=True).click()
    page.locator("#method-line").get_by_text("whole MLP channels").wait_for()
    page.get_by_text("share of the layers' weights removed").wait_for()
    assert page.get_by_label("number input for Sparsity").input_value() == "0.7"
    assert page.get_by_label("2:4", exact=True).is_disabled()
    few_sequences(page)
    page.get_by_role("button", name="Prune and generate").click()
    page.locator("#compare-status").get_by_text("Done").wait_for()
    wait_for(page, "d.run !== 'recorded-comparison' && d.live === 'false'", COMPARE)
    assert page.locator(f"{COMPARE} .sp-title").all_inner_texts() == ["Dense", "structured, 70 % pruned"]
    assert "Weights removed" in page.locator("#card").inner_text()
    assert len(answer(page, COMPARE, 1)) > 0
    assert not page.locator("#changes-run").is_visible()  # not sink-aware: there is no plain twin


def test_pruning_can_be_cancelled(page):
    page.get_by_role("tab", name="Prune and compare").click()
    page.get_by_role("button", name="Prune and generate").click()
    page.locator("#compare-status").get_by_text("sequence").wait_for()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.locator("#compare-status").get_by_text("Cancelled").wait_for()
    assert page.get_by_role("button", name="Prune and generate").is_enabled()
    page.get_by_role("tab", name="Watch the sinks").click()
    short_answers(page)
    run(page, "Why is the sky blue?")  # the model is free again


def test_a_phone_needs_no_sideways_scrolling_and_cuts_off_neither_labels_nor_knobs(browser):
    """In the dark scheme; in the light one the tests with axe look at the width of every tab."""
    size = {"width": 390, "height": 844}
    page = open_page(
        browser, f"{tiny_app_address()}?__theme=dark", reduced_motion="reduce", viewport=size, has_touch=True
    )
    for tab in ("Prune and compare", "Results", "Watch the sinks"):
        page.get_by_role("tab", name=tab).tap()
        page.get_by_role("tab", name=tab, selected=True).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    beyond = page.locator(f"{WATCH} .sp-options, .actions").evaluate_all(
        "(rows) => rows.flatMap((row) => [...row.querySelectorAll('button, select')]"
        ".filter((one) => one.offsetParent && (one.getBoundingClientRect().right > row.getBoundingClientRect().right + 1"
        " || one.scrollWidth > one.clientWidth)).map((one) => one.id || one.className))"
    )
    assert beyond == []
    page.get_by_role("tab", name="Prune and compare").click()
    beneath = page.locator(".block input[type=range]:visible").first.evaluate(
        "(knob) => knob.closest('.block').getBoundingClientRect().bottom - knob.getBoundingClientRect().bottom"
    )
    assert beneath >= 4
    page.close()
    assert page.problems == []

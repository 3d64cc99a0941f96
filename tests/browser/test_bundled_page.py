"""The whole page in headless Chromium on the bundled model: the recorded run, its figures, a live run, a hostile prompt."""

from __future__ import annotations

import itertools

import pytest
from test_app_page import WATCH, answer, choose, opened, run, short_answers, state, wait_for

from tests.running_app import app_address

pytestmark = [pytest.mark.browser, pytest.mark.bundled]

HOSTILE = '<img src=x onerror="window.hacked=1">'


@pytest.fixture
def page(browser):
    """The page, just opened; fails when it logged an error or asked another machine for anything."""
    yield from opened(browser, app_address(), reduced_motion="reduce")


@pytest.fixture(scope="module")
def moving(browser):
    """One page, with motion, for the tests that only read it."""
    yield from opened(browser, app_address(), reduced_motion="no-preference")


def test_a_recorded_run_plays_when_the_page_is_open(moving):
    wait_for(moving, "d.playing === 'true' && d.step > 1")
    assert state(moving)["run"].startswith("preset-")
    assert "Recorded" in moving.locator("#note").inner_text()


def test_headings_are_in_order(moving):
    levels = moving.locator("h1, h2, h3, h4").evaluate_all(
        "(all) => all.filter((e) => e.checkVisibility()).map((e) => Number(e.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_chip_shows_another_recorded_run_and_its_prompt(moving):
    page = moving
    first = state(page)["run"]
    prompt = page.get_by_label("Prompt", exact=True).input_value()
    page.locator("#presets label").nth(1).click()
    wait_for(page, f"d.run.startsWith('preset-') && d.run !== '{first}' && d.step > 0")
    assert page.get_by_label("Prompt", exact=True).input_value() != prompt


def test_figures_come_when_scrolled_to(page):
    assert page.locator(".js-plotly-plot").count() == 0
    page.get_by_role("heading", name="How the sinks moved").scroll_into_view_if_needed()
    page.locator(".js-plotly-plot .scatterlayer").first.wait_for()
    assert "Diffusion:" in page.locator("#trajectory-words").inner_text()
    choose(page, "Measured in", "layer 5")
    page.locator(".js-plotly-plot .ytitle").filter(has_text="layer 5").wait_for()


def test_a_live_run_moves_and_ends_with_readable_text(page):
    short_answers(page)
    choose(page, "Answer length", "64")
    run(page, "Write a short story about a fox who learns to swim.")
    wait_for(page, "d.live === 'true' && d.step > 2")
    page.locator("#note").get_by_text("Written on this machine").wait_for()
    wait_for(page, "d.live === 'false'")
    assert sum(word.isalpha() for word in answer(page).split()) > 5
    assert len(answer(page, lane=1)) > 10
    assert page.locator("#presets input:checked").count() == 0
    page.locator(WATCH).focus()
    page.keyboard.press("Home")
    wait_for(page, "d.step === '0'")
    page.keyboard.press("ArrowRight")
    wait_for(page, "d.step === '1'")
    page.locator(f"{WATCH} .sp-range").fill("4")
    wait_for(page, "d.step === '4'")
    page.keyboard.press("End")


def test_a_hostile_prompt_stays_text(page):
    short_answers(page)
    run(page, HOSTILE)
    page.locator("#note").get_by_text("Written on this machine").wait_for()
    chips = page.locator(f"{WATCH} .sp-prompt").first.text_content()
    assert "onerror" in chips
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_fields_can_be_told_from_the_page(moving):
    page = moving
    page.get_by_role("button", name="How it writes").click()
    page.get_by_label("Seed", exact=True).wait_for()
    bare = page.locator("#decoding .wrap:has(input[role=combobox]), #seed input").evaluate_all(
        "(fields) => fields.map((field) => getComputedStyle(field).borderTopWidth)"
    )
    assert bare == ["1px"] * 4

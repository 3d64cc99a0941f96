"""The first screen, by geometry: what a visitor must see without scrolling lies inside the window, at a desk and on a phone."""

from __future__ import annotations

import pytest
from watched_page import watched_page

from sinkprune.recorded.presets import load_presets
from tests.running_app import app_address

pytestmark = [pytest.mark.browser, pytest.mark.bundled]

SIZES = {"desk": (1280, 800), "phone": (390, 844)}
WATCH = "#watch-player .sp-player"
ONCE = [".hero h1", "#prompt textarea", "#run, #stop:enabled", f"{WATCH} .sp-transport", f"{WATCH} .sp-caption"]
PER_LANE = [".sp-title", ".sp-words", ".sp-river", ".sp-bars"]
BOXES = """([once, perLane, lanes]) => {
  const box = (element) => { const b = element.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const seen = (all) => [...all].filter((one) => one.checkVisibility());
  const found = once.map((selector) => [selector, seen(document.querySelectorAll(selector)).map(box)[0]]);
  const shown = [...document.querySelectorAll('#watch-player .sp-lane')].slice(0, lanes);
  for (const [index, lane] of shown.entries()) {
    for (const selector of perLane) found.push([`${selector} ${index}`, box(lane.querySelector(selector))]);
  }
  return Object.fromEntries(found);
}"""


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture
def page(browser, size):
    width, height = SIZES[size]
    page = watched_page(
        browser, viewport={"width": width, "height": height}, reduced_motion="reduce", has_touch=size == "phone"
    )
    page.goto(app_address())
    page.wait_for_selector(f"{WATCH}[data-frames]")
    yield page
    page.context.close()
    assert page.problems == []


def check_first_screen(page, size: str) -> None:
    """Everything that UX asks for is inside the window; words and rivers are not below the transport; nothing scrolls."""
    width, height = SIZES[size]
    lanes = 2 if size == "desk" else 1
    boxes = page.evaluate(BOXES, [ONCE, PER_LANE, lanes])
    for name, (left, top, right, bottom) in boxes.items():
        assert min(left, top) >= 0, name
        assert right <= width + 0.5, name
        assert bottom <= height + 0.5, name
    _, floor, _, transport_bottom = boxes[f"{WATCH} .sp-transport"]
    assert transport_bottom == pytest.approx(height, abs=1)
    for lane in range(lanes):
        words, river = boxes[f".sp-words {lane}"], boxes[f".sp-river {lane}"]
        assert words[3] <= river[1] + 0.5
        assert river[3] <= floor + 0.5
        assert words[3] - words[1] >= 60  # two lines of large letters
        assert river[3] - river[1] >= 150
    assert page.evaluate("[scrollX, scrollY, document.documentElement.scrollWidth]") == [0, 0, width]


def test_the_first_screen_of_every_recorded_run(page, size):
    check_first_screen(page, size)
    presets = load_presets()
    longest_prompt = max(presets, key=lambda preset: len(preset.trace["prompt"]))
    longest_text = max(presets, key=lambda preset: sum(len(lane["text"]) for lane in preset.trace["lanes"]))
    for preset in (longest_prompt, longest_text):
        run = preset.trace["run"]
        page.locator(f'#presets label:has(input[value="{preset.name}"])').click()
        page.wait_for_function(
            "([player, run]) => document.querySelector(player).dataset.run === run", arg=[WATCH, run]
        )
        check_first_screen(page, size)
        page.locator(WATCH).evaluate("(player) => player.focus({preventScroll: true})")
        page.keyboard.press("End")
        check_first_screen(page, size)


def test_the_first_screen_of_a_live_run(page, size):
    before = page.locator(WATCH).get_attribute("data-run")
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("Tell me about the sea")
    prompt.press("Enter")
    page.wait_for_function(
        """([player, before]) => { const d = document.querySelector(player).dataset; return d.run !== before && d.frames > 2; }""",
        arg=[WATCH, before],
    )
    check_first_screen(page, size)
    page.locator("#note").get_by_text("Written on this machine").wait_for()
    check_first_screen(page, size)


def test_the_transport_stays_at_hand_while_the_player_is_in_view(page, size):
    height = SIZES[size][1]
    bar = page.locator(f"{WATCH} .sp-transport")
    page.evaluate("scrollTo(0, 200)")
    page.wait_for_function("scrollY === 200")
    assert bar.evaluate("(bar) => bar.getBoundingClientRect().bottom") == pytest.approx(height, abs=1)
    page.locator(f"{WATCH} .sp-panel").last.scroll_into_view_if_needed()
    top, bottom = bar.evaluate("(bar) => { const box = bar.getBoundingClientRect(); return [box.top, box.bottom]; }")
    assert 0 < top < bottom <= height + 1  # its place at the player's end, once that is in the window


def test_targets_are_large_enough_for_a_finger(page):
    page.locator(f"{WATCH} .sp-drawn summary").click()
    small = page.evaluate(
        """(player) => [...document.querySelectorAll(`${player} :is(button, select, summary), #presets label, #ask button`)]
          .filter((one) => one.checkVisibility())
          .map((one) => [one.textContent.trim().slice(0, 20) || one.ariaLabel, one.getBoundingClientRect()])
          .filter(([, box]) => box.height < 39.5 || box.width < 39.5).map(([name, box]) => [name, box.width, box.height])""",
        WATCH,
    )
    assert small == []


def test_recorded_runs_and_tabs_are_one_stop_each(page):
    chosen = page.locator("#presets input:checked")
    first = chosen.get_attribute("value")
    chosen.focus()
    for group in ("#presets input", "#sections [role=tab]"):
        stops = page.locator(group).evaluate_all("(all) => all.filter((one) => one.tabIndex === 0).length")
        assert stops == 1, group
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "([player, first]) => !document.querySelector(player).dataset.run.endsWith(first)", arg=[WATCH, first]
    )
    focused = page.evaluate("document.activeElement.value")
    assert focused == page.locator("#presets input:checked").get_attribute("value") != first
    page.locator("#sections [role=tab][aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.tabId") == "compare"
    page.locator("#compare-run").wait_for()

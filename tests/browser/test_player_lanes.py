"""Two lanes in the page: one clock for both, moves of the lead, the river of differences, heads that come when they are looked at."""

from __future__ import annotations

import pytest
from player_driver import lit_pixels, press, settle, show, state, wait_state
from player_pages import served_player
from player_traces import make_map, make_trace

pytestmark = pytest.mark.browser

SMALL = {"length": 78, "steps": 16, "layers": 4, "heads": 3, "block": 32}


@pytest.fixture(scope="module")
def address():
    buttons = {
        "compare": lambda: make_trace(**SMALL, kinds=("dlm", "dlm"), seed=5),
        "alone": lambda: make_trace(**SMALL, kinds=("dlm",), seed=6),
    }
    with served_player(make_map, make_trace(**SMALL), buttons) as url:
        yield url


def stats(page) -> list[str]:
    return page.locator(".sp-stats").all_inner_texts()


def test_a_race_by_measured_time(page):
    """Both made-up lanes take 61 ms a step, so after as many model runs as steps they are still even; 32 against 16 steps in all."""
    page.locator(".sp-player").focus()
    press(page, *["ArrowRight"] * 4)
    page.get_by_role("button", name="measured time").click()
    wait_state(page, clock="time")
    assert all(text.startswith("5 model runs") for text in stats(page))
    assert page.locator(".sp-count").inner_text() == "0.30 s / 1.95 s"
    assert "4 ×" in page.locator(".sp-speed").inner_text()
    press(page, "End")
    assert [text.split()[0] for text in stats(page)] == ["16", "32"]
    page.get_by_role("button", name="steps", exact=True).click()
    wait_state(page, clock="steps")
    assert page.locator(".sp-count").inner_text() == "16 / 32"


def test_one_lane_has_nobody_to_race(page):
    assert page.locator(".sp-clocks").is_visible()
    show(page, "alone")
    assert not page.locator(".sp-clocks").is_visible()


def test_the_next_move_of_the_lead_is_one_press_away(page):
    button = page.locator(".sp-moves")
    count = int(button.inner_text().split()[0])
    assert count > 1
    leader = state(page)["leader"]
    button.click()
    settle(page)
    after = state(page)
    assert after["leader"] != leader
    assert after["focus"] == after["leader"]
    page.locator(".sp-player").focus()
    press(page, "m")
    assert int(state(page)["step"]) > int(after["step"])
    press(page, "Shift+M")
    assert state(page)["step"] == after["step"]
    page.locator(".sp-rule").select_option("paper")
    page.locator(".sp-value").fill("16")
    settle(page)
    assert button.inner_text() == "0 jumps"
    assert button.is_disabled()


def test_a_mark_above_the_river_leads_to_its_move(page):
    page.locator(".sp-moves").click()
    settle(page)
    step = int(state(page)["step"])
    canvas = page.locator(".sp-river canvas").nth(1)
    x = 40 + (step + 0.5) / 32 * (canvas.bounding_box()["width"] - 44)
    page.locator(".sp-player").focus()
    press(page, "Home")
    canvas.click(position={"x": x + 3, "y": 5})
    settle(page)
    assert state(page)["step"] == str(step)


def test_what_changes_between_two_lanes_has_a_river_of_its_own(page):
    difference = page.locator(".sp-difference")
    assert not difference.is_visible()
    show(page, "compare")
    difference.wait_for()
    assert page.locator(".sp-difference-title").inner_text() == "Diffusion minus Diffusion"
    settle(page)
    assert lit_pixels(page, ".sp-difference canvas") > 2000
    canvas = difference.locator("canvas").nth(1)
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    settle(page)
    assert 5 < int(state(page)["step"]) < 11
    step = int(state(page)["step"]) + 1
    assert page.locator(".sp-difference-words").inner_text().startswith(f"Step {step}: most of all")
    canvas.hover(position={"x": box["width"] / 2, "y": 60})
    settle(page)
    assert f"position {state(page)['focus']}" in page.locator(".sp-difference-readout").inner_text()
    show(page, "alone")
    difference.wait_for(state="hidden")


def test_a_head_makes_its_own_river(page):
    """Its mass at every step needs heads that were not sent with the run."""
    page.locator(".sp-layer").select_option(label="2")
    page.locator(".sp-head-choice").select_option(label="3")
    page.wait_for_function(
        "() => document.querySelector('.sp-verdict').textContent.includes('in layer 2, head 3') &&"
        " !document.querySelector('.sp-verdict').textContent.includes('0.0 %')"
    )
    page.locator(".sp-player").focus()
    press(page, "End")
    assert " 0.0 %" not in page.locator(".sp-verdict").first.inner_text()

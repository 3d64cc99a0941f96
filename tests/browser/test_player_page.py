"""The player inside a real Gradio page, driven as a visitor would: keys, mouse, layers and heads, focus, the rule, the map."""

from __future__ import annotations

import threading
import time

import pytest
from player_driver import lit_pixels, open_page, press, settle, show, state, wait_state
from player_pages import mounted_player, served_player
from player_traces import growing, make_map, make_trace

pytestmark = pytest.mark.browser

QUIET = "() => !document.querySelector('.sp-spinner').checkVisibility()"
SMALL = {"length": 78, "steps": 16, "layers": 4, "heads": 3, "block": 32}


CHOSEN = threading.Event()  # set when the test has chosen a layer: the stream waits for it half way


def layered_stream():
    parts = list(growing(make_trace(**SMALL, seed=4)))
    for count, part in enumerate(parts):
        if count == len(parts) // 2:
            CHOSEN.wait(60)
        yield {**part, "run": "layered-stream", "view": {"layer": 2}}


def slow_map(question: dict) -> dict:
    if question["layer"] == 3:
        raise ValueError("this model is no longer in memory")
    time.sleep(0.1)
    return make_map(question)


@pytest.fixture(scope="module")
def address():
    buttons = {
        "layered": lambda: {**make_trace(**SMALL, seed=6), "view": {"layer": 1}},
        "layered stream": layered_stream,
        "begin": lambda: {**make_trace(**SMALL, begin=True), "run": "begin"},
    }
    with served_player(slow_map, make_trace(**SMALL), buttons) as url:
        yield url


def test_a_recorded_run_plays_by_itself_to_its_end(browser, address):
    page = open_page(browser, address, reduced_motion="no-preference")
    page.locator(".sp-speed").select_option("32")
    wait_state(page, playing="true")
    wait_state(page, playing="false", step="31")
    assert "Step 16 of 16" in page.locator(".sp-verdict").first.inner_text()
    assert page.locator(".sp-answer").first.text_content().startswith("The sky looks blue")
    assert page.problems == []
    page.close()


def test_nothing_moves_for_those_who_want_less_motion(page):
    page.wait_for_timeout(400)
    assert (state(page)["playing"], state(page)["step"]) == ("false", "0")


def test_every_view_is_painted(page):
    for selector in (".sp-river canvas", ".sp-bars", ".sp-panel canvas"):
        assert lit_pixels(page, selector) > 2000


def test_keys(page):
    page.locator(".sp-player").focus()
    press(page, "ArrowRight", "ArrowRight", "ArrowLeft")
    assert state(page)["step"] == "1"
    press(page, "End")
    assert state(page)["step"] == "31"
    press(page, "Home", "3")
    assert (state(page)["step"], state(page)["layer"]) == ("0", "2")
    assert "in layer 3" in page.locator(".sp-verdict").first.inner_text()
    press(page, "9")
    assert state(page)["layer"] == "2"
    press(page, "0", " ")
    assert (state(page)["layer"], state(page)["playing"]) == ("mean", "true")
    press(page, " ")
    assert state(page)["playing"] == "false"
    press(page, "ArrowDown", "ArrowDown")
    assert state(page)["focus"] != ""
    press(page, "Escape")
    assert state(page)["focus"] == ""


def test_a_run_opens_with_its_layer_and_the_visitor_may_choose_another(page):
    assert state(page)["layer"] == "mean"
    mean = page.locator(".sp-mean")
    assert mean.get_attribute("aria-pressed") == "true"
    show(page, "layered")
    page.wait_for_selector(".sp-player[data-layer='1']")
    assert page.locator(".sp-layer").input_value() == "1"
    assert mean.get_attribute("aria-pressed") == "false"
    page.locator(".sp-player").focus()
    press(page, "0")
    assert (state(page)["layer"], mean.get_attribute("aria-pressed")) == ("mean", "true")
    page.locator(".sp-layer").select_option(label="4")
    mean.click()
    wait_state(page, layer="mean")


def test_the_visitors_choice_of_a_layer_outlasts_the_values_of_a_run(page):
    page.get_by_role("button", name="layered stream", exact=True).click()
    wait_state(page, layer="2")
    page.locator(".sp-player").focus()
    press(page, "1")
    before = int(state(page)["frames"])
    CHOSEN.set()
    page.wait_for_function(
        "(before) => Number(document.querySelector('.sp-player').dataset.frames) > before + 2", arg=before
    )
    assert state(page)["layer"] == "0"


def test_keys_inside_a_field_stay_there(page):
    page.locator(".sp-layer").focus()
    press(page, "ArrowDown")
    assert (state(page)["step"], state(page)["layer"]) == ("0", "0")
    page.locator(".sp-range").focus()
    press(page, "ArrowRight", "ArrowRight")
    assert state(page)["step"] == "2"
    page.get_by_role("button", name="One step forward").focus()
    press(page, " ")
    assert (state(page)["step"], state(page)["playing"]) == ("3", "false")


def test_the_river_scrubs(page):
    box = page.locator(".sp-river").first.bounding_box()
    page.mouse.move(box["x"] + 45, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 120, steps=4)
    page.mouse.up()
    settle(page)
    assert 15 < int(state(page)["step"]) < 23


def test_one_focus_in_every_view(page):
    chip = page.locator(".sp-lane").first.locator('[data-position="5"]')
    chip.hover()
    settle(page)
    assert state(page)["focus"] == "5"
    assert page.locator(".sp-chip.sp-focused").count() == 2
    assert "position 5" in page.locator(".sp-readout").first.inner_text()
    chip.click()
    page.mouse.move(5, 5)
    settle(page)
    assert state(page)["focus"] == "5"
    box = page.locator(".sp-bars").first.bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2)
    settle(page)
    assert state(page)["focus"] not in ("", "5")
    page.mouse.move(5, 5)
    settle(page)
    assert state(page)["focus"] == "5"


def test_a_token_is_the_same_in_both_lanes_behind_a_begin_mark(page):
    show(page, "begin")
    lanes = page.locator(".sp-lane")
    focused = lambda: [chip.inner_text() for chip in page.locator(".sp-chip.sp-focused").all()]  # noqa: E731
    lanes.nth(0).locator('[data-position="3"]').click()
    settle(page)
    assert focused() == ["Why", "Why"]
    assert ["position 3" in page.locator(".sp-readout").nth(lane).inner_text() for lane in (0, 1)] == [True, False]
    assert "position 4" in page.locator(".sp-readout").nth(1).inner_text()
    lanes.nth(1).locator('[data-position="5"]').click()
    settle(page)
    assert focused() == [" is", " is"]
    lanes.nth(1).locator('[data-position="0"]').click()
    settle(page)
    assert focused() == ["begin"]
    assert page.locator(".sp-readout").nth(1).inner_text().startswith("the begin mark")


def test_the_rule_moves_the_marks_at_once(page):
    page.locator(".sp-player").focus()
    press(page, "End")
    marks = lambda: page.locator('.sp-chip[data-sink="sink"], .sp-chip[data-sink="leader"]').count()  # noqa: E731
    page.locator(".sp-value").fill("0.5")
    settle(page)
    many = marks()
    page.locator(".sp-value").fill("6")
    settle(page)
    few = marks()
    assert many > few
    page.locator(".sp-rule").select_option("paper")
    page.locator(".sp-value").fill("16")
    settle(page)
    assert "no token is a sink" in page.locator(".sp-verdict").first.inner_text()


def test_the_token_to_token_map_comes_from_the_server(page):
    page.get_by_role("button", name="Token to token").click()
    page.wait_for_function(QUIET)
    assert lit_pixels(page, ".sp-panel canvas") > 5000
    page.locator(".sp-layer").select_option(label="4")
    page.locator('.sp-panel canvas[aria-label*="no longer in memory"]').first.wait_for()
    page.locator(".sp-layer").select_option(label="2")
    page.locator(".sp-player").focus()
    press(page, "ArrowRight")
    assert state(page)["step"] == "1"


def test_a_head_is_chosen_in_the_heatmap(page):
    """A double click on a column opens its map; the overview beside the map (its lower right corner) chooses another head."""
    heat = page.locator(".sp-panel canvas").first
    heat.dblclick(position={"x": 8, "y": 100})
    settle(page)
    assert (state(page)["view"], state(page)["layer"], page.locator(".sp-head-choice").input_value()) == (
        "map",
        "0",
        "0",
    )
    assert "in layer 1, head 1" in page.locator(".sp-verdict").first.inner_text()
    box = heat.bounding_box()
    corner = {"x": box["width"] - 8, "y": box["height"] - 34}
    heat.click(position=corner)
    settle(page)
    assert (state(page)["layer"], page.locator(".sp-head-choice").input_value()) == ("3", "2")
    heat.click(position=corner)
    settle(page)
    assert state(page)["layer"] == "mean"


def test_below_a_path_of_another_application(browser):
    with mounted_player(make_map, make_trace(**SMALL), "/space/lab") as url:
        page = open_page(browser, url)
        page.get_by_role("button", name="Token to token").click()
        page.wait_for_function(QUIET)
        assert lit_pixels(page, ".sp-panel canvas") > 5000
        page.close()

"""The player inside a real Gradio page, driven as a visitor would: keys, mouse, streamed values, hostile tokens, a phone."""

from __future__ import annotations

import copy
import json
import time

import pytest
from player_pages import chromium, mounted_player, served_player
from player_traces import growing, make_map, make_trace

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.hacked=1">'
QUIET = "() => !document.querySelector('.sp-spinner').checkVisibility()"
SMALL = {"length": 78, "steps": 16, "layers": 4, "heads": 3, "block": 32}


def hostile_trace() -> dict:
    trace = copy.deepcopy(make_trace(**SMALL, seed=2))
    for lane in trace["lanes"]:
        lane["title"] = lane["text"] = HOSTILE
        lane["tokens"][4] = HOSTILE
        for frame in lane["frames"]:
            for entry in frame["committed"]:
                entry[2] = HOSTILE
    return trace


def stream():
    for part in growing(make_trace(**SMALL, seed=4)):
        time.sleep(0.06)
        yield part


def compared() -> dict:
    return make_trace(**SMALL, kinds=("dlm", "dlm"), seed=5)


def slow_map(question: dict) -> dict:
    if question["layer"] == 3:
        raise ValueError("this model is no longer in memory")
    time.sleep(0.1)
    return make_map(question)


@pytest.fixture(scope="module")
def address():
    buttons = {
        "hostile": hostile_trace,
        "stream": stream,
        "compare": compared,
        "cached": lambda: {**make_trace(**SMALL, kinds=("dlm",), cache=True), "run": "cached"},
        "large": lambda: make_trace(length=160, steps=64, kinds=("dlm", "dlm"), seed=8),
        "nothing": lambda: None,
        "broken": lambda: {"format": "sinkprune-trace", "version": 1, "run": "b", "lanes": [{"frames": 3}]},
    }
    with served_player(slow_map, make_trace(**SMALL), buttons) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser, address):
    """A fresh page with the recorded run stopped at its first step; fails when the page logged an error."""
    page = open_page(browser, address)
    yield page
    page.context.close()
    assert page.problems == []


def open_page(browser, address, **options):
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options})
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda message: note_error(page, message))
    page.goto(address)
    page.wait_for_selector(".sp-player[data-frames]")
    return page


def note_error(page, message):
    if message.type == "error" and "fonts" not in message.text and "ERR_" not in message.text:
        page.problems.append(message.text)


def state(page) -> dict:
    return page.locator(".sp-player").evaluate("(element) => ({...element.dataset})")


def wait_state(page, **expected):
    page.wait_for_function(
        """(expected) => {
          const state = document.querySelector('.sp-player').dataset;
          return Object.keys(expected).every((name) => state[name] === expected[name]);
        }""",
        arg=expected,
    )


def show(page, button):
    """Press a button of the page and wait until the player shows another run."""
    before = state(page)["run"]
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_function("(before) => document.querySelector('.sp-player').dataset.run !== before", arg=before)


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(60)


def lit_pixels(page, selector) -> int:
    return page.locator(selector).first.evaluate(
        "(c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let i = 3; i < d.length; i += 4) if (d[i] > 200) n++; return n; }"
    )


def test_a_recorded_run_plays_by_itself_to_its_end(browser, address):
    page = open_page(browser, address, reduced_motion="no-preference")
    page.locator(".sp-speed").select_option("32")
    wait_state(page, playing="true")
    wait_state(page, playing="false", step="31")
    assert "Step 16 of 16" in page.locator(".sp-verdict").first.inner_text()
    assert page.locator(".sp-answer").first.text_content().startswith("The sky looks blue")
    assert page.problems == []
    page.context.close()


def test_nothing_moves_for_those_who_want_less_motion(page):
    page.wait_for_timeout(400)
    assert (state(page)["playing"], state(page)["step"]) == ("false", "0")


def test_every_view_is_painted(page):
    for selector in (".sp-river canvas", ".sp-bars", ".sp-heat canvas"):
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
    page.wait_for_timeout(60)
    assert 15 < int(state(page)["step"]) < 23


def test_one_focus_in_every_view(page):
    chip = page.locator(".sp-lane").first.locator('[data-position="5"]')
    chip.hover()
    page.wait_for_timeout(60)
    assert state(page)["focus"] == "5"
    assert page.locator(".sp-chip.sp-focused").count() == 2
    assert "position 5" in page.locator(".sp-readout").first.inner_text()
    chip.click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(60)
    assert state(page)["focus"] == "5"
    box = page.locator(".sp-bars").first.bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2)
    page.wait_for_timeout(60)
    assert state(page)["focus"] not in ("", "5")
    page.mouse.move(5, 5)
    page.wait_for_timeout(60)
    assert state(page)["focus"] == "5"


def test_the_rule_moves_the_marks_at_once(page):
    page.locator(".sp-player").focus()
    press(page, "End")
    marks = lambda: page.locator('.sp-chip[data-sink="sink"], .sp-chip[data-sink="leader"]').count()  # noqa: E731
    page.locator(".sp-value").fill("0.5")
    page.wait_for_timeout(60)
    many = marks()
    page.locator(".sp-value").fill("6")
    page.wait_for_timeout(60)
    few = marks()
    assert many > few
    page.locator(".sp-rule").select_option("paper")
    page.locator(".sp-value").fill("16")
    page.wait_for_timeout(60)
    assert "no token is a sink" in page.locator(".sp-verdict").first.inner_text()


def test_the_token_to_token_map_comes_from_the_server(page):
    page.get_by_role("button", name="Token to token").click()
    page.wait_for_function(QUIET)
    assert lit_pixels(page, ".sp-heat canvas") > 5000
    page.locator(".sp-layer").select_option(label="4")
    page.locator('.sp-heat canvas[aria-label*="no longer in memory"]').first.wait_for()
    page.locator(".sp-layer").select_option(label="2")
    page.locator(".sp-player").focus()
    press(page, "ArrowRight")
    assert state(page)["step"] == "1"


def test_a_head_is_chosen_in_the_heatmap(page):
    """A double click on a column opens its map; the overview beside the map (its lower right corner) chooses another head."""
    heat = page.locator(".sp-heat canvas").first
    heat.dblclick(position={"x": 8, "y": 100})
    page.wait_for_timeout(60)
    assert (state(page)["view"], state(page)["layer"], page.locator(".sp-head-choice").input_value()) == (
        "map",
        "0",
        "0",
    )
    assert "in layer 1, head 1" in page.locator(".sp-verdict").first.inner_text()
    box = heat.bounding_box()
    corner = {"x": box["width"] - 8, "y": box["height"] - 34}
    heat.click(position=corner)
    page.wait_for_timeout(60)
    assert (state(page)["layer"], page.locator(".sp-head-choice").input_value()) == ("3", "2")
    heat.click(position=corner)
    page.wait_for_timeout(60)
    assert state(page)["layer"] == "mean"


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
    wait_state(page, frames="32")
    assert int(state(page)["step"]) == back
    press(page, "End")
    assert state(page)["step"] == "31"
    page.wait_for_function("() => document.querySelector('.sp-live').hidden")


def test_comparison_marks_where_the_canvases_part(page):
    show(page, "compare")
    button = page.locator(".sp-parting")
    assert "part at step 1" in button.inner_text()
    page.locator(".sp-player").focus()
    press(page, "End")
    button.click()
    page.wait_for_timeout(60)
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
    page.problems.clear()
    page.get_by_role("button", name="compare", exact=True).click()
    page.wait_for_selector(".sp-player:not([data-error])")
    wait_state(page, frames="16")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser, address, scheme):
    page = open_page(browser, f"{address}?__theme={scheme}", viewport={"width": 390, "height": 800}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    chip = page.locator(".sp-lane").first.locator('[data-position="3"]')
    chip.tap()
    page.wait_for_timeout(60)
    assert state(page)["focus"] == "3"
    page.context.close()


def test_texts_keep_their_contrast(browser, address):
    """WCAG AA, 4.5:1, for every small text on the page's own surface, in both schemes."""
    for scheme in ("light", "dark"):
        page = open_page(browser, f"{address}?__theme={scheme}")
        for selector in (".sp-stats", ".sp-verdict", ".sp-readout", ".sp-explain", ".sp-field", ".sp-prompt .sp-chip"):
            assert contrast(page, selector) >= 4.5, (scheme, selector)
        page.context.close()


def contrast(page, selector) -> float:
    return page.locator(selector).first.evaluate(
        """(element) => {
          const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
          const light = (colour) => {
            probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1);
            const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].map((byte) => linear(byte / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const surface = getComputedStyle(element).getPropertyValue('--body-background-fill');
          const [a, b] = [light(surface), light(getComputedStyle(element).color)];
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }"""
    )


def test_below_a_path_of_another_application(browser):
    with mounted_player(make_map, make_trace(**SMALL), "/space/lab") as url:
        page = open_page(browser, url)
        page.get_by_role("button", name="Token to token").click()
        page.wait_for_function(QUIET)
        assert lit_pixels(page, ".sp-heat canvas") > 5000
        page.context.close()


def test_frame_times(page):
    """Prints what a redraw costs (160 positions, 64 steps, 2 lanes of 12 x 9 heads); asserts only that it was measured."""
    show(page, "large")
    times = page.evaluate(
        """async () => {
          const { Player } = await import(document.querySelector('link[href*="player.css"]').href.replace('player.css', 'player.js'));
          const times = [];
          const redraw = Player.prototype.redraw;
          Player.prototype.redraw = function () { const t = performance.now(); redraw.call(this); times.push(performance.now() - t); };
          const range = document.querySelector('.sp-range');
          const wait = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          for (let step = 0; step < 64; step++) { range.value = step; range.dispatchEvent(new Event('input')); await wait(); }
          Player.prototype.redraw = redraw;
          return times.sort((a, b) => a - b);
        }"""
    )
    assert len(times) > 60
    print(json.dumps({"redraw ms": {"median": times[len(times) // 2], "worst": times[-1], "count": len(times)}}))

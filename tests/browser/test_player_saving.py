"""Share and save: the link, the picture, the film, the data that sinkprune opens again, the page that plays offline."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from player_driver import open_page, press, settle, show, state, wait_state
from player_pages import served_player
from player_traces import HOSTILE, hostile_trace, make_map, make_trace
from watched_page import watched_page

from sinkprune.traces.check import read_trace

pytestmark = pytest.mark.browser

SMALL = {"length": 46, "steps": 8, "layers": 4, "heads": 3, "block": 16}
LONGER = {"length": 78, "steps": 16, "layers": 4, "heads": 3, "block": 32}


def linked() -> dict:
    return {**make_trace(**SMALL, seed=3), "run": "linked", "query": "?preset=fox"}


@pytest.fixture(scope="module")
def address():
    buttons = {
        "hostile": lambda: {**hostile_trace(**LONGER), "run": "hostile", "prompt": HOSTILE},
        "plain": lambda: make_trace(**SMALL, seed=9),
    }
    with served_player(make_map, linked(), buttons) as url:
        yield url


def saved(page, button: str, folder: Path) -> Path:
    """Press a button of the menu and return the file that it saves."""
    if not page.locator(".sp-share[open]").count():
        page.get_by_text("Share and save").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    page.locator(".sp-share-said").get_by_text("saved").wait_for()
    return path


def test_a_link_shows_the_same_scene_again(browser, page, address):
    page.locator(".sp-player").focus()
    press(page, "End", "ArrowLeft", "3")
    page.locator(".sp-palette").select_option("cividis")
    page.locator(".sp-value").fill("1.5")
    page.locator('.sp-lane [data-position="5"]').first.click()
    page.get_by_role("button", name="measured time").click()
    page.get_by_role("button", name="Token to token").click()
    page.get_by_text("Share and save").click()
    settle(page)
    link = page.locator(".sp-share-address").input_value()
    assert link.startswith(address)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    page.locator(".sp-share-said").get_by_text("copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == link
    other = open_page(browser, link, reduced_motion="no-preference")
    settle(other)
    keys = ("step", "layer", "focus", "view", "clock", "playing")
    assert {key: state(other)[key] for key in keys} == {key: state(page)[key] for key in keys}
    assert other.locator(".sp-palette").input_value() == "cividis"
    assert other.locator(".sp-value").input_value() == "1.5"
    assert other.locator(".sp-verdict").all_inner_texts() == page.locator(".sp-verdict").all_inner_texts()
    other.close()


def test_a_run_that_no_link_makes_again_has_none(page):
    show(page, "plain")
    page.get_by_text("Share and save").click()
    settle(page)
    assert not page.locator(".sp-share-address").is_visible()
    assert page.get_by_role("button", name="Picture").is_visible()


def test_data_open_again_as_they_were(page, tmp_path):
    path = saved(page, "Data", tmp_path)
    assert path.name == "sinkprune-why-is-the-sky-blue.json"
    trace = read_trace(path.read_bytes())
    expected = linked()
    assert trace["lanes"] == expected["lanes"]
    assert trace["view"]["layer"] is None
    assert "query" not in trace


def test_the_picture_is_the_frame(page, tmp_path):
    from PIL import Image

    page.locator(".sp-player").focus()
    press(page, "End")
    picture = Image.open(io.BytesIO(saved(page, "Picture", tmp_path).read_bytes()))
    assert picture.width > 2000
    assert 800 < picture.height < 2400
    assert len(picture.convert("RGB").resize((300, 200)).getcolors(60_000)) > 500


def test_a_film_shows_every_step(page, tmp_path):
    page.locator(".sp-speed").select_option("32")
    path = saved(page, "Film", tmp_path)
    assert path.suffix == ".webm"
    assert path.stat().st_size > 20_000
    assert state(page)["step"] == "0"


def test_a_saved_page_plays_offline_and_hostile_text_stays_text(browser, page, tmp_path):
    show(page, "hostile")
    path = saved(page, "Page that plays offline", tmp_path)
    alone = watched_page(browser, offline=True)
    alone.on(
        "request",
        lambda request: request.url.startswith(("file:", "data:", "blob:")) or alone.problems.append(request.url),
    )
    alone.goto(path.as_uri())
    alone.wait_for_selector(".sp-player[data-frames='32']")
    wait_state(alone, playing="true")
    assert alone.title() == f"sinkprune: {HOSTILE}"
    alone.locator(".sp-player").focus()
    press(alone, "End", "2")
    assert (state(alone)["step"], state(alone)["layer"]) == ("31", "1")
    assert alone.locator(".sp-chip").nth(4).inner_text() == HOSTILE
    assert alone.evaluate("[window.hacked, document.querySelectorAll('img').length]") == [None, 0]
    alone.get_by_role("button", name="Token to token").click()
    alone.locator('.sp-panel canvas[aria-label*="not part of a saved page"]').first.wait_for()
    again = saved(alone, "Data", tmp_path)
    assert read_trace(again.read_bytes())["lanes"] == hostile_trace(**LONGER)["lanes"]
    assert alone.problems == []
    alone.close()

"""Links and files on the real page: a recorded scene, a run that is made again, a run that was saved, and what is wrong with a bad one."""

from __future__ import annotations

import pytest
from player_driver import open_page, press, settle, show_how_it_is_drawn, state
from test_player_saving import saved

from tests.running_app import app_address

pytestmark = [pytest.mark.browser, pytest.mark.bundled]


@pytest.fixture
def visit(browser):
    """visit(query): a page opened through a link; fails when one logged an error."""
    pages = []

    def opened(query: str = ""):
        pages.append(open_page(browser, app_address() + query))
        return pages[-1]

    yield opened
    for page in pages:
        assert page.problems == []
        page.close()


def address(page) -> str:
    if not page.locator("#watch-player .sp-share[open]").count():
        page.locator("#watch-player").get_by_text("Share and save").click()
    settle(page)
    return page.locator("#watch-player .sp-share-address").input_value()


def test_a_link_to_a_recorded_run_shows_its_scene(visit):
    page = visit()
    page.locator("#presets label").nth(3).click()
    page.wait_for_function("() => document.querySelector('.sp-player').dataset.run !== 'none'")
    name = page.locator("#presets input").nth(3).get_attribute("value")
    page.wait_for_selector(f".sp-player[data-run='preset-{name}']")
    page.locator("#watch-player .sp-player").focus()
    press(page, "m", "2")
    other = visit("?" + address(page).partition("?")[2])
    other.wait_for_selector(f".sp-player[data-run='preset-{name}'][data-layer='1'][data-step='{state(page)['step']}']")
    assert state(other)["focus"] == state(page)["focus"]
    assert (
        other.get_by_label("Prompt", exact=True).input_value() == page.get_by_label("Prompt", exact=True).input_value()
    )


def test_a_link_to_a_run_makes_it_again(visit):
    query = "?tab=watch&prompt=Name+a+colour&gen_length=32&block_length=32&rule=threshold&threshold=0.8&cache=none&temperature=0.0&seed=0"
    page = visit(query + "&lanes=dlm&step=3&layer=4&marks=paper%3A2")
    page.locator("#note").get_by_text("Written on this machine").wait_for()
    page.wait_for_selector(".sp-player[data-lanes='1'][data-live='false'][data-step='2'][data-layer='3']")
    assert page.locator(".sp-rule").first.input_value() == "paper"
    assert f"{query}&lanes=dlm&step=3&layer=4&".replace("watch&", "watch&model=bundled&") in address(page)


def test_a_link_made_with_another_model_starts_nothing_and_says_so(visit):
    page = visit("?tab=watch&model=llada-8b-base&prompt=Name+a+colour&gen_length=32&lanes=dlm&step=3")
    page.locator("#link-note").get_by_text("made with llada-8b-base, and this page runs bundled").wait_for()
    assert page.get_by_label("Prompt", exact=True).input_value() == "Name a colour"
    page.wait_for_timeout(1000)
    assert "Live" not in page.locator("#note").inner_text()
    page.locator("#run").click()
    page.locator("#note").get_by_text("Written on this machine").wait_for()
    assert "model=bundled&" in address(page)


def test_a_saved_run_opens_and_its_heads_are_here(visit, tmp_path):
    page = visit()
    path = saved(page, "Data", tmp_path)
    run = state(page)["run"]
    frames = state(page)["frames"]
    page.locator("input[type=file]").first.set_input_files(path)
    page.locator("#note").get_by_text("A run from a file").wait_for()
    page.wait_for_function("(run) => document.querySelector('.sp-player').dataset.run !== run", arg=run)
    assert state(page)["frames"] == frames
    show_how_it_is_drawn(page)
    page.locator(".sp-layer").first.select_option(label="2")
    page.locator(".sp-head-choice").first.select_option(label="1")
    page.wait_for_function("() => !document.querySelector('.sp-verdict').textContent.includes(' 0.0 %')")


def test_a_link_that_makes_no_sense_and_files_that_are_no_runs_are_refused_in_words(visit, tmp_path):
    page = visit("?gen_length=7")
    page.get_by_text("must divide gen_length 7").wait_for()
    for number, (text, words) in enumerate((("{}", "not a trace"), ("<b>", "not JSON"))):
        path = tmp_path / f"run-{number}.json"
        path.write_text(text, encoding="utf-8")
        page.locator("input[type=file]").first.set_input_files(path)
        page.locator("#note").get_by_text(words).wait_for()

"""Pins and history in headless Chromium: kept for the visit, named, compared, copied, exported and imported, hostile text included."""

from __future__ import annotations

import json

import gradio as gr
import pytest
from watched_page import watched_page

from sinkprune.ui.components.pins import pins
from sinkprune.ui.page import LAUNCH
from sinkprune.ui.words.result_card import ACTIONS

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.hacked=1'>"
ROW = {"name": "Forward passes", "meaning": "how often the model ran", "dense": "20", "pruned": "31"}


def result(number: int, ids=(5, 6, 2), **changes) -> dict:
    """A finished comparison as the server sends it."""
    words = [f" w{token}" for token in ids[:-1]] + ["<|im_end|>"]
    answer = {"title": "wanda", "ids": list(ids), "tokens": words}
    return {
        "id": f"run{number}",
        "query": f"?tab=compare&prompt=star&seed={number}&expect=0123456789ab",
        "prompt": f"prompt {number} {HOSTILE}",
        "title": f"wanda, {number}%",
        "rows": [ROW | {"pruned": str(30 + number)}],
        "answers": [answer, answer],
        "markdown": f"card {number}",
        "bibtex": f"@misc{{run{number}}}\n",
    } | changes


@pytest.fixture(scope="module")
def address():
    with gr.Blocks() as demo:
        gr.HTML(f"<div id='card'>{ACTIONS}</div>")
        shown = pins()
        sent = iter(range(1, 100))
        gr.Button("One more").click(lambda: result(next(sent)), None, shown, show_progress="hidden")
        gr.Button("Another text").click(lambda: result(77, ids=(5, 9, 8, 2)), None, shown, show_progress="hidden")
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
    yield url
    demo.close()


@pytest.fixture
def page(browser, address):
    page = watched_page(browser, permissions=["clipboard-read", "clipboard-write"])
    page.goto(address)
    page.locator(".pn[data-ready]").wait_for()
    yield page
    assert page.problems == []
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img").count() == 0
    page.close()


def more(page, count=1, button="One more"):
    entries = page.locator(".pn-list li")
    for _ in range(count):
        before = entries.first.inner_text() if entries.count() else ""
        page.get_by_role("button", name=button).click()
        page.wait_for_function(
            "(before) => (document.querySelector('.pn-list li')?.innerText ?? '') !== before", arg=before
        )


def copied(page, button) -> str:
    page.locator(".pn-list li").first.get_by_role("button", name=button).click()
    page.locator(".pn-said").get_by_text("copied").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def test_history_is_short_and_pins_stay_for_the_visit(page):
    more(page)
    page.locator("#card").get_by_role("button", name="Pin this result").click()
    page.locator("#card").get_by_text("stays for this visit").wait_for()
    name = page.get_by_label("Name of the pin")
    name.fill(HOSTILE)
    name.press("Enter")
    first = page.locator(".pn-list li").first.locator(".pn-prompt").inner_text()
    assert HOSTILE in first
    more(page, 9)
    assert page.locator(".pn-list li").count() == 9  # eight others and the pin
    page.reload()
    page.locator(".pn[data-ready]").wait_for()
    page.locator(".pn-list li").nth(8).wait_for()
    assert page.get_by_label("Name of the pin").input_value() == HOSTILE
    page.locator(".pn-list li").nth(8).get_by_role("button", name="Remove").click()
    assert page.get_by_label("Name of the pin").count() == 0


def test_two_are_compared_number_by_number_and_token_by_token(page):
    more(page)
    assert page.locator(".pn-compare").is_hidden()
    more(page, button="Another text")
    pair = page.locator(".pn-compare")
    assert "seed 77 |" in pair.locator(".pn-differ").inner_text()
    assert "107" in pair.locator("tbody tr").inner_text()
    assert pair.locator(".pn-share").inner_text().startswith("25 %")
    changed = pair.locator(".pn-words").first.locator("mark")
    assert changed.all_inner_texts() == [" w9", " w8", " ∎"]
    assert "underline" in changed.first.evaluate("(mark) => getComputedStyle(mark).textDecorationLine")
    page.get_by_label("B", exact=True).select_option(index=0)
    assert "same settings" in pair.locator(".pn-differ").inner_text()
    assert pair.locator("mark").count() == 0


def test_what_is_copied(page, address):
    more(page)
    assert copied(page, "Copy link").startswith(f"{address}?tab=compare&prompt=star")
    assert copied(page, "Markdown").startswith("card ")
    assert f"% link: {address}?tab=compare" in copied(page, "BibTeX")
    assert page.get_by_role("link", name="Run again").first.get_attribute("href").startswith("?tab=compare")


def test_without_a_clipboard_the_text_is_shown(page):
    more(page)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('forbidden')); }")
    page.locator("#card").get_by_role("button", name="Copy link").click()
    page.locator("#card").get_by_text("copy it by hand").wait_for()
    assert "?tab=compare" in page.get_by_label("Text to copy").input_value()


def test_pins_travel_as_a_file(page, browser, address, tmp_path):
    page.get_by_role("button", name="Export pins").click()
    page.get_by_text("Nothing is pinned yet.").wait_for()
    more(page, button="Another text")
    page.locator(".pn-list li").first.get_by_role("button", name="Pin", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export pins").click()
    file = tmp_path / "pins.json"
    download.value.save_as(file)
    exported = json.loads(file.read_text())
    assert (exported["format"], len(exported["pins"])) == ("sinkprune-pins", 1)

    other = watched_page(browser)
    other.goto(address)
    other.locator(".pn[data-ready]").wait_for()
    for _ in range(2):  # the second time nothing is new
        other.locator(".pn-import input").set_input_files(file)
        other.locator(".pn-list li").first.wait_for()
    assert other.locator(".pn-list li").count() == 1
    assert other.get_by_label("Name of the pin").count() == 1
    assert other.problems == []
    other.close()


PIN = result(1) | {"when": "2026-01-01T00:00:00Z"}


BAD_FILES = {
    "{": "not JSON",
    "[]": "its format must be",
    json.dumps({"format": "sinkprune-pins", "version": 2, "pins": []}): "its version is 2",
}
BAD_PINS = [
    ([PIN | {"query": "javascript:alert(1)"}], "must begin with ?tab=compare&"),
    ([PIN | {"title": {"html": HOSTILE}}], "titles must be a text"),
    ([PIN | {"prompt": "x" * 1001}], "at most 1000"),
    ([PIN | {"answers": [PIN["answers"][0]]}], "two answers"),
    ([PIN | {"when": "soon"}], "must be dates"),
    ([PIN, PIN], "same id"),
    ([PIN | {"id": str(i)} for i in range(25)], "there is room for 24"),
]


def test_files_that_are_no_pins_are_refused_in_words(page):
    files = BAD_FILES | {
        json.dumps({"format": "sinkprune-pins", "version": 1, "pins": pins}): words for pins, words in BAD_PINS
    }
    said = page.locator(".pn-said")
    for text, words in files.items():
        page.locator(".pn-import input").set_input_files(
            {"name": "pins.json", "mimeType": "application/json", "buffer": text.encode()}
        )
        said.get_by_text(words).wait_for()
        assert said.inner_text().startswith("Nothing is imported")
    assert page.locator(".pn-list li").count() == 0

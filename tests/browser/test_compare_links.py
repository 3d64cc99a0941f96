"""A shared link of a comparison, on the real application: opened by somebody else, it runs again and gives the same numbers."""

from __future__ import annotations

import pytest
from watched_page import watched_page

from tests.running_app import app_address

pytestmark = [pytest.mark.browser, pytest.mark.bundled]

ASKED = "?tab=compare&prompt=What+is+a+star&gen_length=32&rule=factor&factor=1.5&cache=dual&method=wanda&sparsity=0.6&samples=8"
TIMED = ("Seconds", "Tokens per second", "Milliseconds per forward pass")


@pytest.fixture
def opened(browser):
    """opened(address): a page of a context of its own."""
    pages = []

    def open_it(address, **options):
        page = watched_page(browser, **options)
        pages.append(page)
        page.goto(address)
        return page

    yield open_it
    for page in pages:
        assert page.problems == []
        page.close()


def numbers(page) -> dict:
    """name -> [dense, pruned] of the card, once the run is done: before, the recorded one is there."""
    page.locator("#compare-status").get_by_text("Done").wait_for()
    rows = page.locator("#card tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [row.cells[0].firstChild.textContent.trim(), row.cells[1].innerText, row.cells[2].innerText])"
    )
    return {name: values for name, *values in rows}


def answers(page) -> list[str]:
    """Of the run that was pressed for, once the player has drawn its end."""
    page.wait_for_function(
        "() => { const d = document.querySelector('#compare-player .sp-player').dataset;"
        " return d.run !== 'recorded-comparison' && d.live === 'false'; }"
    )
    return page.locator("#compare-player .sp-answer").all_text_contents()


def test_a_link_gives_somebody_else_the_same_numbers(opened):
    first = opened(app_address() + ASKED, permissions=["clipboard-read", "clipboard-write"])
    mine = numbers(first)
    assert float(mine["Weights set to zero"][1].removesuffix(" %")) == pytest.approx(60, abs=0.2)
    first.locator("#card").get_by_role("button", name="Copy link").click()
    first.locator("#card").get_by_text("The link is copied").wait_for()
    link = first.evaluate("navigator.clipboard.readText()")
    first.locator("#commits .scatterlayer .trace").nth(3).wait_for()
    assert "factor" in link
    assert "forward passes" in first.locator("#commits-reading").inner_text()

    my_answers = answers(first)  # before another page covers this one, which then draws nothing
    second = opened(link)
    theirs = numbers(second)
    second.locator("#compare-status").get_by_text("Same as in the link").wait_for()
    assert {name: theirs[name] for name in theirs if name not in TIMED} == {
        name: mine[name] for name in mine if name not in TIMED
    }
    assert answers(second) == my_answers
    assert second.get_by_label("number input for Sparsity").input_value() == "0.6"
    assert second.get_by_label("Prompt", exact=True).input_value() == "What is a star"

    second.goto(link.partition("&expect=")[0] + "&expect=000000000000")
    second.locator("#compare-status").get_by_text("Not the same").wait_for()
    assert second.locator(".pn-list li").count() == 2  # both runs of this visit


def test_a_link_with_a_value_that_is_not_offered_runs_nothing(opened):
    page = opened(app_address() + ASKED.replace("sparsity=0.6", "sparsity=7"))
    page.locator("#link-note").get_by_text("sparsity must lie between").wait_for()
    page.get_by_role("tab", name="Prune and compare").click()
    assert page.locator("#compare-run").is_enabled()
    assert page.get_by_label("number input for Sparsity").input_value() == "0.5"
    assert page.locator("#compare-status .badge").inner_text() == "Recorded"

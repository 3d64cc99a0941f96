"""The guide in headless Chromium: by keyboard at 1280, by touch at 390, with axe on its cards."""

from __future__ import annotations

import re

import pytest
from player_driver import settle
from test_player_axe import violations
from watched_page import watched_page

from tests.running_app import app_address

pytestmark = [pytest.mark.browser, pytest.mark.bundled]

PATIENCE = 90_000  # milliseconds: a busy machine is no failure
GUIDE = ".gu"


def open_page(browser, query="", **options):
    page = watched_page(browser, **{"reduced_motion": "reduce", **options})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{app_address()}/{query}")
    page.wait_for_selector("#watch-player .sp-player[data-frames]", state="attached")
    page.locator(".gu-offer:visible, .gu-again:visible, aside.gu").first.wait_for()
    return page


@pytest.fixture
def opened(browser):
    """opened(query, **options): pages that must not log an error."""
    pages = []

    def open_it(query="", **options):
        pages.append(open_page(browser, query, **options))
        return pages[-1]

    yield open_it
    for page in pages:
        page.context.close()
        assert page.problems == []


@pytest.fixture(scope="module")
def first_card(browser):
    """The guide at its first card, in a context that `opened` does not close."""
    page = open_page(browser, "?card=1", color_scheme="light")
    wait_card(page, 1)
    yield page
    page.close()
    assert page.problems == []


def wait_card(page, number):
    """Until the card is shown and its place is lit."""
    page.wait_for_selector(f"{GUIDE}[data-card='{number}']")
    page.wait_for_selector(".gu-light:not([hidden])", state="attached")
    page.wait_for_function("document.querySelector('.gu-light').style.width !== ''")
    settle(page)


def wait_done(page):
    page.wait_for_selector(f"{GUIDE}[data-done='true']")


def places(page) -> dict[str, str]:
    return page.evaluate(
        "async () => { const link = document.querySelector('link[href$=\"/guide.css\"]');"
        " return (await import(link.href.replace('guide.css', 'places.js'))).PLACES; }"
    )


def predict(page, act):
    """Choose the first option and reveal; says what was revealed, "" where nothing was measured."""
    form = page.locator(".gu-predict")
    if not form.locator("input").count():
        assert "Not measured" in form.inner_text()
        return ""
    assert form.locator(".gu-answer").inner_text() == ""  # nothing is revealed before
    act(form.locator("input").first)
    act(form.get_by_role("button", name="Reveal"))
    answer = form.locator(".gu-answer")
    page.wait_for_function("(answer) => answer.textContent.length > 40", arg=answer.element_handle())
    return answer.inner_text()


def check_card(page, number):
    """The guide covers nothing of what it lights that lies in the window."""
    dock, pressed = (
        page.locator(GUIDE).bounding_box(),
        page.evaluate("document.querySelector('.gu-pulse')?.getBoundingClientRect().toJSON() ?? null"),
    )
    if pressed and pressed["width"]:
        inside = lambda low, size, start, length: low < start + length and start < low + size  # noqa: E731
        overlap = inside(dock["x"], dock["width"], pressed["x"], pressed["width"])
        overlap &= inside(dock["y"], dock["height"], pressed["y"], pressed["height"])
        assert not overlap, (number, dock, pressed)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert f"card={number}" in page.url


def walk(page, act, do, looked_at):
    """The whole guide. act(locator): press it. do(card): what the visitor does on the page. looked_at: cards on which axe finds nothing."""
    for number in range(1, 8):
        wait_card(page, number)
        check_card(page, number)
        if number in looked_at:
            assert violations(page, GUIDE) == {}, number
        if number in (3, 6, 7):
            predict(page, act)
        do(number)
        wait_done(page)
        act(page.locator(".gu-next"))
    page.locator(GUIDE).wait_for(state="detached")
    assert "card=" not in page.url


def test_the_whole_guide_by_keyboard(opened):
    page = opened(viewport={"width": 1280, "height": 800})

    def act(locator):
        locator.focus()
        page.keyboard.press("Space" if locator.get_attribute("type") == "radio" else "Enter")

    def do(card):
        if card == 6:
            return
        act(page.locator(".gu-there"))
        assert not page.evaluate("document.activeElement.closest('.gu')"), card
        keys = {1: "Enter", 2: "ArrowDown", 3: "Enter", 4: "ArrowDown", 7: "Space"}
        if card == 2:
            page.locator("#watch-player .sp-player").focus()
        if card == 5:
            page.get_by_role("group", name=re.compile("Patch of weights")).focus()
            before = page.locator(".ms-trace").inner_text()
            page.keyboard.press("ArrowLeft")
            assert page.locator(".ms-trace").inner_text() != before
            return
        page.keyboard.press(keys[card])

    act(page.get_by_role("button", name="Three minutes"))
    wait_card(page, 1)
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.locator("#watch-player .sp-player").focus()
    page.keyboard.press("g")
    assert page.evaluate("document.activeElement.closest('.gu') !== null")
    walk(page, act, do, looked_at=range(1, 8))
    assert page.evaluate("document.activeElement.textContent") == "Guide"


def test_the_whole_guide_by_touch_on_a_phone(opened):
    page = opened("?__theme=dark", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)

    def act(locator):
        locator.scroll_into_view_if_needed()
        locator.tap()

    def do(card):
        if card == 6:
            return
        target = {
            1: "#watch-player .sp-player [data-do=forward]",
            2: "#watch-player .sp-player .sp-chips > *",
            3: "#watch-player .sp-player [data-do=nextMove]",
            4: "#method label",
            5: ".ms-goes .ms-cell[data-row='3'][data-column='5']",
            7: "#lesson-quiz input",
        }[card]
        page.locator(target).first.evaluate("(element) => element.scrollIntoView({ block: 'start' })")
        page.evaluate("scrollBy(0, -120)")
        settle(page)
        page.locator(target).first.tap()

    page.get_by_role("button", name="Three minutes").tap()
    walk(page, act, do, looked_at=(1, 3))  # with a form and without: the other cards have other words


def test_the_guide_is_offered_once_and_found_again(opened):
    page = opened("?card=8")  # there is no such card: the page opens as ever
    page.wait_for_timeout(1000)
    assert page.locator(GUIDE).count() == 0
    page.get_by_role("button", name="No, thanks").click()
    page.reload()
    page.locator(".gu-again button").wait_for()
    assert not page.get_by_role("button", name="Three minutes").is_visible()
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.get_by_role("button", name="Guide", exact=True).is_visible()
    page.get_by_role("button", name="Guide", exact=True).click()
    wait_card(page, 1)
    page.keyboard.press("Escape")
    page.locator(GUIDE).wait_for(state="detached")
    assert page.locator(".gu-light").is_hidden()
    assert page.locator(".gu-pulse").count() == 0


def test_the_address_keeps_the_card_and_what_else_it_said(opened):
    page = opened("?preset=contrast&card=6")
    wait_card(page, 6)
    assert page.get_by_role("tab", name="Results").get_attribute("aria-selected") == "true"
    page.get_by_label("Contents of the guide").select_option("2")
    wait_card(page, 2)
    assert "preset=contrast" in page.url
    assert "card=2" in page.url
    page.reload()
    wait_card(page, 2)


def test_an_address_asks_for_a_card_by_its_number(run):
    asked = {"?card=1": 1, "?a=b&card=7": 7} | dict.fromkeys(
        ["", "?card=", "?card=0", "?card=8", "?card=-1", "?card=x", "?card=1.5", "?card=<b>"]
    )
    assert run("../learn/guide", "(m, all) => all.map((one) => m.askedCard(one, 7))", list(asked)) == list(
        asked.values()
    )


def test_a_word_explains_itself(first_card):
    page = first_card
    word = page.locator(GUIDE).get_by_role("button", name="masks")
    word.click()
    assert "placeholder" in page.locator(".gu-meaning").inner_text()
    word.click()
    assert page.locator(".gu-meaning").count() == 0


def test_every_place_that_the_guide_points_at_exists(first_card):
    page = first_card
    named = places(page)
    for tab in page.get_by_role("tab").all():
        tab.click()
        settle(page)
    page.locator("#lesson-quiz").wait_for(state="attached")
    missing = [name for name, selector in named.items() if page.locator(selector).count() == 0]
    assert missing == []
    light = page.locator(".gu-light")
    assert light.evaluate("(element) => getComputedStyle(element).pointerEvents") == "none"

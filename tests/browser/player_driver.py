"""What a visitor does and sees, as small functions over a Playwright page that shows the player."""

from __future__ import annotations

from playwright.sync_api import Browser, Page
from watched_page import watched_page


def open_page(browser: Browser, address: str, **options: object) -> Page:
    """A page of its own context whose `problems` collects what it logs as an error. Motion is reduced unless options say otherwise."""
    page = watched_page(browser, ignored=("fonts", "ERR_"), **{"reduced_motion": "reduce", **options})
    page.goto(address)
    page.wait_for_selector(".sp-player[data-frames]")
    show_how_it_is_drawn(page)
    return page


def show_how_it_is_drawn(page: Page) -> None:
    """Open the disclosure with layer, rule and colours."""
    page.evaluate("for (const one of document.querySelectorAll('.sp-drawn')) one.open = true")


def state(page: Page) -> dict:
    """The player's state: see the head of player.js."""
    return page.locator(".sp-player").evaluate("(element) => ({...element.dataset})")


def wait_state(page: Page, **expected: str) -> None:
    page.wait_for_function(
        """(expected) => {
          const state = document.querySelector('.sp-player').dataset;
          return Object.keys(expected).every((name) => state[name] === expected[name]);
        }""",
        arg=expected,
    )


def show(page: Page, button: str) -> None:
    """Press a button of the page and wait until the player shows another run."""
    before = state(page)["run"]
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_function("(before) => document.querySelector('.sp-player').dataset.run !== before", arg=before)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def settle(page: Page) -> None:
    """Let the player redraw: it does so in the animation frame after an event."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def lit_pixels(page: Page, selector: str) -> int:
    """How many pixels of a canvas are painted."""
    return page.locator(selector).first.evaluate(
        "(c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let i = 3; i < d.length; i += 4) if (d[i] > 200) n++; return n; }"
    )


def contrast(page: Page, selector: str) -> float:
    """WCAG contrast of an element's text against the page's surface."""
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

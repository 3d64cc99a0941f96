"""A browser page that remembers what went wrong on it."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Browser, ConsoleMessage, Page

PATIENCE = 120_000  # milliseconds: a busy machine is no failure


def watched_page(browser: Browser, ignored: Sequence[str] = (), **options: object) -> Page:
    """A page of its own context, 1280 wide unless options say otherwise; its `problems` collects what it logs as an error.

    ignored: texts that make a logged error no problem.
    """
    page = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}).new_page()
    page.set_default_timeout(PATIENCE)
    page.problems = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(text in message.text for text in ignored):
            page.problems.append(message.text)

    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", note)
    return page

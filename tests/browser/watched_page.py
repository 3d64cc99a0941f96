"""A browser page that remembers what went wrong on it."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

PATIENCE = 300_000  # milliseconds that a page waits for anything: a busy machine is no failure
_contexts: dict[str, BrowserContext] = {}


def watched_page(browser: Browser, ignored: Sequence[str] = (), **options: object) -> Page:
    """A page, 1280 wide unless options say otherwise; its `problems` collects what it logs as an error.

    Pages with the same options share a context, so Chromium reads and compiles the files of an address once. Each page is a tab: its
    sessionStorage is empty. Close the page, not its context.
    ignored: texts that make a logged error no problem.
    """
    page = _context(browser, {"viewport": {"width": 1280, "height": 900}, **options}).new_page()
    page.problems = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(text in message.text for text in ignored):
            page.problems.append(message.text)

    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", note)
    return page


def _context(browser: Browser, options: dict) -> BrowserContext:
    key = repr(sorted(options.items()))
    if key not in _contexts:
        _contexts[key] = browser.new_context(**options)
        _contexts[key].set_default_timeout(PATIENCE)
        _contexts[key].on("close", lambda _: _contexts.pop(key))
    return _contexts[key]

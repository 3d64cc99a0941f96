"""Calling one function of a player module in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from player_pages import served_modules
from playwright.sync_api import Browser


@contextmanager
def module_runner(browser: Browser) -> Iterator[Callable]:
    """run(module, "(m, value) => …", value): the function's result, m being the module."""
    with served_modules() as address:
        page = browser.new_page()
        page.goto(f"{address}/player/player.html")

        def run(module: str, function: str, value: object = None) -> object:
            return page.evaluate(f"async (value) => ({function})(await import('/player/{module}.js'), value)", value)

        yield run
        page.close()

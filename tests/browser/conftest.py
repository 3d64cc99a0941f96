"""What the browser tests share."""

import pytest
from player_driver import open_page as open_player
from player_modules import module_runner
from player_pages import chromium
from watched_page import watched_page


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def run(browser):
    """run(module, function, value): a function over a module of the player, as in `player_modules`."""
    with module_runner(browser) as call:
        yield call


@pytest.fixture
def page(browser, address):
    """A fresh page with the player at the module's `address`, stopped at its first step; fails when the page logged an error."""
    page = open_player(browser, address)
    yield page
    page.close()
    assert page.problems == []


@pytest.fixture
def open_page(request, browser, address):
    """open_page(width, scheme, url): the page at the module's `address`, or another, once what its selector READY names is there.

    Its `requests` are the addresses it asked for. Fails when a page logged an error.
    """
    pages = []

    def open_it(width: int = 1280, scheme: str = "light", url: str = address):
        page = watched_page(browser, viewport={"width": width, "height": 900})
        pages.append(page)
        page.requests = []
        page.on("request", lambda asked: page.requests.append(asked.url))
        page.goto(f"{url}?__theme={scheme}")
        page.locator(request.module.READY).wait_for()
        return page

    yield open_it
    for page in pages:
        page.close()
        assert page.problems == []

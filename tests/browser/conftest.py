"""What the browser tests share."""

import pytest
from player_driver import open_page
from player_modules import module_runner
from player_pages import chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def run():
    """run(module, function, value): a function over a module of the player, as in `player_modules`."""
    with module_runner() as call:
        yield call


@pytest.fixture
def page(browser, address):
    """A fresh page with the player at the module's `address`, stopped at its first step; fails when the page logged an error."""
    page = open_page(browser, address)
    yield page
    page.context.close()
    assert page.problems == []

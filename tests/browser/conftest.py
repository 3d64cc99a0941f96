"""What the browser tests share."""

import pytest
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

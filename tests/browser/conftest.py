"""What the browser tests share."""

import pytest
from player_pages import chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found

"""What the player calls a position that nothing is written at."""

import pytest
from player_modules import module_runner

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("kind", "before", "after"), [("dlm", "mask", "“fox”"), ("ar", "no token", "“fox”")])
def test_only_a_diffusion_lane_has_masks(kind, before, after):
    lane = {"kind": kind, "born": [-1, 3], "texts": ["The", " fox"]}
    with module_runner() as run:
        names = run("words", "(m, lane) => [2, 3].map((step) => m.tokenName(lane, 1, step))", lane)
    assert names == [before, after]

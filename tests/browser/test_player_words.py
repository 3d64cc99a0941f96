"""What the player calls a position that nothing is written at."""

import pytest

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("kind", "before", "after"), [("dlm", "mask", "“fox”"), ("ar", "no token", "“fox”")])
def test_only_a_diffusion_lane_has_masks(run, kind, before, after):
    lane = {"kind": kind, "born": [-1, 3], "texts": ["The", " fox"]}
    names = run("words", "(m, lane) => [2, 3].map((step) => m.tokenName(lane, 1, step))", lane)
    assert names == [before, after]

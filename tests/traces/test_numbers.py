"""How numbers are written."""

import pytest

from sinkprune.traces.numbers import bits, percent, signed


def test_one_percent_sign_one_minus_sign_one_unit():
    assert percent(0.5) == "50 %"
    assert percent(-0.123, 1) == "\u221212.3 %"
    assert [signed(0.2), signed(-0.2), signed(-0.001)] == ["+0.20", "\u22120.20", "+0.00"]
    assert bits(1) == pytest.approx(1.4427, abs=1e-4)

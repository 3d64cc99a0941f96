import time

import torch

from sinkprune.lab.timing import best_seconds, peak_mib


def test_variants_take_turns_after_a_warm_up():
    order = []
    best = best_seconds({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert "".join(order) == "ab" + "ab" + "ba"
    assert all(0 < seconds < 1 for seconds in best.values())


def test_peak_memory_is_seen_although_it_is_freed():
    with peak_mib() as peak:
        block = torch.ones(32 * 2**20 // 4).mul_(2)
        time.sleep(0.05)
        del block
    assert 30 <= peak[0] <= 200

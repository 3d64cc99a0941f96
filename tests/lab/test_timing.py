import mmap
import time

import psutil

from sinkprune.lab.timing import best_seconds, peak_mib


def test_variants_take_turns_after_a_warm_up():
    order = []
    best = best_seconds({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert "".join(order) == "ab" + "ab" + "ba"
    assert all(0 < seconds < 1 for seconds in best.values())


def test_peak_memory_is_seen_although_it_is_freed(monkeypatch):
    reads = []

    class Watched(psutil.Process):
        def memory_info(self):
            reads.append(super().memory_info())
            return reads[-1]

    monkeypatch.setattr(psutil, "Process", Watched)
    size = 32 * 2**20
    with peak_mib() as peak:
        block = mmap.mmap(-1, size)  # fresh pages: a tensor may get memory that the process kept from before
        for page in range(0, size, mmap.PAGESIZE):
            block[page] = 1
        before = len(reads)
        while len(reads) < before + 2:  # the second read began after the block was filled
            time.sleep(0.001)
        block.close()
    assert 30 <= peak[0] <= 200

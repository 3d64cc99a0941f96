"""Interventions are refused before the first forward, keep to their own run, and leave nothing behind."""

import threading

import pytest
import torch

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads, autoregress, denoise, generate
from sinkprune.decoding.interventions import Session
from sinkprune.models.watching import NOBODY, present_at
from tests.decoding.samples import LLAMA, some_prompt, without_end


def assert_nobody_is_left(loaded):
    assert present_at(loaded.model.config) == NOBODY
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in loaded.model.modules())


@pytest.mark.parametrize("asked", [Cover(count=3), LeaveOutHeads(count=4)])
def test_nothing_outlives_a_run_that_is_cancelled_or_fails(asked, monkeypatch):
    config, plain = DecodeConfig(8, 4, 8), generate(LLAMA, some_prompt(), DecodeConfig(8, 4, 8)).tokens
    for lane in (
        denoise(LLAMA, some_prompt(), config, record=True, intervention=asked),
        autoregress(LLAMA, some_prompt(), 8, record=True, intervention=asked),
    ):
        next(lane), next(lane)
        assert_nobody_is_left(LLAMA)  # between two steps too
        lane.close()
        assert_nobody_is_left(LLAMA)

    def fail(*_):
        raise RuntimeError("stop in the middle of a forward")

    with monkeypatch.context() as patched:
        patched.setattr(Session, "_change", fail)
        with pytest.raises(RuntimeError, match="stop in the middle"):
            list(denoise(LLAMA, some_prompt(), config, intervention=asked))
    assert_nobody_is_left(LLAMA)
    assert torch.equal(generate(LLAMA, some_prompt(), config).tokens, plain)


@pytest.mark.parametrize("lane", ["dlm", "ar"])
def test_runs_that_take_turns_do_not_see_each_other(lane):
    """Two interventions and a plain run over one model, step by step in one thread, and all at once in three."""
    loaded, asked = without_end(LLAMA), (None, Cover(count=3), LeaveOutHeads(count=4))

    def run(intervention):
        if lane == "ar":
            return autoregress(loaded, some_prompt(), 8, intervention=intervention)
        return denoise(loaded, some_prompt(), DecodeConfig(8, 8, 8, cache="sparse"), intervention=intervention)

    expected = [[step.canvas.tolist() for step in run(one)] for one in asked]
    assert len({str(canvases[-1]) for canvases in expected}) == 3
    turns = zip(*(run(one) for one in asked), strict=True)
    found = [[step.canvas.tolist() for step in steps] for steps in zip(*turns, strict=True)]
    assert found == expected
    together, barrier = {}, threading.Barrier(3)

    def write(number):
        barrier.wait()
        together[number] = [[step.canvas.tolist() for step in run(asked[number])] for _ in range(3)]

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == {number: [expected[number]] * 3 for number in range(3)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cover("trailing"), "leading, random, least, given"),
        (lambda: Cover(count=0), "from 1 to 10"),
        (lambda: Cover(count=11), "from 1 to 10"),
        (lambda: Cover(count=1.5), "from 1 to 10"),
        (lambda: Cover(protocol="mine"), "alike, paper"),
        (lambda: Cover("given"), "give both or neither"),
        (lambda: Cover("leading", positions=(3,)), "give both or neither"),
        (lambda: Cover("given", positions=(-1,)), "whole numbers from 0"),
        (lambda: Cover("given", positions=tuple(range(11))), "at most 10"),
        (lambda: Cover(per_head=False, protocol="paper"), "leave per_head True"),
        (lambda: Cover(seed=-1), "seed"),
        (lambda: LeaveOutHeads("middle"), "lowest, highest, random"),
        (lambda: LeaveOutHeads(count=0), "from 1 on"),
        (
            lambda: denoise(LLAMA, some_prompt(), DecodeConfig(8, 8, 8), intervention=LeaveOutHeads(count=12)),
            "12 heads",
        ),
        (
            lambda: denoise(LLAMA, some_prompt(), DecodeConfig(8, 8, 8), intervention=Cover("given", positions=(14,))),
            "between 0 and 13",
        ),
        (lambda: autoregress(LLAMA, some_prompt(), 8, intervention=LeaveOutHeads(count=12)), "at most 11"),
        (lambda: denoise(LLAMA, some_prompt(), DecodeConfig(8, 8, 8), intervention="sinks"), "a Cover or a LeaveOut"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_forward(make, message):
    with pytest.raises(ValueError, match=message):
        make()

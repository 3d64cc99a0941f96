"""A request's key is the same for the same run, and differs wherever the run may."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.request import BOTH, Request
from sinkprune.pruning import CalibrationConfig, PruneConfig

ASKED = Request("bundled", "why", DecodeConfig(32, 32, 32), PruneConfig("sink-wanda", 0.5), CalibrationConfig(8))
OTHERS = [
    replace(ASKED, model=None),
    replace(ASKED, prompt="why?"),
    replace(ASKED, decoding=DecodeConfig(32, 32, 32, seed=1)),
    replace(ASKED, decoding=DecodeConfig(32, 16, 32)),
    replace(ASKED, pruning=PruneConfig("wanda", 0.5)),
    replace(ASKED, pruning=PruneConfig("sink-wanda", 0.5, sink_weight=False)),
    replace(ASKED, calibration=CalibrationConfig(9)),
    replace(ASKED, pruning=None, calibration=None),
    replace(ASKED, pruning=None, calibration=None, lanes=BOTH),
]


def test_every_setting_that_changes_the_run_changes_the_key():
    assert len({asked.key for asked in (ASKED, *OTHERS)}) == len(OTHERS) + 1


def test_settings_that_the_copy_does_not_use_leave_the_key_alone():
    def key(pruning, calibration):
        return replace(ASKED, pruning=pruning, calibration=calibration).key

    ours = CalibrationConfig(8)
    assert key(PruneConfig("magnitude", 0.5), ours) == key(PruneConfig("magnitude", 0.5), CalibrationConfig(64))
    assert key(PruneConfig("wanda", 0.5, sink_rule="paper"), ours) == key(PruneConfig("wanda", 0.5), ours)
    assert key(PruneConfig("wanda", 0.3, (2, 4)), ours) == key(PruneConfig("wanda", 0.5, (2, 4)), ours)


@given(st.text())
def test_any_prompt_has_a_key(prompt):
    assert len(replace(ASKED, prompt=prompt).key) == 16
    assert replace(ASKED, prompt=prompt).key == replace(ASKED, prompt=prompt).key

"""What the figures below the player are drawn from: the run on show, the band behind it, or the recorded prompts."""

import dataclasses

import pytest

from sinkprune.recorded.prompt_set import PromptSet
from sinkprune.traces.sink_statistics import layer_statistics, trace_statistics
from sinkprune.traces.stages import trace_stages
from sinkprune.ui.sections.sink_figures import FIGURES, draw, draw_layer, layer_index, run_numbers, set_numbers
from sinkprune.ui.words.reading import CACHED
from tests.traces.run_samples import make_run


@pytest.fixture
def trace() -> dict:
    return make_run([[2, 2, 9, 9], [3, 3, 3, 3]])


@pytest.fixture
def recorded(trace) -> PromptSet:
    lanes = [*trace_statistics(trace), *layer_statistics(trace)]
    return PromptSet(trace["model"], {}, lanes * 2, "typical", trace_stages(trace))


def test_everything_but_the_list_of_layers_is_drawn(trace, recorded):
    assert set(draw(recorded, trace, 1)) == set(FIGURES) - {"layer"}
    during = draw_layer(recorded, trace, 1)
    assert {"trajectory", "variances"} < set(during)
    assert not {"layers", "stages", "values"} & set(during)


def test_only_prompts_of_the_same_model_are_the_band(trace, recorded):
    assert {lane.layer for lane in run_numbers(recorded, trace, 1).over_prompts} == {1}
    other = dataclasses.replace(recorded, model={**trace["model"], "name": "another"})
    assert run_numbers(other, trace, 1).over_prompts == []
    assert run_numbers(None, trace, 1).over_prompts == []


def test_the_recorded_prompts_have_the_layers_of_their_model(recorded):
    assert len(set_numbers(recorded, None).lanes) == 4
    with pytest.raises(ValueError, match="have no layer 7"):
        set_numbers(recorded, 7)


def test_a_cached_run_says_that_its_steps_are_not_whole():
    trace = make_run([[2, 2, 9, 9]], cache="dual")
    assert CACHED in draw(None, trace, 0)["trajectory_words"]
    assert CACHED not in draw(None, make_run([[2, 2, 9, 9]]), 0)["trajectory_words"]


def test_layers_count_from_one_in_the_list():
    assert [layer_index(choice) for choice in (0, 1, 12)] == [None, 0, 11]

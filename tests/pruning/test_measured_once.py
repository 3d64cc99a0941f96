"""What a prune measured of the dense model serves the next one, and only where it is the same."""

import dataclasses

import pytest
import torch

from sinkprune.pruning import METHODS, STRUCTURED, CalibrationConfig, PruneConfig, is_at_hand, prune_steps
from sinkprune.pruning.explain import measure_evidence
from tests.word_model import tiny_model

TEXT = CalibrationConfig(samples=3, length=16)
ONCE = ("sinks", "inputs")  # phases in which the whole dense model is measured


@pytest.fixture(scope="module")
def loaded():
    return tiny_model()


def run(loaded, config, calibration=TEXT, **more):
    """(how many steps measured the dense model, result)"""
    *steps, result = prune_steps(loaded, config, calibration, **more)
    return sum(step.phase in ONCE and step.layer is None for step in steps), result


def same(first, second):
    weights, others = first.loaded.model.state_dict(), second.loaded.model.state_dict()
    return all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("method", [*STRUCTURED, "sink-wanda", "sink-sparsegpt"])
def test_another_sparsity_needs_no_new_measuring_and_prunes_the_same(loaded, method):
    measured = {}
    steps, first = run(loaded, PruneConfig(method, 0.3), measured=measured)
    assert steps > 0
    steps, second = run(loaded, PruneConfig(method, 0.6), measured=measured)
    assert steps == 0
    assert same(second, run(loaded, PruneConfig(method, 0.6))[1])
    assert not same(second, first)
    ((_, seconds),) = measured.values()
    assert second.seconds > seconds > 0  # what it would have taken alone


def test_sink_wanda_and_sink_structured_measure_the_same(loaded):
    measured = {}
    run(loaded, PruneConfig("sink-wanda"), measured=measured)
    assert run(loaded, PruneConfig("sink-structured"), measured=measured)[0] == 0


@pytest.mark.parametrize(
    ("config", "calibration"),
    [
        (PruneConfig(sink_rule="paper"), TEXT),
        (PruneConfig(sink_weight=False), TEXT),
        (PruneConfig(), CalibrationConfig(samples=3, length=16, seed=1)),
        (PruneConfig(), CalibrationConfig(samples=2, length=16)),
    ],
)
def test_anything_else_is_measured_anew(loaded, config, calibration):
    measured = {}
    run(loaded, PruneConfig(), measured=measured)
    steps, result = run(loaded, config, calibration, measured=measured)
    assert steps > 0
    assert same(result, run(loaded, config, calibration)[1])


def test_another_model_is_measured_anew(loaded):
    measured, other = {}, dataclasses.replace(tiny_model(seed=1), spec=dataclasses.replace(loaded.spec, name="other"))
    run(loaded, PruneConfig(), measured=measured)
    steps, result = run(other, PruneConfig(), measured=measured)
    assert steps > 0
    assert same(result, run(other, PruneConfig())[1])


@pytest.mark.parametrize("method", METHODS)
def test_given_ids_and_cancelled_measurements_are_not_kept(loaded, method):
    measured = {}
    ids = torch.randint(4, 64, (2, 16), generator=torch.Generator().manual_seed(0))
    run(loaded, PruneConfig(method), calibration_ids=ids, measured=measured)
    steps = prune_steps(loaded, PruneConfig(method), TEXT, measured=measured)
    next(steps)
    steps.close()
    assert measured == {}


@pytest.mark.parametrize("rule", ["reference", "paper"])
def test_the_microscope_and_prunes_measure_for_each_other(loaded, rule):
    """What `measure_evidence` measured serves sink-wanda and its ablation, and the other way round."""
    config, measured, pruned = PruneConfig(sink_rule=rule), {}, {}
    *progress, first = measure_evidence(loaded, config, TEXT, measured=measured)
    assert len(progress) == TEXT.samples
    for on in (True, False):
        weighed = dataclasses.replace(config, sink_weight=on)
        assert is_at_hand(measured, loaded.spec, weighed, TEXT)
        steps, result = run(loaded, weighed, measured=measured)
        assert steps == 0
        assert same(result, run(loaded, weighed, measured=pruned)[1])
    *progress, again = measure_evidence(loaded, config, TEXT, measured=pruned)
    assert progress == []
    for name, norms in first.weighted.items():
        assert torch.equal(norms, again.weighted[name])
        assert torch.equal(first.plain[name], again.plain[name])
    assert torch.equal(first.tokens.omega, again.tokens.omega)

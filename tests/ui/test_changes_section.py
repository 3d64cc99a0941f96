"""Which copies have a plain twin, and which twin that is."""

import dataclasses

import pytest
import torch

from sinkprune.pruning import METHODS, PruneConfig, prune_model
from sinkprune.ui.sections.changes import TWINS, is_sink_aware, twin
from tests.tiny_models import make_tiny


@pytest.mark.parametrize("method", METHODS)
def test_only_sink_aware_copies_have_a_twin(method):
    config = PruneConfig(method, 0.5)
    assert is_sink_aware(config) == method.startswith("sink-")
    assert not is_sink_aware(dataclasses.replace(config, sink_weight=False))
    assert not is_sink_aware(dataclasses.replace(config, sparsity=0.0))


@pytest.mark.parametrize("method", [method for method in METHODS if method.startswith("sink-")])
@pytest.mark.parametrize("against", TWINS)
def test_a_twin_is_plain_and_else_the_same(method, against):
    config = PruneConfig(method, 0.4, sink_rule="paper", allocation="global")
    plain = twin(config, against)
    assert not is_sink_aware(plain)
    assert (plain.sparsity, plain.pattern, plain.allocation) == (config.sparsity, config.pattern, config.allocation)
    ids = torch.randint(4, 60, (2, 12), generator=torch.Generator().manual_seed(0))
    tiny = make_tiny()
    shapes = [{n: m.shape for n, m in prune_model(tiny, c, calibration_ids=ids).masks.items()} for c in (plain, config)]
    assert shapes[0] == shapes[1]  # so that their masks can be compared


def test_an_unknown_twin_is_refused():
    with pytest.raises(ValueError, match="ablation"):
        twin(PruneConfig("sink-wanda", 0.5), "evil")

"""The adapter for lm-evaluation-harness, with the package itself where it is installed, else with stand-ins of the few names it uses."""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from sinkprune.models import decode_answer, load_model

registered = {}


def stand_in(monkeypatch) -> None:
    """lm_eval's names as of 0.4.13."""

    class LM:
        def __init__(self):
            self._rank, self._world_size, self._device = 0, 1, None

    def register_model(*names):
        def decorate(adapter):
            registered.update(dict.fromkeys(names, adapter))
            return adapter

        return decorate

    def simple_evaluate(**options):
        raise ConnectionError("Couldn't reach the Hub\nmore")

    class TaskManager:
        def __init__(self, include_path=None):
            pass

        def match_tasks(self, names):
            return [name for name in names if name == "known"]

    contents = {
        "lm_eval": {"simple_evaluate": simple_evaluate},
        "lm_eval.api": {},
        "lm_eval.api.instance": {"Instance": object},
        "lm_eval.api.model": {"LM": LM},
        "lm_eval.api.registry": {"register_model": register_model},
        "lm_eval.tasks": {"TaskManager": TaskManager},
    }
    for name, values in contents.items():
        module = types.ModuleType(name)
        module.__dict__.update(values)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(scope="module")
def harness():
    with pytest.MonkeyPatch.context() as monkeypatch:
        if find_spec("lm_eval") is None:
            stand_in(monkeypatch)
        from sinkprune.lab import harness

        yield harness
    sys.modules.pop("sinkprune.lab.harness", None)  # it belongs to the stand-ins


@pytest.fixture
def model(harness, model_folder):
    return harness.HarnessModel(str(model_folder), DecodeConfig(16, 8, 16), patterns=3, seed=4)


def ask(*arguments):
    return SimpleNamespace(args=arguments)


def test_it_is_registered(harness):
    if registered:
        assert registered["sinkprune"] is harness.HarnessModel
        return
    from lm_eval.api.registry import get_model

    assert get_model("sinkprune") is harness.HarnessModel


def test_log_likelihood_is_the_bound_of_the_lab(model, model_folder):
    loaded = load_model(model_folder)
    text = torch.tensor(loaded.tokenizer("the sky is blue")["input_ids"])
    nats = masked_likelihood(loaded, [text], LikelihoodConfig(3, seed=4), [10]).mean * 5  # " blue" has five letters
    (with_space, _), (before, _) = model.loglikelihood([ask("the sky is", " blue"), ask("the sky is ", "blue")])
    assert with_space == before == pytest.approx(-nats)


def test_results_do_not_depend_on_how_requests_are_shared(model):
    requests = [ask("the sky is", " blue"), ask("fish live in", " water"), ask("", "bees make honey")]
    together = model.loglikelihood(requests)
    assert together == [model.loglikelihood([request])[0] for request in requests]
    assert together == model.loglikelihood(requests[::-1])[::-1]
    assert all(value < 0 for value, _ in together)


def test_greedy_is_what_the_model_would_write(model):
    loaded = model.loaded
    prompt = torch.tensor([loaded.tokenizer("why is")["input_ids"]])
    written = generate(loaded, prompt, DecodeConfig(8, 8, 8)).tokens[0]
    assert model._is_greedy(written, prompt.shape[1])
    other = written.clone()
    other[-1] = 4 if written[-1] != 4 else 5
    assert not model._is_greedy(other, prompt.shape[1])


def test_guidance_holds_for_likelihoods_and_for_writing(harness, model, model_folder):
    config = DecodeConfig(16, 8, 16, cfg_scale=1.5)
    guided = harness.HarnessModel(str(model_folder), config, patterns=3, seed=4)
    loaded = guided.loaded
    text = torch.tensor(loaded.tokenizer("why is it")["input_ids"])
    nats = masked_likelihood(loaded, [text], LikelihoodConfig(3, seed=4, cfg_scale=1.5), [6]).mean * 3
    ((found, _),) = guided.loglikelihood([ask("why is", " it")])
    assert found == pytest.approx(-nats)
    assert found != model.loglikelihood([ask("why is", " it")])[0][0]
    written = generate(loaded, text[None, :6], DecodeConfig(8, 8, 8, cfg_scale=1.5)).tokens[0]
    assert guided._is_greedy(written, 6)


def test_a_long_context_loses_its_beginning(model):
    long, room = "a" * 600, model.loaded.model.config.max_position_embeddings
    text, start = model._pair(long, " b")
    assert (len(text), start) == (room, room - 2)
    with pytest.raises(ValueError, match="the model reads 256"):
        model.loglikelihood([ask("a", "b" * 300)])


def test_rolling_adds_up_windows(model):
    whole, first, rest = model.loglikelihood_rolling([ask("ab" * 200), ask("ab" * 128), ask("ab" * 72)])
    assert whole == pytest.approx(first + rest)


def test_answers_are_cut_at_the_first_stop(model):
    prompt = torch.tensor([model.loaded.tokenizer("why is the sky blue")["input_ids"]])
    whole = decode_answer(model.loaded, generate(model.loaded, prompt, model.config).tokens[0, prompt.shape[1] :])
    asked = [ask("why is the sky blue", {"until": until}) for until in ([], [whole[3]], whole[3], ["no such text"])]
    free, listed, single, unused = model.generate_until(asked)
    assert free == unused == whole
    assert listed == single == whole.split(whole[3])[0]


def test_an_unknown_task_is_refused(harness):
    with pytest.raises(ValueError, match="no task nonsense_task"):
        harness.find_tasks(["nonsense_task"])


def test_data_out_of_reach_is_said(harness, model, monkeypatch):
    def no_network(**options):
        raise ConnectionError("Couldn't reach the Hub\nmore")

    monkeypatch.setattr(harness, "simple_evaluate", no_network)
    with pytest.raises(ValueError, match="could not be fetched \\(Couldn't reach the Hub\\): check the network"):
        harness.run_tasks(model, ["known"], None)

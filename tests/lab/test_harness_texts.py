"""How the harness's texts become tokens: one begin token, never scored; and how answers are asked for. With the package itself."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from tokenizers import AddedToken, processors

from sinkprune.decoding import DecodeConfig, denoise
from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from tests.models.test_chat import byte_tokenizer
from tests.tiny_models import make_tiny

pytest.importorskip("lm_eval")
from sinkprune.lab.harness import HarnessModel

BEGIN = 300


@pytest.fixture(scope="module")
def model():
    """A tiny model whose tokenizer puts a begin token before each text by itself, as Llama's does."""
    fast = byte_tokenizer()
    fast.backend_tokenizer.add_special_tokens([AddedToken("<s>", normalized=False)])
    begin = fast.convert_tokens_to_ids("<s>")
    fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", begin)]
    )
    fast.bos_token = "<s>"
    tiny = make_tiny(vocab_size=BEGIN)
    loaded = dataclasses.replace(tiny, tokenizer=fast)
    return HarnessModel(loaded, DecodeConfig(16, 8, 16), patterns=3, seed=4)


def ask(*arguments):
    return SimpleNamespace(args=arguments)


def nats(model, text: torch.Tensor, start: int) -> float:
    return masked_likelihood(model.loaded, [text], LikelihoodConfig(3, seed=4), [start]).mean * (len(text) - start)


def test_a_text_has_one_begin_token(model):
    begin = model.loaded.tokenizer.bos_token_id
    for text in ("the sky", "<s>the sky", ""):
        ids = model._ids(text).tolist()
        assert ids[0] == begin
        assert ids.count(begin) == 1
    assert model._ids("the sky").tolist() == model._ids("<s>the sky").tolist()


def test_the_begin_token_is_never_scored(model):
    text = model._ids("is blue")
    for context, continuation in (("", "is blue"), ("<s>", "is blue"), ("", "<s>is blue")):
        ((value, _),) = model.loglikelihood([ask(context, continuation)])
        assert value == pytest.approx(-nats(model, text, 1))
    (rolling,) = model.loglikelihood_rolling([ask("is blue")])
    assert rolling == pytest.approx(-nats(model, text, 1))


def test_an_empty_context_can_be_greedy(model):
    text = model._ids("x")
    step = next(iter(denoise(model.loaded, text[None, :1], DecodeConfig(1, 1, 1))))
    assert model._is_greedy(step.canvas[0], 1)


def test_a_context_with_its_continuation_counts_the_same_with_and_without_begin(model):
    (with_text, _), (without, _) = model.loglikelihood([ask("<s>the sky is", " blue"), ask("the sky is", " blue")])
    assert with_text == without


@pytest.mark.parametrize(
    ("options", "temperature"),
    [
        ({}, 0.0),
        ({"temperature": None}, 0.0),
        ({"temperature": 0.7}, 0.7),
        ({"temperature": 0.7, "do_sample": True}, 0.7),
        ({"temperature": 0.7, "do_sample": False}, 0.0),
        ({"temperature": None, "do_sample": True}, 0.0),
        ({"do_sample": False}, 0.0),
    ],
)
def test_a_task_that_does_not_sample_is_greedy(model, options, temperature):
    assert model._config(options).temperature == temperature


def test_greedy_whatever_the_temperature_writes_the_greedy_answer(model):
    options = [{"until": []}, {"do_sample": False, "temperature": 5.0, "until": None}, {"temperature": None}]
    answers = model.generate_until([ask("why", one) for one in options])
    assert len(set(answers)) == 1


def test_a_request_that_cannot_be_met_is_refused_before_the_others_are_worked_on(model, monkeypatch):
    def fail(*arguments):
        raise AssertionError("worked before the refusal")

    monkeypatch.setattr(HarnessModel, "_nats", fail)
    with pytest.raises(ValueError, match="the model reads 256"):
        model.loglikelihood([ask("a", "b"), ask("a", "b" * 300)])
    monkeypatch.setattr("sinkprune.lab.harness.generate", fail)
    with pytest.raises(ValueError, match="temperature"):
        model.generate_until([ask("a", {}), ask("a", {"temperature": 99})])

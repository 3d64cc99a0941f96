"""What is measured of a trained model, on a tiny one: lanes, parts, the judge, samples, the teacher's answers."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from sinkprune import load_model
from sinkprune.training import answers, evaluate, frame, judge, samples
from sinkprune.training.base import SEPARATORS, student_from, student_tokenizer
from sinkprune.training.prompts import held_out_prompts
from tests.training.test_train import BUNDLED, tiny_base


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    tiny_base().save_pretrained(folder)
    AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def student_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    student_from(tiny_base()).save_pretrained(folder)
    student_tokenizer(BUNDLED, SEPARATORS[0]).save_pretrained(folder)
    return folder


def test_the_judge_reads_each_answer_after_each_prompt_as_a_forward_of_its_own_would(base_folder):
    model, tokenizer = answers.load_teacher(base_folder)
    prompts, texts = (
        ["Why?", "Tell me about the sea and the wind."],
        ["It is so.", "The sea is deep and wide, and old."],
    )
    log_p, tokens = judge.every_prompt(model.float(), tokenizer, prompts, texts)
    for i, text in enumerate(texts):
        answer = tokenizer(text).input_ids
        assert tokens[i] == len(answer)
        for j, prompt in enumerate(prompts):
            turn = tokenizer(answers.TURN.format(prompt)).input_ids
            logits = model(torch.tensor([turn + answer])).logits[0, len(turn) - 1 : -1].log_softmax(-1)
            expected = logits.gather(1, torch.tensor(answer)[:, None]).sum().item()
            assert log_p[i, j].item() == pytest.approx(expected, rel=1e-4)


def test_parts_together_hold_every_prompt_and_the_summary_every_number(base_folder, student_folder, monkeypatch):
    prompts = held_out_prompts()[:2]
    monkeypatch.setattr(evaluate, "held_out_prompts", lambda: prompts)
    monkeypatch.setattr(evaluate, "ANSWER_DRAWS", 1)
    loaded = load_model(str(student_folder))
    parts = [json.loads(json.dumps(evaluate.measure_part(loaded, part, 2))) for part in range(2)]
    assert sorted(answer["prompt"] for part in parts for answer in part["answers"]) == sorted(prompts)
    result = evaluate.summarise(parts, *answers.load_teacher(base_folder))
    assert result["prompts"] == 2
    assert set(result["lanes"]) == {"plain", "parallel", "dual", "autoregressive"}
    assert result["lanes"]["plain"]["forwards"] == 96
    assert 0 <= result["lanes"]["dual"]["top1"] <= 1
    assert result["sinks"]["ar"]["prompts"] == 1
    assert len(result["sinks"]["dlm"]["layers"]) == 3


def test_the_teacher_answers_every_prompt_greedily_and_drawn(base_folder):
    model, tokenizer = answers.load_teacher(base_folder)
    torch.manual_seed(0)
    twice, written = answers.answer_twice(model, tokenizer, ["Why?", "What is a reef?"])
    assert twice == ["Why?", "What is a reef?"] * 2
    assert written.shape == (4, answers.ANSWER_TOKENS)
    assert written.dtype == np.uint16


def test_samples_are_of_every_method_and_sparsity(student_folder, monkeypatch):
    monkeypatch.setattr(samples, "UNSTRUCTURED", ("magnitude",))
    result = samples.samples(load_model(str(student_folder)), ["Why do we yawn?"])
    assert [(made["method"], made["sparsity"]) for made in result["pruned"]] == [("magnitude", 0.5), ("magnitude", 0.7)]
    assert len(result["dense"]) == len(result["pruned"][0]["answers"]) == 1


def test_sinks_are_measured_with_the_separator_that_is_asked_for(student_folder):
    first, second = (frame.moving(student_folder, number, ["Why do we yawn?"]) for number in (0, 1))
    assert first != second

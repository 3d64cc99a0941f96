"""The student's batched decoding writes what `generate` writes, and its files are read as the teacher's are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.models import causal_view, encode_prompt, load_model
from sinkprune.training.own_answers import (
    THRESHOLD,
    as_answers,
    batches,
    largest_surprise,
    ranks_first,
    read_prompts,
    write_canvases,
)
from sinkprune.training.teacher import END, PAD


@pytest.mark.parametrize("spread", [0.5, 1.0])  # of the weights: seldom and often surer than the threshold
def test_rows_written_together_are_what_generate_writes_alone(tiny, spread):
    loaded = tiny("llama", initializer_range=spread)
    prompts = torch.randint(4, 40, (5, 7), generator=torch.Generator().manual_seed(0))
    config = DecodeConfig(gen_length=12, block_length=4, threshold=THRESHOLD, cache="dual")
    alone = [generate(loaded, row[None], config) for row in prompts]
    canvases, steps = write_canvases(loaded, prompts, length=12, block=4)
    assert torch.equal(canvases, torch.cat([result.tokens[:, 7:] for result in alone]))
    for row, result in zip(steps, alone, strict=True):
        opened = {step.block: step.index for step in reversed(result.steps)}
        for step in result.steps:
            assert torch.all(row[step.committed - 7] == step.index - opened[step.block])


def test_the_largest_surprise_is_that_of_reading_from_left_to_right_up_to_the_end(model_folder):
    loaded = causal_view(load_model(model_folder))
    begin, loaded = 4, replace(loaded, spec=replace(loaded.spec, begin_token_id=4))
    prompts, canvases = torch.tensor([[5, 6], [7, 8]]), torch.tensor([[9, 10, END, 11], [12, 13, 14, 15]])
    expected = []
    for prompt, answer in zip(prompts.tolist(), ([9, 10, END], [12, 13, 14, 15]), strict=True):
        ids = torch.tensor([[begin, *prompt, *answer]])
        log_p = loaded.model(ids).logits[0].float().log_softmax(-1)
        expected.append(max(-log_p[2 + i, token].item() for i, token in enumerate(answer)))
    assert largest_surprise(loaded, prompts, canvases).tolist() == pytest.approx(expected, rel=1e-4)


def test_nothing_stands_after_the_end():
    canvas = torch.tensor([[9, 8, END, END, 7], [9, 8, 7, 6, 5], [END, 1, 2, 3, END]])
    answers = as_answers(canvas)
    assert answers.dtype == np.uint16
    assert answers.tolist() == [[9, 8, END, PAD, PAD], [9, 8, 7, 6, 5], [END, PAD, PAD, PAD, PAD]]


def test_parts_share_the_prompts_and_each_comes_once(tmp_path):
    (tmp_path / "answers-0-000.txt").write_text("a?\nb?\n")
    (tmp_path / "answers-0-001.txt").write_text("b?\nc?\n")
    (tmp_path / "held-out.txt").write_text("d?\n")
    parts = [read_prompts(tmp_path, part, 2) for part in (0, 1)]
    assert sorted(parts[0] + parts[1]) == ["a?", "b?", "c?"]


def test_a_batch_holds_prompts_of_one_length(model_folder):
    loaded = load_model(model_folder)
    prompts = ["one", "two", "three", "six", "seven"]
    made = list(batches(loaded, prompts, 2))
    assert sorted(prompt for texts, _ in made for prompt in texts) == sorted(prompts)
    for texts, ids in made:
        assert len(texts) <= 2
        for text, row in zip(texts, ids, strict=True):
            assert torch.equal(row[None], encode_prompt(loaded, text))


def test_an_answer_ranks_first_when_no_other_prompt_makes_it_likelier(monkeypatch):
    def likelier_after_itself(judge, prompts, answers):
        return torch.tensor([float(prompt == answer) for prompt, answer in zip(prompts, answers, strict=True)])

    class Letters:
        def __call__(self, text, add_special_tokens):
            return type("Encoded", (), {"input_ids": [ord(text[0])]})

    monkeypatch.setattr("sinkprune.training.own_answers.TURN", "{}")
    monkeypatch.setattr("sinkprune.training.own_answers.log_likelihoods", likelier_after_itself)
    canvases = torch.tensor([[ord("a"), END], [ord("c"), END], [ord("c"), END]])
    assert ranks_first(None, Letters(), ["a", "b", "c"], canvases).tolist() == [True, False, True]

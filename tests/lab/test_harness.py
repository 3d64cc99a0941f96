"""The adapter for lm-evaluation-harness, with the package itself: its requests, and whole tasks whose data lie in a file."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager

from sinkprune.cli import main
from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab import harness
from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from sinkprune.models import decode_answer, load_model


@pytest.fixture
def model(model_folder):
    return harness.HarnessModel(str(model_folder), DecodeConfig(16, 8, 16), patterns=3, seed=4)


def ask(*arguments):
    return SimpleNamespace(args=arguments)


def test_it_is_registered():
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


def test_guidance_holds_for_likelihoods_and_for_writing(model, model_folder):
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


QUESTIONS = [("the sky is", "blue", "red"), ("fish live in", "fire", "water"), ("bees make", "honey", "rain")]
DATA = """
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
doc_to_text: "{{question}}"
"""
CHOICE = """
task: choose
output_type: multiple_choice
doc_to_choice: ["{{first}}", "{{second}}"]
doc_to_target: "{{label}}"
metric_list: [{metric: acc}]
"""
WRITING = """
task: write
output_type: generate_until
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["?"]}
metric_list: [{metric: exact_match}]
"""


def no_other_tasks(monkeypatch) -> None:
    """The package's index without its 14,000 tasks, which take a quarter of a minute to list."""
    monkeypatch.setattr(harness, "TaskManager", partial(TaskManager, include_defaults=False))


@pytest.fixture
def tasks(tmp_path, monkeypatch, model):
    """A folder with two tasks: the choice between two endings, and an answer that is what the model writes to two of three questions."""
    no_other_tasks(monkeypatch)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    answers = model.generate_until([ask(question, {"until": ["?"]}) for question, *_ in QUESTIONS])
    rows = [
        {"question": question, "first": first, "second": second, "label": 0, "answer": answer}
        for (question, first, second), answer in zip(QUESTIONS, [*answers[:2], "another"], strict=True)
    ]
    data = tmp_path / "questions.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, task in (("choose", CHOICE), ("write", WRITING)):
        (folder / f"{name}.yaml").write_text(DATA.replace("FILE", str(data)) + task)
    return folder


def test_whole_tasks_give_the_scores_of_their_requests(model, tasks):
    manager = harness.find_tasks(["choose", "write"], str(tasks))
    results = harness.run_tasks(model, ["choose", "write"], manager)["results"]
    pairs = [[ask(question, f" {end}") for end in ends] for question, *ends in QUESTIONS]
    likely = [[nats for nats, _ in model.loglikelihood(pair)] for pair in pairs]
    assert results["choose"]["acc,none"] == pytest.approx(sum(first > second for first, second in likely) / 3)
    assert results["write"]["exact_match,none"] == pytest.approx(2 / 3)


def test_the_command_prints_the_table_of_a_task(model_folder, tasks, capsys):
    asked = ["--tasks", "choose", "--task-folder", str(tasks), "--limit", "2", "--patterns", "2"]
    assert main(["evaluate", "--model", str(model_folder), *asked]) == 0
    assert "|choose|" in capsys.readouterr().out.replace(" ", "")


def test_an_unknown_task_is_refused(monkeypatch):
    no_other_tasks(monkeypatch)
    with pytest.raises(ValueError, match="no task nonsense_task"):
        harness.find_tasks(["nonsense_task"])


def test_data_out_of_reach_is_said(model, monkeypatch):
    def no_network(**options):
        raise ConnectionError("Couldn't reach the Hub\nmore")

    monkeypatch.setattr(harness, "simple_evaluate", no_network)
    with pytest.raises(ValueError, match="could not be fetched \\(Couldn't reach the Hub\\): check the network"):
        harness.run_tasks(model, ["known"], None)

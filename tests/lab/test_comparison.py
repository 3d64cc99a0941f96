"""A finished comparison in numbers, for the page, as Markdown and as a citation."""

import dataclasses
import json

import pytest
import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.citation import bibtex_with_settings
from sinkprune.lab.comparison import MEANINGS, code, measure
from sinkprune.lab.likelihood import ANSWER_DRAWS, answer_likelihood, paired_difference
from sinkprune.lab.overlap import answer_end
from sinkprune.pruning import CalibrationConfig, PruneConfig, prune_model
from sinkprune.traces.numbers import bits, percent
from sinkprune.traces.parting import answer_ids, fingerprint, first_divergence
from sinkprune.traces.runs import compare_run, finish
from sinkprune.ui.words.result_card import result_card

HOSTILE = "why ` @misc{x} <img src=x onerror=alert(1)> ?"
CONFIG = DecodeConfig(gen_length=8, block_length=4, steps=8)
CALIBRATION = CalibrationConfig(samples=2, length=16)


def compared(loaded, pruning, prompt="why do stars shine ?"):
    result = prune_model(loaded, pruning, CALIBRATION)
    trace = finish(compare_run(loaded, result.loaded, "key", prompt, CONFIG, pruning, CALIBRATION))
    return trace, measure(loaded, result, trace, CONFIG, pruning, CALIBRATION)


@pytest.fixture(scope="module")
def run(loaded):
    return compared(loaded, PruneConfig("wanda", 0.7), HOSTILE)


def test_a_copy_with_nothing_cut_is_the_dense_model(loaded):
    trace, comparison = compared(loaded, PruneConfig("magnitude", 0.0))
    assert comparison.agreement == 1
    assert comparison.parting is None
    assert comparison.nats_dense_answer[0] == comparison.nats_dense_answer[1]
    assert trace["lanes"][0]["text"] == trace["lanes"][1]["text"]
    assert "They never differ." in " ".join(comparison.sentences())
    assert " ".join(comparison.sentences()).count("no difference is shown") == 2


def test_every_number_says_what_it_means(run):
    trace, comparison = run
    rows = {row.name: row for row in comparison.rows()}
    assert rows["Forward passes"].dense == str(trace["lanes"][0]["nfe"])
    assert rows["Weights set to zero"].pruned == percent(comparison.pruned.sparsity_achieved, 2)
    assert all(row.meaning == MEANINGS[row.name] for row in comparison.rows())
    assert comparison.parting == first_divergence(*trace["lanes"])
    assert json.loads(json.dumps(comparison.as_dict()))["prompt"] == HOSTILE


def test_every_likelihood_stands_with_its_standard_error(run, loaded):
    trace, comparison = run
    answer = answer_ids(trace["lanes"][0], loaded.spec.mask_token_id)
    answer = torch.tensor(answer[: answer_end(answer, loaded.spec.end_token_ids)])
    estimate = answer_likelihood(loaded, torch.tensor([trace["lanes"][0]["ids"]]), answer, draws=ANSWER_DRAWS)
    assert comparison.error_dense_answer[0] == estimate.standard_error > 0
    likelihoods = [row for row in comparison.rows() if row.name.startswith("Bits")]
    assert likelihoods[0].dense == f"{bits(estimate.mean):.2f} ± {bits(estimate.standard_error):.2f}"
    assert all(" ± " in value for row in likelihoods for value in (row.dense, row.pruned))
    assert "± is the standard error" in result_card(comparison)


def test_the_difference_is_paired_and_none_is_claimed_where_its_interval_holds_zero(run, loaded):
    trace, comparison = run
    answer = answer_ids(trace["lanes"][1], loaded.spec.mask_token_id)
    answer = torch.tensor(answer[: answer_end(answer, loaded.spec.end_token_ids)])
    copy = prune_model(loaded, PruneConfig("wanda", 0.7), CALIBRATION).loaded
    prompt_ids = torch.tensor([trace["lanes"][0]["ids"]])
    paired = paired_difference(
        *(answer_likelihood(model, prompt_ids, answer, draws=ANSWER_DRAWS) for model in (loaded, copy))
    )
    assert comparison.interval_pruned_answer == (paired.low, paired.high)

    changed = dataclasses.replace(
        comparison,
        nats_dense_answer=(2.0, 2.5),
        interval_dense_answer=(0.1, 0.9),
        nats_pruned_answer=(2.0, 1.8),
        interval_pruned_answer=(-0.5, 0.1),
    )
    card = result_card(changed)
    assert "+0.72 on the dense answer (95 % interval +0.14 to +1.30)" in card
    assert "−0.29 on the pruned answer (95 % interval −0.72 to +0.14: no difference is shown)" in card


def test_the_card_escapes_what_it_shows(run):
    card = result_card(run[1])
    assert "wanda, 70 %" in card
    assert "<img" not in card
    assert card.count("<tr>") == 1 + len(run[1].rows())


def test_markdown_holds_both_cards_and_the_prompt_as_code(run):
    text = run[1].as_markdown()
    assert f"Prompt: {code(HOSTILE)}" in text
    assert text.count("- **Decoding:**") == 2
    assert "| Forward passes | 8 | 8 |" in text


@pytest.mark.parametrize("text", ["plain", "a `b` c", "``", "two\nlines", ""])
def test_code_keeps_any_text_inside_its_fence(text):
    fenced = code(text)
    fence = fenced[: len(fenced) - len(fenced.lstrip("`"))]
    assert fenced.endswith(fence)
    assert fence not in fenced[len(fence) : -len(fence)]
    assert "\n" not in fenced


def test_a_citation_has_one_entry_and_every_setting(run):
    text = bibtex_with_settings(run[1])
    assert text.count("@") == 1  # hostile prompts open no second entry
    settings = dict(line[2:].split(": ", 1) for line in text.splitlines() if line.startswith("% "))
    assert json.loads(settings["prompt"]) == HOSTILE
    assert json.loads(settings["pruning"])["sparsity"] == 0.7
    assert json.loads(settings["calibration"])["samples"] == 2
    assert json.loads(settings["decoding"])["gen_length"] == 8
    assert json.loads(settings["model"])["weights"] == run[1].dense.weights


def test_a_fingerprint_is_that_of_the_text_and_the_work(run, loaded):
    again, _ = compared(loaded, PruneConfig("wanda", 0.7), HOSTILE)
    other, _ = compared(loaded, PruneConfig("wanda", 0.7), "we see the cold sea")
    assert fingerprint(again) == fingerprint(run[0])
    assert fingerprint(other) != fingerprint(run[0])
    assert again["run"] != run[0]["run"]

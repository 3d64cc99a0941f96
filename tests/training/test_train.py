"""The training loop runs, learns, writes a checkpoint that loads and works both ways; the recipe's student and card."""

import argparse
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from sinkprune import DecodeConfig, autoregress, generate, load_model
from sinkprune.training.base import MASK_TOKEN_ID, SEPARATORS, student_from, student_tokenizer
from sinkprune.training.batches import pools_by_kind
from sinkprune.training.card import MISSING, card, target_table
from sinkprune.training.objective import Shares
from sinkprune.training.train import kind_weights, learning_rate, train

BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "bundled"


def tiny_base() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16384, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.fixture
def one_process():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def steady_clock(seconds: float) -> SimpleNamespace:
    """A module `time` whose clock moves by so much each time it is read."""
    return SimpleNamespace(perf_counter=itertools.count(0, seconds).__next__)


def write_examples(path: Path, **more: np.ndarray) -> None:
    ids = np.tile(np.arange(20, 212, dtype=np.uint16), (40, 1))
    np.savez(path, ids=ids, prompt=np.full(40, 12), end=np.full(40, 90), total=np.full(40, 108), **more)


def write_own_examples(path: Path) -> None:
    write_examples(path, steps=np.tile(np.arange(192, dtype=np.uint8) % 7, (40, 1)))


def test_the_student_is_the_whole_base_and_says_how_it_works():
    base = tiny_base()
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    student = student_from(base)
    assert all(torch.equal(weight, before[name]) for name, weight in student.state_dict().items())
    assert student.config.mask_token_id == MASK_TOKEN_ID


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_separator_is_one_token_between_prompt_and_answer(separator):
    tokenizer = student_tokenizer(BUNDLED, separator)
    assert len(tokenizer(separator, add_special_tokens=False).input_ids) == 1
    assert tokenizer.mask_token_id == MASK_TOKEN_ID


def test_guided_batches_wait_for_their_guide():
    shares = Shares(causal=0.2, cached=0.1, guided=0.4)
    assert kind_weights(shares, has_guide=False) == pytest.approx((0.2, 0.1, 0.0, 0.7))
    assert kind_weights(shares, has_guide=True) == pytest.approx((0.2, 0.1, 0.4, 0.3))


def test_the_learning_rate_warms_up_and_ends_at_zero():
    assert learning_rate(0, 0.0) < learning_rate(100, 0.1) < learning_rate(1000, 0.5)
    assert learning_rate(1000, 0.9) < learning_rate(1000, 0.5)
    assert learning_rate(1000, 1.0) == 0.0


def test_next_token_prediction_reads_the_teacher_alone_and_cached_batches_the_student(tmp_path):
    write_examples(tmp_path / "train.npz")
    assert [len(pools) for pools in pools_by_kind(tmp_path, "cpu", [1]).values()] == [1, 0, 1, 1]
    write_own_examples(tmp_path / "own.npz")
    pools = pools_by_kind(tmp_path, "cpu", [1, 7])
    written = {kind: [pool.examples.steps is not None for pool in drawn] for kind, drawn in pools.items()}
    assert written == {
        "causal": [False], "cached": [True], "masked": [False, True], "guided": [False, True],
    }  # fmt: skip
    batch = pools["cached"][0].draw(10, torch.Generator().manual_seed(0))
    assert batch.ids.shape == batch.steps.shape == (10, 128)
    assert torch.equal(batch.steps[0], torch.arange(128, dtype=torch.uint8) % 7)
    assert set(batch.ids[:, 11].tolist()) == {1, 7}
    assert torch.equal(batch.ids[0, 12:], torch.arange(32, 148))


@pytest.mark.usefixtures("one_process")
def test_training_learns_goes_on_and_its_checkpoint_works_both_ways(tmp_path, monkeypatch):
    monkeypatch.setattr("sinkprune.training.train.WARM_UP", 1)
    monkeypatch.setattr(
        "sinkprune.training.train.time", steady_clock(0.05)
    )  # as many steps on a busy machine as on an idle one
    tiny_base().save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(tmp_path / "base")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("train", "held-out"):
        write_examples(data / f"{name}.npz")
    (tmp_path / "model").mkdir()
    args = argparse.Namespace(
        base=tmp_path / "base", data=data, model=tmp_path / "model", minutes=0.045, tokens=448,
        causal=0.25, cached=0.0, whole=0.6, log_seconds=1e9, compile=False, init=None, rate=0.02, certainty=0.0,
        block=0.25, certain=0.5, guided=0.0, guided_from=0.3, guidance=0.5, separator=None,
    )  # fmt: skip
    train(args, rank=0, ranks=1, device="cpu")
    recipe, last = map(json.loads, (tmp_path / "model" / "training-log.jsonl").read_text().splitlines())
    assert recipe["whole"] == 0.6
    assert recipe["certainty"] == 0.0
    assert last["masked"] < np.log(16384) - 0.5
    loaded = load_model(str(tmp_path / "model"))
    prompt = torch.arange(20, 32)[None]
    assert generate(loaded, prompt, DecodeConfig(gen_length=8, block_length=8, threshold=0.9)).tokens.shape == (1, 20)
    assert len(list(autoregress(loaded, prompt, 4))) >= 1
    write_own_examples(data / "own.npz")
    changes = {
        "init": tmp_path / "model",
        "model": tmp_path / "second",
        "certainty": 1.0,
        "cached": 0.4,
        "guided": 0.4,
        "separator": " answer",
        "minutes": 0.02,
    }
    second = argparse.Namespace(**vars(args) | changes)
    second.model.mkdir()
    train(second, rank=0, ranks=1, device="cpu")
    log = [json.loads(line) for line in (second.model / "training-log.jsonl").read_text().splitlines()]
    assert [line["certainty"] for line in log if "minutes" in line] == [0.0, 1.0]
    assert log[-1]["cached"] > 0
    assert log[-1]["guided"] > 0
    assert (
        load_model(str(second.model)).tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False)
        == "a answer"
    )


def test_the_card_of_the_bundled_model_says_what_was_measured():
    evaluation = json.loads((BUNDLED / "evaluation.json").read_text())
    log = [json.loads(line) for line in (BUNDLED / "training-log.jsonl").read_text().splitlines()]
    samples = json.loads((BUNDLED / "samples.json").read_text())
    temperature = json.loads((BUNDLED / "temperature.json").read_text())
    assert (BUNDLED / "README.md").read_text() == card(evaluation, samples, log, temperature)


def test_the_card_is_short():
    assert (BUNDLED / "README.md").stat().st_size <= 8192


def test_a_target_is_reached_missed_or_not_measured():
    lanes = {"plain": {"top1": 0.95, "words": 10}, "dual": {}, "autoregressive": {}}
    rows = target_table(lanes).splitlines()
    assert "0.95, reached" in rows[2]
    assert rows[3].endswith(f"| {MISSING} |")
    assert "10, missed" in rows[4]

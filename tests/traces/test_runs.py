import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkprune.decoding import DecodeConfig, autoregress, denoise, generate
from sinkprune.models import encode_prompt
from sinkprune.pruning import CalibrationConfig, PruneConfig, prune_model
from sinkprune.traces import runs
from sinkprune.traces.check import check_trace
from sinkprune.traces.format import add_step, decode_lane, start_lane, start_trace
from sinkprune.traces.parting import answer_ids
from sinkprune.traces.runs import check_prompt, compare_run, decode_config, finish, trace_run
from tests.word_model import END

PROMPT = "why do stars shine ?"
CONFIG = DecodeConfig(gen_length=8, block_length=4, steps=8)


@pytest.fixture(scope="module")
def stream(loaded):
    """Every value a run yields, each with a copy made when it was yielded."""
    return [(trace, copy.deepcopy(trace)) for trace in trace_run(loaded, PROMPT, CONFIG)]


def test_both_lanes_move_from_the_first_value_and_nothing_sent_changes(stream):
    first = stream[0][0]
    assert [len(lane["frames"]) for lane in first["lanes"]] == [1, 1]
    assert all(trace == at_the_time for trace, at_the_time in stream)
    for (before, _), (after, _) in itertools.pairwise(stream):
        assert before["run"] == after["run"]
        for old, new in zip(before["lanes"], after["lanes"], strict=True):
            assert new["frames"][: len(old["frames"])] == old["frames"]
    assert [lane["done"] for lane in stream[-1][0]["lanes"]] == [True, True]
    check_trace(stream[-1][0])


def test_lanes_hold_what_decoding_wrote(loaded, stream):
    diffusion, autoregressive = stream[-1][0]["lanes"]
    prompt_ids = check_prompt(loaded, PROMPT, 8)
    written = generate(loaded, prompt_ids, CONFIG)
    assert answer_ids(diffusion, loaded.spec.mask_token_id) == written.tokens[0, prompt_ids.shape[1] :].tolist()
    assert diffusion["nfe"] == written.nfe
    *_, last = autoregress(loaded, prompt_ids, 8)
    assert answer_ids(autoregressive, loaded.spec.mask_token_id) == last.canvas[0, prompt_ids.shape[1] :].tolist()
    assert [frame["visible"] for frame in autoregressive["frames"]][:2] == [6, 7]
    assert diffusion["text"]


def test_every_frames_attention_sums_to_one(stream):
    for lane in stream[-1][0]["lanes"]:
        assert decode_lane(stream[-1][0], lane).share.sum(1) == pytest.approx(1, abs=1e-3)


def test_the_settings_and_names_travel_along(loaded):
    pruning, calibration = PruneConfig("wanda", 0.5), CalibrationConfig(samples=2)
    trace = finish(compare_run(loaded, loaded, "tiny/wanda", PROMPT, CONFIG, pruning, calibration))
    check_trace(trace)
    assert [lane["model"] for lane in trace["lanes"]] == ["tiny", "tiny/wanda"]
    assert [lane["title"] for lane in trace["lanes"]] == ["Dense", "wanda, 50 % pruned"]
    assert trace["settings"]["block_length"] == 4
    assert trace["settings"]["pruning"]["method"] == "wanda"
    first, second = trace["lanes"]
    assert first["text"] == second["text"]  # the same weights, canvas and seed


def test_lanes_with_other_weights_write_other_texts(loaded, make_model):
    pruned = make_model(seed=1)
    trace = finish(compare_run(loaded, pruned, "other", PROMPT, CONFIG, PruneConfig(), CalibrationConfig()))
    assert trace["lanes"][0]["text"] != trace["lanes"][1]["text"]


def test_both_models_are_warm_before_their_time_counts(loaded, make_model):
    pruned, forwards = make_model(seed=1), []
    handle = loaded.model.register_forward_pre_hook(lambda *_: forwards.append("dense"))
    pruned.model.register_forward_pre_hook(lambda *_: forwards.append("pruned"))
    try:
        run = compare_run(loaded, pruned, "other", PROMPT, CONFIG, PruneConfig(), CalibrationConfig())
        first = next(run)
        run.close()
    finally:
        handle.remove()
    assert forwards == ["dense", "pruned"] * 2
    assert [lane["nfe"] for lane in first["lanes"]] == [1, 1]


def test_closing_stops_before_the_next_forward(loaded):
    forwards = []
    handle = loaded.model.register_forward_pre_hook(lambda *_: forwards.append(1))
    try:
        run = trace_run(loaded, PROMPT, CONFIG, ("dlm",))
        next(run)
        run.close()
        assert sum(forwards) == 1
        assert list(run) == []
    finally:
        handle.remove()


def test_a_lane_that_ends_early_waits_for_the_other(loaded):
    """In parallel decoding every token passes a tiny threshold: the diffusion lane needs one forward a block."""
    trace = finish(trace_run(loaded, PROMPT, dataclasses.replace(CONFIG, threshold=1e-9)))
    diffusion, autoregressive = trace["lanes"]
    assert len(diffusion["frames"]) == 2
    assert 1 <= len(autoregressive["frames"]) <= 8
    assert diffusion["done"]
    assert autoregressive["done"]


def test_a_structured_copy_writes_beside_the_dense_model(loaded):
    """The lane keeps the shape of the dense model's; removed heads receive nothing, and every step's shares sum to 1."""
    pruning, calibration = PruneConfig("structured", 0.6), CalibrationConfig(samples=2, length=16)
    pruned = prune_model(loaded, pruning, calibration).loaded
    trace = finish(compare_run(loaded, pruned, "key", PROMPT, CONFIG, pruning, calibration))
    check_trace(trace)
    assert trace["lanes"][1]["title"] == "structured, 60 % pruned"
    dense, cut = (decode_lane(trace, lane) for lane in trace["lanes"])
    assert dense.heads.shape[1:] == cut.heads.shape[1:]
    assert dense.heads.any(-1).all()
    gone = ~cut.heads.any(-1)
    assert gone.any()
    assert (gone == gone[0]).all()
    assert cut.share.sum(1) == pytest.approx(np.ones(len(cut.share)), abs=1e-3)


@pytest.mark.parametrize(
    ("prompt", "gen_length", "sentence"),
    [
        ("", 8, "empty"),
        (" \n\t", 8, "empty"),
        (None, 8, "empty"),
        (["a"], 8, "empty"),
        ("a" * 1001, 8, "1001 characters: shorten it to at most 1000"),
        ("sun " * 60, 200, "4 more than the 256"),
        ("\ud800", 8, "half a character"),
    ],
)
def test_prompts_that_cannot_run_are_refused_at_the_call(loaded, prompt, gen_length, sentence):
    with pytest.raises(ValueError, match=sentence):
        trace_run(loaded, prompt, DecodeConfig(gen_length=gen_length, block_length=8, steps=gen_length))


def test_the_longest_prompt_that_fits_is_accepted(loaded):
    assert check_prompt(loaded, "sun " * 56, runs.MAX_CANVAS - 56).shape == (1, 56)


@pytest.mark.parametrize("lanes", [(), ("gpt",), ("dlm", "dlm")])
def test_unknown_lanes_are_refused(loaded, lanes):
    with pytest.raises(ValueError, match="lanes must be"):
        trace_run(loaded, PROMPT, CONFIG, lanes)


def test_an_autoregressive_lane_needs_causal_weights(loaded):
    only_denoises = dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, causal=False))
    with pytest.raises(ValueError, match="only denoises"):
        trace_run(only_denoises, PROMPT, CONFIG)


@settings(max_examples=40, deadline=None)
@given(prompt=st.text(max_size=40))
def test_any_text_runs_or_is_refused_in_words(loaded, prompt):
    if prompt.strip():
        ids = check_prompt(loaded, prompt, 8)
        assert ids.dtype == torch.long
        assert ids.shape[0] == 1
    else:
        with pytest.raises(ValueError, match="empty"):
            check_prompt(loaded, prompt, 8)


def test_decode_config_takes_numbers_as_forms_send_them():
    assert decode_config(gen_length=64.0, block_length=32, steps=32, threshold=None, temperature=0) == DecodeConfig(
        gen_length=64, block_length=32, steps=32
    )
    assert decode_config(gen_length=64, block_length=32, steps=64, threshold=1).threshold == 1.0


@pytest.mark.parametrize("value", ["64", None, True, 1.5, float("nan"), float("inf"), [64]])
def test_decode_config_refuses_what_is_no_whole_number(value):
    with pytest.raises(ValueError, match="gen_length must be a"):
        decode_config(gen_length=value)


def test_decode_config_refuses_a_threshold_that_is_no_number():
    with pytest.raises(ValueError, match="threshold must be a number"):
        decode_config(threshold="high")
    with pytest.raises(ValueError, match="threshold is a probability"):
        decode_config(threshold=float("nan"))


def test_a_run_that_stops_at_its_end_still_says_what_stands_on_the_whole_canvas(loaded):
    """Of a plain run, the token of the first position ends the answer: the short run is over when that position is written."""
    config = DecodeConfig(gen_length=8, block_length=8, steps=8)
    mask = loaded.spec.mask_token_id
    end = answer_ids(finish(trace_run(loaded, PROMPT, config, ["dlm"]))["lanes"][0], mask)[0]
    ends = dataclasses.replace(loaded, spec=dataclasses.replace(loaded.spec, eos_token_id=end, other_end_ids=(END,)))
    whole, short = (
        finish(trace_run(ends, PROMPT, dataclasses.replace(config, stop_at_end=stop), ["dlm"]))["lanes"][0]
        for stop in (False, True)
    )
    assert mask not in answer_ids(short, mask)
    assert short["text"] == whole["text"]
    assert len(short["frames"]) <= len(whole["frames"])
    filled = [frame.get("filled", []) for frame in short["frames"]]
    assert not any(filled[:-1])


def test_a_filled_end_is_read_back(loaded):
    step = next(denoise(loaded, encode_prompt(loaded, PROMPT), CONFIG, record=True))
    open_ = (step.canvas[0] == loaded.spec.mask_token_id).nonzero()[:, 0]
    canvas = step.canvas.index_fill(1, open_, END)
    lane = start_lane("dlm", "Diffusion", "tiny", loaded, encode_prompt(loaded, PROMPT), canvas.shape[1])
    lane = add_step(lane, dataclasses.replace(step, canvas=canvas, filled=open_), loaded)
    assert lane["frames"][0]["filled"] == [[position, END, "<end>"] for position in open_.tolist()]
    assert answer_ids(lane, loaded.spec.mask_token_id) == canvas[0, lane["promptLength"] :].tolist()
    check_trace(start_trace(PROMPT, loaded, {}, [{**lane, "done": True}]))

"""What changing attention costs: the forwards behind the numbers, the command, and that the file in assets/ is of the bundled model."""

import dataclasses
import json

import pytest
import torch

from sinkprune.decoding import DecodeConfig, denoise
from sinkprune.decoding.interventions import Cover
from sinkprune.figures.what_if import what_if_figure
from sinkprune.models import causal_view, load_model
from sinkprune.models.fingerprint import weights_fingerprint
from sinkprune.recorded import what_if_cells
from sinkprune.recorded.covering import covered, load_covering
from sinkprune.recorded.eviction_times import load_times
from sinkprune.recorded.table_cells import read_cells
from sinkprune.recorded.what_if import FILE, load_what_if, main, measure, write_summary
from sinkprune.recorded.what_if_cells import Subject, measure_cache, measure_canvas, measure_causal
from sinkprune.recorded.what_if_settings import Change, Cut, Protocol, covers, cuts, head_cuts
from sinkprune.recorded.what_if_summary import summarise
from sinkprune.recorded.what_if_text import as_markdown, find, verdicts
from sinkprune.traces.numbers import bits
from tests.tiny_models import MASK, make_tiny

SMALL = Protocol(prompts=3, gen_length=16, block_length=8, scored=10, texts=2)
TIMES = {"rows": [{"canvas": 128, "retention": r, "ratio": ratio} for r, ratio in ((0.5, 0.99), (0.0, 0.97))]}


def tokens(count, seed):
    return torch.randint(4, 60, (count,), generator=torch.Generator().manual_seed(seed))


def subject(number=1, **model):
    tiny = make_tiny(**model)
    return Subject(tiny, causal_view(tiny), number, tokens(7, 50)[None], tokens(16, number), SMALL)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The summary's path, of a tiny model."""
    path = tmp_path_factory.mktemp("what-if") / "what-if.json"
    list(measure(make_tiny(), SMALL, [tokens(7, seed)[None] for seed in range(3)], path.with_suffix(".jsonl")))
    write_summary(path)
    return path


def test_a_whole_cache_is_decodings_dual_cache():
    """What a block loses at retention 1 is read off the very forward that decoding makes."""
    one = subject()
    early, scored, (start, end) = what_if_cells._block_canvases(one)
    masked = (scored[0, start:end] == MASK).nonzero()[:, 0] + start
    cache, columns = what_if_cells._observe(one, early[0], (start, end), [Cut("attention", 1.0)])
    cache.overwrite_from(start)
    logits = one.loaded.model(
        scored[:, start:end], position_ids=torch.arange(start, end)[None], past_key_values=cache, use_cache=True
    ).logits[0, masked - start]
    expected = torch.nn.functional.cross_entropy(logits, one.answer[masked - 7]).item()
    assert measure_cache(one)["attention 1"] == pytest.approx(expected, abs=1e-4)
    assert [len(kept) for kept in columns[Cut("attention", 1.0)]] == [early[0].shape[1]] * 3


@pytest.mark.parametrize("number", range(6))
def test_the_block_lies_in_the_answer_and_only_its_later_state_is_scored(number):
    one = subject(number)
    (before, after), scored, (start, end) = what_if_cells._block_canvases(one)
    assert 7 <= start < end <= 23
    assert end - start == 8
    assert (before[0, start:] == MASK).all()
    assert (scored[0, end:] == MASK).all()
    written = (scored[0] != MASK).nonzero()[:, 0]
    assert torch.equal(scored[0, written], torch.cat([one.prompt[0], one.answer])[written])
    assert 0 < (scored[0, start:end] == MASK).sum() < 8
    assert set((after[0] != MASK).nonzero()[:, 0].tolist()) <= set(written.tolist())


def test_nothing_kept_is_the_same_for_all_and_uneven_layers_work():
    values = measure_cache(subject(num_key_value_heads=1))
    assert set(values) == {cut.key for cut in cuts()}
    assert len(values) == len(cuts())
    assert all(0 < value < 100 for value in values.values())


def test_a_cover_costs_what_decoding_under_it_would_read():
    """The second forward of a run under a cover is chosen from the first; here both are of one canvas."""
    one = subject(5)  # level 0.15: one of ten tokens masked... the least
    canvas_values = measure_canvas(one)
    assert set(canvas_values) == {"dense", *(change.key for change in [*covers("dlm"), *head_cuts(12)])}
    level = what_if_cells.level_masks(10, one.generator, [0.15])[0]
    text = torch.cat([one.prompt[0], one.answer[:10]])
    canvas = text.clone()
    canvas[7:][level] = MASK
    with what_if_cells.record_attention(one.loaded) as recording, torch.inference_mode():
        one.loaded.model(canvas[None])
        mass = recording.column_mass[:, 0]
    given = mass.sum((0, 1)).topk(3).indices.tolist()
    # One denoising step with these columns given is the same forward.
    step = next(
        iter(
            denoise(
                one.loaded, canvas[None], DecodeConfig(gen_length=2, block_length=2, steps=2), blanks=True,
                intervention=Cover("given", positions=tuple(given)),
            )
        )
    )  # fmt: skip
    where = level.nonzero()[:, 0] + 7
    best = step.confidence[where]
    tokens_there = step.canvas[0, where]
    committed = tokens_there != MASK
    turn = what_if_cells._turn(_everywhere(mass, given), torch.zeros(1, 3, 4, dtype=torch.bool))
    with what_if_cells.change_attention(one.loaded.model.config, turn), torch.inference_mode():
        logits = one.loaded.model(canvas[None]).logits[0, where]
    assert logits[:, :].softmax(-1)[committed, tokens_there[committed]].tolist() == pytest.approx(
        best[committed].tolist(), abs=1e-3
    )
    expected = torch.nn.functional.cross_entropy(logits, text[where]).item()
    assert canvas_values["cover leading 3 everywhere"] == pytest.approx(expected, abs=1e-4)


def _everywhere(mass, positions):
    covered_columns = torch.zeros(1, *mass.shape[:2], 1, mass.shape[2], dtype=torch.bool)
    covered_columns[..., positions] = True
    return covered_columns


def test_the_causal_choice_sees_only_rows_above():
    weights = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)).tril()
    above, row = what_if_cells._mass_above(weights, 3), what_if_cells._row_above(weights, 3)
    for place, q in enumerate(range(3, 6)):
        torch.testing.assert_close(above[:, :, place, :q], weights[:, :, :q, :q].sum(2))
        torch.testing.assert_close(row[:, :, place, :q], weights[:, :, q - 1, :q])
        assert above[:, :, place, q:].isnan().all()
        assert row[:, :, place, q:].isnan().all()


def test_later_tokens_change_nothing_earlier_in_the_causal_lane():
    """The first scored token is read off the prompt's last row, which nobody covers."""
    one = subject()
    short = dataclasses.replace(one, protocol=dataclasses.replace(SMALL, scored=1))
    values = measure_causal(short)
    assert values["cover leading 5 paper"] == pytest.approx(values["dense"], abs=1e-5)
    assert measure_causal(one)["cover leading 5 per head"] != pytest.approx(measure_causal(one)["dense"], abs=1e-3)


def test_an_interrupted_run_goes_on_and_another_model_is_refused(measured, tmp_path):
    path = tmp_path / "cells.jsonl"
    lines = measured.with_suffix(".jsonl").read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:6]) + lines[6][:20])
    prompts = [tokens(7, seed)[None] for seed in range(3)]
    added = list(measure(make_tiny(), SMALL, prompts, path))
    assert len(added) == len(lines) - 6
    assert read_cells(path) == read_cells(measured.with_suffix(".jsonl"))
    with pytest.raises(ValueError, match="another model"):
        next(measure(make_tiny(seed=1), SMALL, prompts, path))


def test_the_summary_is_paired_and_holds_every_setting(measured):
    about, cells = read_cells(measured.with_suffix(".jsonl"))
    summary = load_what_if(measured)
    assert summary["prompts"] == 3
    assert summary["weights"] == about["weights"]
    assert len(summary["rows"]) == len(cuts()) + len(covers("dlm")) + len(covers("ar")) + len(head_cuts(12))
    for delay, which in ((0, "attention"), (1, "official, kernel 3, delay 1")):
        assert find(summary, kind="cache", which=which, retention=1.0)["nats"] == [0.0] * 3, delay
    values = [cell["values"] for cell in cells if cell["part"] == "canvas"]
    key = Change("dlm", Cover("leading", 3)).key
    mean = sum(one[key] - one["dense"] for one in values) / 3
    row = find(summary, kind="cover", lane="dlm", which="leading", count=3, scope="per head")
    assert row["nats"][0] == pytest.approx(mean, abs=1e-4)
    assert find(summary, kind="cover", lane="ar", which="random", count=3, scope="everywhere")["above_random"] is None
    with pytest.raises(ValueError, match="at least 2"):
        summarise(about, [cell for cell in cells if cell["prompt"] == 0])


def test_learn_and_claims_read_covers_out_of_the_same_file(measured, tmp_path):
    covering = load_covering(measured)
    for lane in ("dlm", "ar"):
        row = find(load_what_if(measured), kind="cover", lane=lane, which="leading", count=1, scope="per head")
        assert covered(covering, lane, "leading", 1) == [bits(nats) for nats in row["nats"]]
    assert load_covering(tmp_path / "nothing.json") is None


def test_words_and_figure_follow_the_numbers(measured):
    summary = load_what_if(measured)
    said = as_markdown(summary, None)
    assert "3 held-out prompts" in said
    assert "not measured" in said
    figure = what_if_figure(summary)
    assert figure.data[0].y[1] == bits(find(summary, kind="cache", which="attention", retention=0.25)["nats"][0])
    row = find(summary, kind="cache", which="attention", retention=0.5)
    for nats, words in (
        ([0.5, 0.4, 0.6], "costs quality"), ([0, -0.1, 0.1], "told from chance"), ([-0.3, -0.4, -0.2], "even helps"),
    ):  # fmt: skip
        row["nats"] = nats
        assert words in verdicts(summary, TIMES)[0]
    assert "does not hold" in verdicts(summary, TIMES)[0]
    faster = {"rows": [row | {"ratio": row["ratio"] / 2} for row in TIMES["rows"]]}
    assert "holds from 128" in verdicts(summary, faster)[0]
    for nats, words in (([0.9, 0.8, 1.0], "keys to keep"), ([0.0, -0.4, 0.3], "do without")):
        find(summary, kind="cache", which="attention", retention=0.5)["nats"] = [0.0, -0.1, 0.1]
        find(summary, kind="cache", which="no-sinks", retention=0.5)["nats"] = nats
        assert words in verdicts(summary, None)[1]
    for row in summary["lanes"]:
        row["nats"] = [1.0, 0.5, 1.5]
    assert "contrast shows: the autoregressive lane loses more" in verdicts(summary, None)[2]


def test_the_shipped_file_is_of_the_bundled_model(capsys):
    summary = load_what_if()
    assert summary["weights"] == weights_fingerprint(load_model("bundled", dtype=getattr(torch, summary["dtype"])))
    assert summary["prompts"] == Protocol().prompts
    assert summary["protocol"] == dataclasses.asdict(Protocol())
    about, cells = read_cells(FILE.with_suffix(".jsonl"))
    assert summary == json.loads(json.dumps(summarise(about, cells)))
    main(["--markdown"])
    assert verdicts(summary, load_times())[0] in capsys.readouterr().out

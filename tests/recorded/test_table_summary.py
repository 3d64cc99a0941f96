"""The summary, its words and its tables say what the cells say."""

import itertools
import re

import pytest

from sinkprune.recorded.table_summary import summarise
from sinkprune.recorded.table_text import as_markdown, details_table, findings
from tests.recorded.table_samples import ABOUT, GAINS, made_up_cells, made_up_table


@pytest.fixture(scope="module")
def table() -> dict:
    return made_up_table()


def gain_of(table, variant, baseline, sparsity) -> dict:
    (found,) = {
        tuple(gain["gain"]): gain
        for gain in table["gains"]
        if (gain["variant"], gain["baseline"], gain["sparsity"]) == (variant, baseline, sparsity)
    }.values()
    return found


@pytest.mark.parametrize("baseline", ["wanda", "sink-wanda, weight 1"])
@pytest.mark.parametrize(("sparsity", "verdict"), [(0.25, "tie"), (0.5, "win"), (0.75, "loss")])
def test_true_gains_are_found(table, baseline, sparsity, verdict):
    gain = gain_of(table, "sink-wanda", baseline, sparsity)
    mean, low, high = gain["gain"]
    assert gain["verdict"] == verdict
    assert low <= GAINS[sparsity] <= high
    assert mean == pytest.approx(GAINS[sparsity], abs=0.05)


def test_rows_are_means_over_seeds_and_texts(table):
    cells = [line for line in made_up_cells() if (line["variant"], line["sparsity"]) == ("wanda", 0.5)]
    (row,) = [row for row in table["rows"] if (row["variant"], row["sparsity"]) == ("wanda", 0.5)]
    bits = [value for line in cells for value in line["bits"]]
    assert row["bits"] == pytest.approx(sum(bits) / len(bits), abs=1e-4)
    assert row["above_dense"][0] == pytest.approx(1.0, abs=0.05)
    assert (row["agreement"], row["repeated"], row["seeds"], row["prune_seconds"]) == (0.5, 0.25, 3, 1.5)


def test_only_complete_seeds_count():
    cells = [line for line in made_up_cells() if (line["variant"], line["seed"]) != ("wanda", 2)]
    table = summarise(ABOUT, cells)
    assert table["protocol"]["seeds"] == [0, 1]
    assert {row["seeds"] for row in table["rows"] if row["variant"] != "magnitude"} == {2}
    with pytest.raises(ValueError, match="no calibration seed"):
        summarise(ABOUT, [line for line in cells if line["variant"] != "wanda"])
    with pytest.raises(ValueError, match="lack the dense model"):
        summarise(ABOUT, cells[1:])


def test_the_paragraph_says_the_verdicts(table):
    said = findings(table)
    assert re.search(
        r"sink-wanda wins at 50 % \(by 0\.\d+ bits per token\), ties at 25 % and loses at 75 % \(by 0\.\d+ bits", said
    )
    assert "sink-sparsegpt ties at 25, 50 and 75 %" in said
    assert "sink-wanda against wanda wins at 50 %" in said
    assert "sink-sparsegpt against" not in said  # its official baseline is its ablation: told once
    assert "Of 7 comparisons the sink weight wins 2, ties 4 and loses 1." in said
    assert re.search(r"largest certain effect (saves|costs) 0\.\d+ bits per token \(sink-wanda at (50|75) %\)", said)


def test_a_paragraph_without_effects_claims_none(table):
    gains = [{**gain, "verdict": "tie"} for gain in table["gains"]]
    said = findings({**table, "gains": gains})
    assert "No effect of the sink weight is larger" in said
    assert "wins at" not in said
    assert "loses at" not in said


def test_a_win_that_the_ablation_shares_is_not_credited_to_the_sinks(table):
    words = "the win over the official baseline is not shown to be the sink weight's"
    assert words not in findings(table)
    gains = [{**gain, "verdict": "tie"} if gain["kind"] == "ablation" else gain for gain in table["gains"]]
    said = findings({**table, "gains": gains})
    assert f"For sink-wanda at 50 % and sink-structured at 50 %, {words}" in said


def test_every_verdict_decides_its_own_words(table):
    """Whatever the verdicts are, each sparsity is named once under its own."""
    of_wanda = [gain for gain in table["gains"] if (gain["variant"], gain["kind"]) == ("sink-wanda", "ablation")]
    for verdicts in itertools.product(("win", "tie", "loss"), repeat=3):
        gains = [{**gain, "verdict": verdict} for gain, verdict in zip(of_wanda, verdicts, strict=True)]
        said = findings({**table, "gains": gains})
        for word, verdict in (("wins", "win"), ("ties", "tie"), ("loses", "loss")):
            places = [f"{gain['sparsity'] * 100:.0f}" for gain in gains if gain["verdict"] == verdict]
            found = re.search(rf"{word} at ([\d, and]+) %", said)
            assert (re.findall(r"\d+", found[1]) if found else []) == places


def test_markdown_tables_are_whole(table):
    for text in (as_markdown(table), details_table(table)):
        for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            assert len({line.count("|") for line in block.strip().splitlines()}) == 1
    text = as_markdown(table)
    assert f"{table['dense']['bits']:.3f}" in text
    assert "**+0.5" in text  # a win is bold
    assert "1.40 x" in text

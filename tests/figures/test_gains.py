"""The axis of the figure of gains, and what its caption says of it."""

from sinkprune.figures.pruning import gain_caption, gain_figure, gain_range
from sinkprune.recorded.pruning_table import load_table
from sinkprune.recorded.table_text import verdict, verdicts_table


def gain(mean, low, high):
    verdict = "win" if low > 0 else "loss" if high < 0 else "tie"
    return {
        "variant": "sink-wanda",
        "baseline": "wanda",
        "kind": "ablation",
        "sparsity": 0.5,
        "gain": [mean, low, high],
        "verdict": verdict,
    }


def test_certain_effects_fill_the_axis_and_a_wide_tie_is_cut_and_said():
    table = {"rows": [], "gains": [gain(0.1, 0.05, 0.2), gain(0.1, -9, 9), gain(2.0, -9, 9)]}
    low, high = gain_range(table["gains"])
    assert (low, high) == (-high, 0.2 * 1.5)
    assert "of 3 intervals 2 leave it and are cut, and 1 means lie outside" in gain_caption(table, "ablation")
    assert tuple(gain_figure(table, "ablation").layout.yaxis.range) == (low, high)


def test_nothing_is_said_to_be_cut_where_nothing_is():
    table = {"rows": [], "gains": [gain(0.1, 0.05, 0.2)]}
    assert "cut" not in gain_caption(table, "ablation")


def test_the_verdict_and_its_table_count_the_same():
    table = load_table()
    rows = [line.split("|")[2:5] for line in verdicts_table(table).splitlines()[2:]]
    wins, ties, losses = (sum(int(row[column]) for row in rows) for column in range(3))
    assert (
        verdict(table)
        == f"Of {wins + ties + losses} comparisons the sink weight wins {wins}, ties {ties} and loses {losses}."
    )

import dataclasses
import json
import re

import numpy as np
import pytest
from table_samples import GAINS, made_up_table

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.figures import (
    LAYER_FLOOR,
    sink_trajectory,
    stage_heatmaps,
    variance_bars,
    variance_by_layer,
)
from sinkprune.lab.pruning_figures import change_heatmap, gain_figure, sparsity_per_layer
from sinkprune.lab.runs import finish, trace_run
from sinkprune.lab.statistics import layer_statistics, trace_statistics
from sinkprune.lab.trace import decode_lane

PLOTLY_3_TRACES = {"scatter", "bar", "heatmap"}
CHANGES = np.array([[0.0, 0.2, 0.4], [0.1, 0.3, 0.5]])  # 2 layers, 3 heads


@pytest.fixture(scope="module")
def trace(loaded):
    return finish(trace_run(loaded, "the sun is <b>", DecodeConfig(gen_length=8, block_length=4, steps=8)))


@pytest.fixture(scope="module")
def figures(trace):
    lanes = trace_statistics(trace)
    return {
        "trajectory": sink_trajectory(lanes, lanes * 3),
        "variances": variance_bars(lanes),
        "layers": variance_by_layer(trace),
        "stages": stage_heatmaps(trace, trace["lanes"][0]),
        "sparsity": sparsity_per_layer([0.5, 0.48], 0.5),
        "gains": gain_figure(made_up_table(), "official"),
        "changes": change_heatmap(CHANGES, ["1", "2", "3"], "head"),
        "differences": change_heatmap(CHANGES - 0.3, ["1", "2", "3"], "head", signed=True),
    }


def test_figures_are_small_transparent_and_plain(figures):
    """What gr.Plot's plotly.js 3 can draw, on any background, without a template or frames."""
    for name, figure in figures.items():
        content = figure.to_json()
        assert len(content) < 60_000, name
        assert {part["type"] for part in json.loads(content)["data"]} <= PLOTLY_3_TRACES
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert not figure.frames
        assert not figure.layout.template.layout.to_plotly_json()


def contrast(colour: str, background: float) -> float:
    """WCAG contrast of #rrggbb against a background of the given relative luminance."""
    channels = [int(part, 16) / 255 for part in re.findall("..", colour[1:])]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (max(luminance, background) + 0.05) / (min(luminance, background) + 0.05)


def test_lines_and_text_are_seen_on_white_and_on_a_dark_card(figures):
    parts = [*figures["trajectory"].data, *figures["layers"].data]
    colours = {part.line.color for part in parts if part.line.color}
    for colour in colours | {figures["trajectory"].layout.font.color}:
        assert contrast(colour, 1.0) >= 3
        assert contrast(colour, 0.02) >= 3  # #27272a, the dark card


def test_the_trajectory_shows_each_lanes_centroid(trace, figures):
    lines = {part.name: part for part in figures["trajectory"].data if part.hovertemplate}
    for lane in trace_statistics(trace):
        line = lines[lane.title]
        assert np.allclose(line.y, lane.centroids, equal_nan=True)
        assert (line.x[0], line.x[-1]) == (0, 100)
    assert len({line.line.dash for line in lines.values()}) == 2  # told apart by more than colour


def test_the_trajectory_of_a_layer_says_which(trace, figures):
    assert figures["trajectory"].layout.title.text == "mean over all layers"
    lanes = trace_statistics(trace, layer=1)
    figure = sink_trajectory(lanes)
    assert figure.layout.title.text == "layer 2"
    line = next(part for part in figure.data if part.name == lanes[0].title)
    assert np.allclose(line.y, lanes[0].centroids, equal_nan=True)


def test_each_layers_variance_is_drawn_and_zero_is_called_zero(trace, monkeypatch):
    layers = [
        dataclasses.replace(lane, temporal_variance=0.0 if lane.kind == "ar" else lane.temporal_variance)
        for lane in layer_statistics(trace)
    ]
    monkeypatch.setattr("sinkprune.lab.figures.layer_statistics", lambda _: layers)
    figure = variance_by_layer(trace)
    diffusion, causal = figure.data
    assert list(diffusion.x) == [1, 2]
    expected = [lane.temporal_variance for lane in layers if lane.kind == "dlm"]
    assert np.allclose(diffusion.y, np.maximum(expected, LAYER_FLOOR), equal_nan=True)
    assert list(causal.y) == [LAYER_FLOOR] * 2
    assert list(causal.text) == ["0", "0"]
    assert (diffusion.marker.symbol, diffusion.line.dash) != (causal.marker.symbol, causal.line.dash)
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.range[0] < np.log10(LAYER_FLOOR)


def test_the_variances_are_written_on_the_bars(trace, figures):
    written = [part.text[0] for part in figures["variances"].data]
    lanes = {lane.kind: lane for lane in trace_statistics(trace)}
    expected = [(lanes[kind].spatial_variance, lanes[kind].temporal_variance) for kind in ("dlm", "ar")]
    assert written == [
        f"{value:.3g}" for column in zip(*expected, strict=True) for value in column if np.isfinite(value)
    ]
    assert figures["variances"].layout.yaxis.type == figures["variances"].layout.yaxis2.type == "log"


def test_stage_heatmaps_show_the_recorded_heads(trace, figures):
    lane = trace["lanes"][0]
    arrays = decode_lane(trace, lane)
    for heatmap, step in zip(figures["stages"].data, (2, 4, 5), strict=True):
        expected = arrays.heads[step].reshape(8, lane["length"]).T * lane["length"]
        assert np.abs(np.asarray(heatmap.z) - expected).max() < 0.01
    assert len({heatmap.zmax for heatmap in figures["stages"].data}) == 1


def test_stage_heatmaps_need_a_step(trace):
    with pytest.raises(ValueError, match="no step yet"):
        stage_heatmaps(trace, {**trace["lanes"][0], "frames": []})


def test_gains_stand_above_below_or_across_zero(figures):
    """sink-wanda's true gains are 0, +0.5, -0.5 at 25, 50, 75 %: a tie is open, and its interval reaches zero."""
    wanda, sparsegpt = figures["gains"].data
    assert list(wanda.y) == pytest.approx(list(GAINS.values()), abs=0.05)
    assert list(wanda.marker.symbol) == ["circle-open", "circle", "circle"]
    low, high = wanda.y - wanda.error_y.arrayminus, wanda.y + wanda.error_y.array
    assert low[0] < 0 < high[0]
    assert low[1] > 0 > high[2]
    assert set(sparsegpt.marker.symbol) == {"diamond-open"}
    assert [part.customdata[0][1] for part in (wanda, sparsegpt)] == ["wanda", "sparsegpt"]
    assert list(figures["gains"].layout.xaxis.ticktext) == ["25%", "50%", "75%"]
    assert all(a < b for a, b in zip(wanda.x, sparsegpt.x, strict=True))  # beside each other, never on one spot


def test_the_ablation_has_its_own_baselines():
    baselines = {part.name: part.customdata[0][1] for part in gain_figure(made_up_table(), "ablation").data}
    assert baselines == {"sink-wanda": "sink-wanda, weight 1", "sink-sparsegpt": "sparsegpt"}


def test_change_heatmaps_are_percent_by_layer_and_head(figures):
    (plain,), (signed,) = figures["changes"].data, figures["differences"].data
    assert np.allclose(plain.z, 100 * CHANGES)
    assert (plain.zmin, plain.zmax) == (0, 50)
    assert np.allclose(signed.z, 100 * (CHANGES - 0.3))
    assert signed.zmin == -signed.zmax == -30  # zero is the middle colour
    assert list(plain.y) == [1, 2]
    assert change_heatmap(np.zeros((2, 3)), "abc", "head", signed=True).data[0].zmax > 0


def test_sparsity_bars_are_percent(figures):
    assert list(figures["sparsity"].data[0].y) == [50, 48]
    assert figures["sparsity"].layout.shapes[0].y0 == 50

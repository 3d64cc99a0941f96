import dataclasses
import json
import re

import numpy as np
import pytest

from sinkprune.decoding import DecodeConfig, denoise
from sinkprune.figures.pruning import change_heatmap, gain_figure, sparsity_per_layer
from sinkprune.figures.rows import value_rows
from sinkprune.figures.sinks import LAYER_FLOOR, sink_trajectory, stage_heatmaps, variance_bars, variance_by_layer
from sinkprune.figures.value_norms import value_norm_scatter
from sinkprune.traces.runs import check_prompt, finish, trace_run
from sinkprune.traces.sink_statistics import PROGRESS, layer_statistics, mean_trajectory, trace_statistics
from sinkprune.traces.stages import trace_stages
from sinkprune.traces.value_norms import value_points
from tests.recorded.table_samples import GAINS, made_up_table

PLOTLY_3_TRACES = {"scatter", "bar", "heatmap"}
CHANGES = np.array([[0.0, 0.2, 0.4], [0.1, 0.3, 0.5]])  # 2 layers, 3 heads


@pytest.fixture(scope="module")
def trace(loaded):
    return finish(trace_run(loaded, "the sun is <b>", DecodeConfig(gen_length=8, block_length=4, steps=8)))


def spread(lanes):
    """Three runs: the lanes with their positions and variances times 1, 2 and 3."""
    return [
        dataclasses.replace(
            lane, centroids=lane.centroids * factor,
            spatial_variance=lane.spatial_variance * factor, temporal_variance=lane.temporal_variance * factor,
        )
        for factor in (1, 2, 3)
        for lane in lanes
    ]  # fmt: skip


@pytest.fixture(scope="module")
def figures(trace):
    lanes = trace_statistics(trace)
    return {
        "trajectory": sink_trajectory(lanes, lanes * 3),
        "variances": variance_bars(lanes),
        "set trajectory": sink_trajectory([], spread(lanes)),
        "set variances": variance_bars(spread(lanes)),
        "layers": variance_by_layer(layer_statistics(trace)),
        "set layers": variance_by_layer(spread(layer_statistics(trace))),
        "stages": stage_heatmaps(trace_stages(trace)),
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
    assert figures["trajectory"].layout.yaxis.title.text == "position, all layers"
    lanes = trace_statistics(trace, layer=1)
    figure = sink_trajectory(lanes)
    assert figure.layout.yaxis.title.text == "position, layer 2"
    line = next(part for part in figure.data if part.name == lanes[0].title)
    assert np.allclose(line.y, lanes[0].centroids, equal_nan=True)


def test_a_set_of_prompts_is_its_mean_with_a_band_of_one_deviation(trace, figures):
    band, line = figures["set trajectory"].data[:2]
    lanes = [lane for lane in spread(trace_statistics(trace)) if lane.title == "Diffusion"]
    mean, deviation = mean_trajectory([lane.centroids for lane in lanes])
    assert np.allclose(line.y, mean)
    assert np.allclose(line.customdata, deviation)
    assert np.allclose(band.y[: len(PROGRESS)], mean + deviation)
    assert np.allclose(band.y[len(PROGRESS) :][::-1], np.maximum(mean - deviation, 0))


def test_runs_of_different_lengths_are_stretched_and_gaps_bridged():
    mean, deviation = mean_trajectory([np.array([0.0, 10.0]), np.array([0.0, np.nan, 10.0]), np.array([6.0])])
    assert mean[[0, 25, 50]] == pytest.approx([2, 16 / 3, 26 / 3])
    assert deviation[25] == pytest.approx(np.std([5, 5, 6]))


def test_a_set_of_prompts_has_a_dash_each_and_quartiles_in_each_layer(trace, figures):
    bar, dashes = figures["set variances"].data[:2]
    spatial = trace_statistics(trace)[0].spatial_variance
    assert bar.y[0] == pytest.approx(2 * spatial)
    assert list(dashes.customdata) == pytest.approx([spatial, 2 * spatial, 3 * spatial])
    layer = layer_statistics(trace)[1].temporal_variance
    points = figures["set layers"].data[0]
    assert points.y[1] == pytest.approx(max(2 * layer, LAYER_FLOOR), nan_ok=True)
    assert points.error_y.array[1] == pytest.approx(max(2.5 * layer, LAYER_FLOOR) - points.y[1], nan_ok=True)
    assert not figures["layers"].data[0].error_y.visible


def test_each_layers_variance_is_drawn_and_zero_is_called_zero(trace):
    layers = [
        dataclasses.replace(lane, temporal_variance=0.0 if lane.kind == "ar" else lane.temporal_variance)
        for lane in layer_statistics(trace)
    ]
    figure = variance_by_layer(layers)
    diffusion, causal = figure.data
    assert list(diffusion.x) == [1, 2]
    expected = [lane.temporal_variance for lane in layers if lane.kind == "dlm"]
    assert np.allclose(diffusion.y, np.maximum(expected, LAYER_FLOOR), equal_nan=True)
    assert list(causal.y) == [LAYER_FLOOR] * 2
    assert list(causal.text) == ["0", "0"]
    assert (diffusion.marker.symbol, diffusion.line.dash) != (causal.marker.symbol, causal.line.dash)
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.range[0] < np.log10(LAYER_FLOOR)


def test_the_variances_are_written_below_the_bars(trace, figures):
    layout = figures["variances"].layout
    for axis, field in ((layout.xaxis, "spatial_variance"), (layout.xaxis2, "temporal_variance")):
        values = {lane.title: getattr(lane, field) for lane in trace_statistics(trace)}
        expected = {title: f"{value:.3g}" for title, value in values.items() if np.isfinite(value)}
        assert dict(zip(axis.tickvals or (), axis.ticktext or (), strict=True)) == expected
    assert layout.yaxis.type == layout.yaxis2.type == "log"


def test_zero_is_no_bar_on_a_log_axis(trace):
    lanes = [dataclasses.replace(lane, spatial_variance=0.0, temporal_variance=2.0) for lane in trace_statistics(trace)]
    figure = variance_bars(lanes)
    heights = {bar.xaxis: bar.y for bar in figure.data}
    assert heights == {"x": (None,), "x2": (2.0,)}
    assert set(figure.layout.xaxis.ticktext) == {"0"}


def test_stage_heatmaps_show_every_head_of_both_lanes(trace, figures):
    maps = iter(figures["stages"].data)
    for lane in trace_stages(trace):
        for masses in lane.masses:
            drawn = np.asarray(next(maps).z)
            assert drawn.shape == (masses.shape[-1], 8)
            assert np.allclose(drawn[:, 5], masses[1, 1], atol=0.006, equal_nan=True)
    assert len({(heatmap.zmin, heatmap.zmax) for heatmap in figures["stages"].data}) == 1
    assert sum(heatmap.showscale for heatmap in figures["stages"].data) == 1


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
    assert list(figures["gains"].layout.xaxis.ticktext) == ["25 %", "50 %", "75 %"]
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


def test_value_norms_are_drawn_where_they_were_recorded(loaded, trace):
    """Points agree with the steps that they come from, up to what the trace rounds."""
    assert value_points(trace) == []
    config = DecodeConfig(gen_length=8, block_length=4, steps=8)
    lanes = finish(trace_run(loaded, "the sun is <b>", config, value_norms=True))
    for layer in (None, 1):
        points = value_points(lanes, layer)
        assert [len(lane.positions) for lane in points] == [
            lane["frames"][-1]["visible"] - (lane["kind"] == "ar") for lane in lanes["lanes"]
        ]
        figure = value_norm_scatter(points)
        assert [trace.name for trace in figure.data] == [lane.title for lane in points]
        rows = value_rows(points)
        assert len(rows) == sum(len(lane.positions) for lane in points)
        prompt_ids = check_prompt(loaded, "the sun is <b>", 8)
        steps = list(denoise(loaded, prompt_ids, config, value_norms=True))
        relative = [s.value_norms.numpy() / np.median(s.value_norms, axis=1, keepdims=True) for s in steps]
        chosen = slice(None) if layer is None else slice(1, 2)
        norms = np.mean(
            [one[chosen].mean(0) for one in relative],
            axis=0,
        )
        assert np.allclose(points[0].values, norms, rtol=0.05)

"""Titles and definitions of the figures of the sinks. Equation numbers are those of arXiv 2602.17664."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FigureText:
    """title: plain text. definition: HTML of our own, the equation and what it means in plain words."""

    title: str
    definition: str


SINK_FIGURES = {
    "trajectory": FigureText(
        "Where the sinks are (paper Fig. 5)",
        "<p><i>c<sub>t</sub></i> = Σ<sub><i>i</i>∈<i>S<sub>t</sub></i></sub> <i>m<sub>t</sub></i>(<i>i</i>)·<i>i</i> / "
        "Σ<sub><i>i</i>∈<i>S<sub>t</sub></i></sub> <i>m<sub>t</sub></i>(<i>i</i>) (eq. 7, left)</p>"
        "<p>The line is the centroid of the sinks at each step: the mean of their positions, each counted by the attention it receives. "
        "Dots are the single sinks. The band is the mean centroid of the recorded prompts, one standard deviation to either side; runs of "
        "different lengths are stretched to 100 %, and steps without a sink are bridged.</p>",
    ),
    "variances": FigureText(
        "Spatial and temporal variance (Fig. 4)",
        "<p>σ²<sub>spatial</sub> = Var<sub><i>i</i></sub>( (1/<i>T</i>) Σ<sub><i>t</i></sub> <i>m<sub>t</sub></i>(<i>i</i>) ) (eq. 6)"
        "<br>σ²<sub>temporal</sub> = Var<sub><i>t</i></sub>( <i>c<sub>t</sub></i> ) (eq. 7, right)</p>"
        "<p>Spatial: how unevenly positions are attended on average over the run; a few that dominate make it large. Temporal: how far the "
        "centroid of the sinks travels, in tokens squared; sinks that stay make it zero. Axes are logarithmic; for several prompts the bar "
        "is their mean and every dash is one prompt.</p>",
    ),
    "layers": FigureText(
        "Temporal variance in each layer",
        "<p>σ²<sub>temporal</sub> (eq. 7) with <i>m<sub>t</sub></i> taken from one layer, the mean over its heads.</p>"
        "<p>A sink that all layers share can hide, in their mean, sinks that wander in single layers. Over several prompts: the median, "
        "with a bar from the first to the third quartile.</p>",
    ),
    "stages": FigureText(
        "Attention at three stages (Fig. 2)",
        "<p><i>A</i><sub><i>j</i></sub><sup>(<i>t,ℓ,h</i>)</sup> = (1/<i>S</i>) Σ<sub><i>i</i></sub> "
        "<i>A</i><sub><i>i,j</i></sub><sup>(<i>t,ℓ,h</i>)</sup> (eq. 8), shown in units of its mean over <i>j</i></p>"
        "<p>Every column is one head, layer after layer; every row is a token position. A bright row is a sink that many heads share: "
        "compare where it stands at the three steps. 1 is what uniform attention would give. Positions that are not written yet are empty "
        "in the autoregressive lane.</p>",
    ),
    "values": FigureText(
        "Attention received against value norm",
        "<p>‖<i>v<sub>i</sub></i>‖: the length of a token's value vector, mean over heads, in units of the layer's median token; means "
        "over the steps that read the token.</p>"
        "<p>Attention moves value vectors: a token with a short one gives little, however much it is looked at. Sinks tend to have "
        "short ones in the later layers, so looking at them is close to looking nowhere "
        "(<a href='https://arxiv.org/abs/2601.19657' target='_blank' rel='noopener'>arXiv 2601.19657</a>). Choose a layer above.</p>",
    ),
}

PRUNED_SINKS = FigureText(
    "Dense river less pruned river, by method",
    "<p><i>d<sub>t</sub></i>(<i>i</i>) = <i>N</i>·( <i>a<sub>t</sub></i>(<i>i</i>) − <i>ã<sub>t</sub></i>(<i>i</i>) ), where <i>a</i> "
    "and <i>ã</i> are the shares of attention that position <i>i</i> receives at step <i>t</i> in the dense model and in the pruned copy, "
    "mean over layers and heads (eq. 8)</p>"
    "<p>Red: pruning took attention away from this position; blue: it drew attention there; pale: no change. In units of the mean: "
    "1 is what uniform attention would give. “The dense model's text” lets every copy read the canvases that the dense model wrote: only "
    "the weights differ; “its own text” lets each write for itself from the same masked canvas, so its river also follows other words. "
    "Below: half the sum of |<i>a</i> − <i>ã</i>| over positions, mean over steps.</p>",
)

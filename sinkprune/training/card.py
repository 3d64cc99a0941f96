"""The model card: what was trained on what, what was measured, and what it cannot do.

python -m sinkprune.training.card assets/bundled    # writes README.md from the four files that training and measuring left there
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sinkprune.training.temperature import RECORD

TEMPLATE = Path(__file__).with_name("card_template.md")
MISSING = "not measured"
LANES = {
    "plain": "one token a step",
    "parallel": "threshold 0.9",
    "dual": "dual cache, threshold 0.9",
    "autoregressive": "autoregressive",
}
COLUMNS = {
    "top1": ("top-1", "{:.2f}"),
    "words": ("words", "{:.0f}"),
    "words_in_first_30": ("words in the first 30 of each", "{:.0f}"),
    "shared_4grams": ("4-grams shared with another answer", "{:.3f}"),
    "doubled": ("answers with a doubled word", "{:.0f}"),
    "stock_phrases": ("stock phrases per 1,000 words", "{:.0f}"),
    "judge_nats": ("the judge's nats per token", "{:.2f}"),
    "forwards": ("forwards, median", "{:g}"),
    "nats": ("own nats per token", "{:.3f}"),
}
# (what, lane, number, whether more is better, target)
TARGETS = (
    ("top-1, one token a step", "plain", "top1", True, 0.92),
    ("top-1, autoregressive", "autoregressive", "top1", True, 0.95),
    ("distinct words, one token a step", "plain", "words", True, 850),
    ("distinct words in the first 30 of each answer", "plain", "words_in_first_30", True, 690),
    ("4-grams shared with another answer, one token a step", "plain", "shared_4grams", False, 0.05),
    ("the judge's nats per token, one token a step", "plain", "judge_nats", False, 1.45),
    ("top-1, dual cache and threshold 0.9", "dual", "top1", True, 0.88),
    ("distinct words, dual cache and threshold 0.9", "dual", "words", True, 800),
    ("forwards, dual cache and threshold 0.9", "dual", "forwards", False, 30),
    ("answers with a doubled word, dual cache and threshold 0.9", "dual", "doubled", False, 3),
    ("stock phrases per 1,000 words, one token a step", "plain", "stock_phrases", False, 6.5),
)


def card(evaluation: dict, samples: dict, log: list[dict], temperature: dict) -> str:
    """The card as Markdown with front matter.

    log: for each phase of training its settings, then one line per measurement. temperature: as `training.temperature` saves it.
    """
    loss_of = dict(zip(temperature["scales"], temperature["masked_cross_entropy"], strict=True))
    return TEMPLATE.read_text().format(
        prompts=evaluation["prompts"],
        watched=evaluation["sinks"]["dlm"]["prompts"],
        device=evaluation["device"],
        dtype=evaluation["dtype"],
        minutes=sum(line["minutes"] for line in log if "minutes" in line),
        lanes=lane_table(evaluation["lanes"]),
        measurements="\n".join(f"| {what} | {value} |" for what, value in measurements(evaluation)),
        targets=target_table(evaluation["lanes"]),
        scale=f"{temperature['scale']:g}",
        loss_scaled=f"{loss_of[temperature['scale']]:.3f}",
        loss_unscaled=f"{loss_of[1.0]:.3f}",
        samples="\n\n".join(
            quoted(prompt, answer) for prompt, answer in zip(samples["prompts"][:2], samples["dense"][:2], strict=True)
        ),
    )


def lane_table(lanes: dict[str, dict]) -> str:
    """One Markdown row per number, one column per lane."""
    rows = [["", *LANES.values()], ["---"] * (len(LANES) + 1)]
    for name, (title, form) in COLUMNS.items():
        rows.append([title, *(shown(lanes[lane].get(name), form) for lane in LANES)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def target_table(lanes: dict[str, dict]) -> str:
    """Each target, what was measured, and whether that reaches it."""
    rows = ["| target | value | measured |", "| --- | --- | --- |"]
    for what, lane, name, more, target in TARGETS:
        value = lanes[lane].get(name)
        reached = "" if value is None else ", reached" if (value >= target if more else value <= target) else ", missed"
        rows.append(f"| {what} | {'at least' if more else 'at most'} {target:g} | {shown(value, '{:g}')}{reached} |")
    return "\n".join(rows)


def shown(value: float | None, form: str) -> str:
    return MISSING if value is None else form.format(value)


def measurements(evaluation: dict) -> list[tuple[str, str]]:
    """(what was measured, its value) as the card says them."""
    nats, lanes, difference = evaluation["cross_entropy"], evaluation["lanes"], evaluation["answer_nats_difference"]
    dlm, ar = evaluation["sinks"]["dlm"], evaluation["sinks"]["ar"]
    faster = lanes["plain"]["seconds"] / lanes["dual"]["seconds"]
    return [
        (
            "held-out masked cross-entropy, mean over t = .15 … .95, the end tokens that fill the canvas included",
            f"{nats['masked']:.2f} nats per token",
        ),
        ("held-out next-token cross-entropy of the answers (causal)", f"{nats['next_token']:.2f} nats per token"),
        (
            "length of an answer at threshold 0.9",
            f"median {lanes['parallel']['tokens']:.0f} tokens, the rest end tokens",
        ),
        ("answers with fewer than 5 % repeated 4-grams", f"{lanes['parallel']['repeats_below_5_percent']:.0%}"),
        ("answers that end by themselves or at a sentence's end", f"{lanes['parallel']['ends']:.0%}"),
        ("dual cache and threshold 0.9 against one token a step", f"{faster:.1f} times the tokens per second"),
        (
            "own nats of the dual cache's answer less those of one token a step",
            f"{difference['mean']:+.3f} ± {difference['standard_error']:.3f} (standard error)",
        ),
        (
            "temporal variance of the sink centroid (eq. 7), mean over all layers",
            f"diffusion {dlm['temporal_variance']:.2f}, autoregressive {ar['temporal_variance']:.3f} (medians)",
        ),
        (
            "spatial variance (eq. 6, mass normalised to mean 1)",
            f"diffusion {dlm['spatial_variance']:.2f}, autoregressive {ar['spatial_variance']:.2f} (medians)",
        ),
    ]


def quoted(prompt: str, answer: str) -> str:
    """One prompt and its unpicked answer as Markdown, whatever characters the answer has."""
    lines = "\n".join(f"    {line}" for line in answer.splitlines())
    return f"**{prompt}**\n\n{lines}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    model = parser.parse_args().model
    evaluation = json.loads((model / "evaluation.json").read_text())
    samples = json.loads((model / "samples.json").read_text())
    log = [json.loads(line) for line in (model / "training-log.jsonl").read_text().splitlines()]
    temperature = json.loads((model / RECORD).read_text())
    (model / "README.md").write_text(card(evaluation, samples, log, temperature))


if __name__ == "__main__":
    main()

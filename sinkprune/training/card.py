"""The model card: what was trained on what, what was measured, and what it cannot do.

python -m sinkprune.training.card assets/bundled    # writes README.md from the four files that training and measuring left there
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sinkprune.training.temperature import RECORD

TEMPLATE = Path(__file__).with_name("card_template.md")


def card(evaluation: dict, samples: dict, log: list[dict], temperature: dict) -> str:
    """The card as Markdown with front matter.

    log: for each phase of training its settings, then one line per measurement. temperature: as `training.temperature` saves it.
    """
    dlm = evaluation["sinks"]["dlm"]
    loss_of = dict(zip(temperature["scales"], temperature["masked_cross_entropy"], strict=True))
    return TEMPLATE.read_text().format(
        prompts=evaluation["prompts"],
        watched=dlm["prompts"],
        device=evaluation["device"],
        dtype=evaluation["dtype"],
        measurements="\n".join(f"| {what} | {value} |" for what, value in measurements(evaluation)),
        phases="\n".join(phase_row(number, phase) for number, phase in enumerate(phases(log), start=1)),
        training="\n".join(
            f"| {m['seconds']} | {m['Mtokens']} | {m['masked']:.3f} | {m['masked_text']:.3f} | {m['next_token']:.3f} |"
            for m in phases(log)[-1][1:]
        ),
        scale=f"{temperature['scale']:g}",
        loss_scaled=f"{loss_of[temperature['scale']]:.3f}",
        loss_unscaled=f"{loss_of[1.0]:.3f}",
        layers=layer_table(evaluation["sinks_by_layer"]),
        samples=sample_tables(samples),
        causal_samples="\n\n".join(quoted(sample) for sample in evaluation["autoregressive"]),
    )


def measurements(evaluation: dict) -> list[tuple[str, str]]:
    """(what was measured, its value) as the card says them."""
    nats, text, speed = evaluation["cross_entropy"], evaluation["text"], evaluation["speed"]
    difference = speed["answer_nats_difference"]
    dlm, ar = evaluation["sinks"]["dlm"], evaluation["sinks"]["ar"]
    return [
        (
            "held-out masked cross-entropy, mean over t = .15 … .95, the end tokens that fill the canvas included",
            f"{nats['masked']:.2f} nats per token",
        ),
        ("held-out next-token cross-entropy of the answers (causal)", f"{nats['next_token']:.2f} nats per token"),
        (
            "length of an answer on a canvas of 96",
            f"median {text['answer_tokens_median']:.0f} tokens, the rest end tokens",
        ),
        ("answers with fewer than 5 % repeated 4-grams", f"{text['repeats_below_5_percent']:.0%}"),
        ("answers that end by themselves or at a sentence's end", f"{text['ends']:.0%}"),
        ("forward passes for 96 tokens at threshold 0.9, no cache", f"median {text['forwards_median']:.0f}"),
        (
            "dual cache + threshold 0.9 against one token a step",
            f"{speed['speed_up']:.1f} times the tokens a second "
            f"({speed['tokens_per_second']['plain']:.0f} → {speed['tokens_per_second']['dual']:.0f})",
        ),
        (
            "likelihood of its own answer, plain → dual cache",
            f"{speed['answer_nats']['plain']:.3f} → {speed['answer_nats']['dual']:.3f} nats per token; "
            f"difference {difference['mean']:+.3f} ± {difference['standard_error']:.3f} (standard error)",
        ),
        (
            "temporal variance of the sink centroid (eq. 7), mean over all layers",
            f"diffusion {dlm['temporal_median']:.2f}, autoregressive {ar['temporal_median']:.3f} (medians)",
        ),
        (
            "spatial variance (eq. 6, mass normalised to mean 1)",
            f"diffusion {dlm['spatial_median']:.2f}, autoregressive {ar['spatial_median']:.2f} (medians)",
        ),
    ]


def phases(log: list[dict]) -> list[list[dict]]:
    """The log cut before every line of settings."""
    starts = [i for i, line in enumerate(log) if "minutes" in line]
    return [log[start:end] for start, end in zip(starts, [*starts[1:], len(log)], strict=True)]


def phase_row(number: int, phase: list[dict]) -> str:
    """One phase of training: what was set, and what came out."""
    settings, last = phase[0], phase[-1]
    certainty = settings["certainty"]
    share = settings.get("certain", 1.0)
    forced = f"{certainty:g}" + (f" in the last {share:.0%}" if share < 1 else "") if certainty else "no"
    cells = [
        str(number),
        f"{settings['minutes']:g} min on {settings['gpus']}",
        f"{last['Mtokens']:g}",
        f"{settings['rate']:g}",
        " / ".join(f"{settings.get(name, 0):g}" for name in ("causal", "cached", "whole", "block")),
        forced,
        f"{last['masked_text']:.3f}",
        f"{last['next_token']:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def sample_tables(samples: dict) -> str:
    """For each prompt the dense answer and, folded up, the pruned copies' answers as a table."""
    parts = []
    for i, (prompt, dense) in enumerate(zip(samples["prompts"], samples["dense"], strict=True)):
        rows = [f"| {p['method']} | {p['sparsity']:.0%} | {in_cell(p['answers'][i])} |" for p in samples["pruned"]]
        table = "\n".join(["| method | zeros | answer |", "| --- | --- | --- |", *rows])
        folded = f"<details><summary>The same, pruned</summary>\n\n{table}\n\n</details>"
        parts.append(f"{quoted({'prompt': prompt, 'answer': dense})}\n\n{folded}")
    return "\n\n".join(parts)


def in_cell(text: str) -> str:
    """Model text inside a Markdown table: one line, nothing in it read as markup."""
    line = " ".join(text.split()).replace("`", "'").replace("|", "¦")
    return f"`{line}`" if line else "(nothing)"


def layer_table(by_kind: dict[str, list[dict]]) -> str:
    """One Markdown row per layer, counted from 1: temporal variance, spatial variance and moves of the leading sink in both modes."""
    rows = []
    for dlm, ar in zip(by_kind["dlm"], by_kind["ar"], strict=True):
        cells = [f"{dlm[name]:.3g} | {ar[name]:.3g}" for name in ("temporal_variance", "spatial_variance", "moves")]
        rows.append(f"| {dlm['layer'] + 1} | {' | '.join(cells)} |")
    return "\n".join(rows)


def quoted(sample: dict) -> str:
    """One prompt and its unpicked answer as Markdown, whatever characters the answer has."""
    answer = "\n".join(f"    {line}" for line in sample["answer"].splitlines())
    return f"**{sample['prompt']}**\n\n{answer}"


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

"""What changing attention costs, in words and Markdown. Pure functions of a summary (recorded.what_if_summary)."""

from __future__ import annotations

from collections.abc import Sequence

from sinkprune.recorded.what_if_settings import COUNTS, HEAD_SHARES, RETENTIONS
from sinkprune.traces.numbers import bits, percent, signed

LANES = {"dlm": "diffusion", "ar": "autoregressive"}
POLICIES = {
    "attention": "attention of the block's rows",
    "official": "Sparse-dLLM's score",
    "official, kernel 3, delay 1": "Sparse-dLLM's score and defaults (kernel 3, delay 1)",
    "sinks": "attention, 4 leading sinks first",
    "no-sinks": "attention, 4 leading sinks dropped first",
    "random": "random (control)",
}
COVERED = {"leading": "leading (sinks)", "random": "random (control)", "least": "least (control)"}
SCOPES = {
    "per head": "for each head",
    "everywhere": "the same everywhere",
    "paper": "the paper's protocol: the last row's leaders",
}
HEADS = {"lowest": "lowest sink strength", "highest": "highest sink strength", "random": "random (control)"}
HALF = 0.5


def as_markdown(summary: dict, times: dict | None) -> str:
    """Everything that docs/RESULTS.md shows."""
    return "\n\n".join(
        [
            measured(summary), cache_table(summary), cover_table(summary), heads_table(summary), texts_table(summary),
            *verdicts(summary, times),
        ]
    )  # fmt: skip


def measured(summary: dict) -> str:
    """How it was measured."""
    protocol, untouched = summary["protocol"], summary["untouched"]
    return (
        f"Bits per token that the dense model's own answer loses, mean and 95 % interval over {summary['prompts']} held-out prompts, "
        f"{summary['draws']} draw of masks for each, the same for every row; above 0 is worse. Answers: up to {protocol['gen_length']} "
        f"tokens, blocks of {protocol['block_length']}, threshold 0.9, dual cache. Model: {summary['model']}, {summary['dtype']}. "
        f"Untouched, a token costs {bits(untouched['cache']):.2f} bits in the sparse-cache rows, and under covers, where the first "
        f"{protocol['scored']} tokens count in both lanes, {bits(untouched['dlm']):.2f} (diffusion) and {bits(untouched['ar']):.2f} "
        "(autoregressive)."
    )


def cell(interval: Sequence[float] | None) -> str:
    """An interval of nats in bits, "+0.23 (+0.10 to +0.36)"; bold where it leaves 0 out; empty for None."""
    if interval is None:
        return ""
    mean, low, high = (signed(bits(nats)) for nats in interval)
    said = f"{mean} ({low} to {high})"
    return f"**{said}**" if interval[1] > 0 or interval[2] < 0 else said


def cache_table(summary: dict) -> str:
    """Policies x retentions."""
    rows = {(row["which"], row["retention"]): row for row in _rows(summary, "cache")}
    lines = [
        [said, *(cell(rows[which, retention]["nats"]) for retention in RETENTIONS)] for which, said in POLICIES.items()
    ]
    lines.append(["nothing kept but the block (0 %)", cell(rows["nothing", 0]["nats"]), "", ""])
    return _table(["Sparse cache: kept keys", *(f"{100 * retention:g} %" for retention in RETENTIONS)], lines)


def cover_table(summary: dict) -> str:
    """What is covered, and how it is chosen, x how many, in both lanes."""
    rows = {(row["lane"], row["which"], row["scope"], row["count"]): row["nats"] for row in _rows(summary, "cover")}
    kinds = dict.fromkeys(key[:3] for key in rows)
    lines = [
        [LANES[lane], COVERED[which], SCOPES[scope], *(cell(rows[lane, which, scope, count]) for count in COUNTS)]
        for lane, which, scope in kinds
    ]
    note = (
        "Autoregressive mass adds up over rows, so the newest columns have least: there, “least” hides a row's neighbours, as the "
        "paper's protocol does, and is no idle control."
    )
    return _table(["lane", "covered columns", "chosen", *(str(count) for count in COUNTS)], lines) + f"\n\n{note}"


def heads_table(summary: dict) -> str:
    """Which heads x how many."""
    rows = {(row["which"], row["share"]): row["nats"] for row in _rows(summary, "heads")}
    lines = [[said, *(cell(rows[which, share]) for share in HEAD_SHARES)] for which, said in HEADS.items()]
    return _table(["heads left out", *(percent(share) for share in HEAD_SHARES)], lines)


def texts_table(summary: dict) -> str:
    """What is written under a change, scored by the untouched model."""
    texts = summary["texts"]
    if not texts["rows"]:
        return "No text was written under a change yet."
    lines = [
        [
            LANES[row["lane"]],
            row["key"],
            f"{bits(row['nats']):.2f}",
            cell(row["above"]),
            percent(row["agreement"]),
            f"{row['forwards']:.1f}",
        ]
        for row in texts["rows"]
    ]
    head = [
        "lane",
        f"own text ({texts['prompts']} prompts)",
        "bits, untouched model",
        "above the dense text",
        "agreement",
        "forwards",
    ]
    return _table(head, lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    texts = sum(not name[:1].isdigit() for name in head)
    rule = "|" + ":--|" * texts + "--:|" * (len(head) - texts)
    return "\n".join(["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines)])


def _rows(summary: dict, kind: str) -> list[dict]:
    return [row for row in summary["rows"] if row["kind"] == kind]


def find(summary: dict, **wanted: object) -> dict:
    """The one row of the summary with these entries."""
    return next(row for row in summary["rows"] if all(row.get(key) == value for key, value in wanted.items()))


# Verdicts: each a paragraph that the numbers decide


def verdicts(summary: dict, times: dict | None) -> list[str]:
    """What the numbers say about published ones, a paragraph each. times: as `benchmarks.eviction` writes them, where it did."""
    return [_less_compute(summary, times), *(one(summary) for one in (_which_keys, _robust, _heads))]


def _less_compute(summary: dict, times: dict | None) -> str:
    costs = find(summary, kind="cache", which="attention", retention=HALF)["nats"]
    if costs[1] > 0:
        quality = "costs quality"
    elif costs[2] < 0:
        quality = "even helps"
    else:
        quality = "costs nothing that can be told from chance"
    return (
        f"**40 % less compute at the same quality?** Keeping the half of the keys that the block attends to most {quality}: {cell(costs)} "
        f"bits per token. Sparse-dLLM reports equal accuracy on 7 to 8 billion parameters. {_time_saved(times)}"
    )


def _time_saved(times: dict | None) -> str:
    """Whether half of the keys save 40 % of the time anywhere."""
    if times is None:
        return "What it saves in time was not measured for this model."
    saved = {row["canvas"]: 1 - row["ratio"] for row in times["rows"] if row["retention"] == HALF}
    floor = {row["canvas"]: 1 - row["ratio"] for row in times["rows"] if row["retention"] == 0}
    listed = ", ".join(f"{100 * share:.0f} % at {canvas} tokens" for canvas, share in saved.items())
    longest = max(saved)
    reached = [canvas for canvas, share in saved.items() if share >= 0.4]
    end = (
        f"So it holds from {reached[0]} tokens on."
        if reached
        else "So it does not hold here, and dropping keys is no way to write faster."
    )
    return (
        f"Half of the keys save this share of a block's forward: {listed}; even with no key kept it would be "
        f"{100 * floor[longest]:.0f} % at {longest}. {end}"
    )


def _which_keys(summary: dict) -> str:
    names = {
        "attention": "attention",
        "official": "Sparse-dLLM's score",
        "no-sinks": "attention with the sinks dropped first",
    }
    smallest = RETENTIONS[-1]
    gains = {name: find(summary, kind="cache", which=name, retention=smallest)["above_random"] for name in names}
    better = [names[name] for name, gain in gains.items() if gain[2] < 0]
    said = f"Better than a random choice of as many: {'; '.join(better) or 'no score'}"
    costs = "; ".join(f"{names[name]} {cell(gain)}" for name, gain in gains.items())
    return f"**Which keys?** {said}. At {100 * smallest:g} % kept, bits per token above random: {costs}. {_keep_sinks(summary)}"


def _keep_sinks(summary: dict) -> str:
    """What half of the keys are worth without the sinks among them."""
    half = {
        name: find(summary, kind="cache", which=name, retention=HALF)["nats"]
        for name in ("attention", "no-sinks", "random")
    }
    needed = half["no-sinks"][1] > half["attention"][2]
    return (
        f"Sinks are keys to {'keep' if needed else 'do without'}: with half of the keys, but not the four leading sinks of each layer, a "
        f"token costs {cell(half['no-sinks'])} bits more; with a random half {cell(half['random'])}."
    )


def _robust(summary: dict) -> str:
    lanes = {row["count"]: row["nats"] for row in summary["lanes"] if row["scope"] == "per head"}
    more = [str(count) for count, nats in lanes.items() if nats[1] > 0]
    less = [str(count) for count, nats in lanes.items() if nats[2] < 0]
    if len(more) == len(lanes):
        said = "The published contrast shows: the autoregressive lane loses more"
    elif more:
        said = f"The published contrast shows in part: the autoregressive lane loses more with {_listed(more)} covered"
    else:
        said = "The published contrast does not show"
    if less:
        said += f"; diffusion loses more with {_listed(less)} covered"
    costs = "; ".join(f"{count}: {cell(nats)}" for count, nats in lanes.items())
    paper = find(summary, kind="cover", lane="ar", which="leading", scope="paper", count=COUNTS[-1])["nats"]
    return (
        f"**Does diffusion survive without sinks where autoregressive writing fails?** {said}. Autoregressive minus diffusion, "
        f"sinks defined alike: {costs} bits per token. {_against_random(summary)} Under the paper's own protocol, {COUNTS[-1]} tokens "
        f"cost the autoregressive lane {cell(paper)}, but a row attends to its neighbours too, so that protocol hides content besides. "
        "Both lanes share one small model. This says nothing of 8 billion parameters, where covering one sink takes Llama-3.1 from 85 "
        "to 2 % on GSM8K, and LLaDA from 76 to 75 %."
    )


def _against_random(summary: dict) -> str:
    most = COUNTS[-1]
    gains = {
        said: find(summary, kind="cover", lane=lane, which="leading", scope="per head", count=most)["above_random"]
        for lane, said in LANES.items()
    }
    costs = ", ".join(f"{said} {cell(gain)}" for said, gain in gains.items())
    return f"{most} sinks cost, above {most} random columns: {costs}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _heads(summary: dict) -> str:
    lowest = [find(summary, kind="heads", which="lowest", share=share)["above_random"] for share in HEAD_SHARES]
    if all(gain[2] < 0 for gain in lowest):
        said = "finds heads that are easier to spare than random ones"
    elif all(gain[1] > 0 for gain in lowest):
        said = "finds heads that are worse to lose than random ones"
    else:
        said = "does not find idle heads"
    costs = ", ".join(f"{percent(share)}: {cell(gain)}" for share, gain in zip(HEAD_SHARES, lowest, strict=True))
    return (
        f"**Which heads are idle?** A low sink strength {said} (against random, {costs} bits per token). "
        "There is no published number to compare with."
    )

"""The pruning table in words and Markdown, for all who show it. Pure functions of a summary (recorded.table_summary)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sinkprune.traces.numbers import percent, signed

WINS = {"win": "wins", "tie": "ties", "loss": "loses"}
KINDS = {
    "ablation": "Sink weight on against off, all else equal",
    "official": "Against the official baselines, which also differ in noise and sums",
}


def as_markdown(table: dict) -> str:
    """Everything that the README shows."""
    return "\n\n".join(
        [
            measured(table),
            bits_table(table),
            "What the sink-aware method saves (above 0: it is better), mean and 95 % interval:",
            gains_table(table),
            findings(table),
            "Structured pruning makes the model smaller and faster:",
            structured_table(table),
        ]
    )


def measured(table: dict) -> str:
    """How it was measured, in two sentences."""
    protocol, dense = table["protocol"], table["dense"]
    return (
        f"Bits per token of the teacher's answers to {protocol['texts']} held-out prompts (masked likelihood, {protocol['patterns']} masks "
        f"a text, the same for every model), mean over {len(protocol['seeds'])} calibration seeds of {protocol['samples']} x "
        f"{protocol['length']} tokens; lower is better. The dense model needs {dense['bits']:.3f} ± {dense['error']:.3f} (standard error)."
    )


def bits_table(table: dict) -> str:
    """Unstructured variants x sparsities."""
    rows = [row for row in table["rows"] if "speed_up" not in row]
    sparsities = sorted({row["sparsity"] for row in rows})
    cells = {(row["variant"], row["sparsity"]): f"{row['bits']:.3f}" for row in rows}
    return _grid("bits per token", sparsities, cells)


def gains_table(table: dict) -> str:
    """Comparisons x sparsities, structured methods in a second table; an interval without 0 is bold."""
    structured = {row["variant"] for row in table["rows"] if "speed_up" in row}
    groups = [[], []]
    for gain in sorted(table["gains"], key=lambda gain: list(KINDS).index(gain["kind"])):
        groups[gain["variant"] in structured].append(gain)
    return "\n\n".join(_gains_grid(gains) for gains in groups if gains)


def _gains_grid(gains: list[dict]) -> str:
    cells = {}
    for gain in gains:
        text = _signed(gain["gain"])
        cells[f"{gain['variant']} against {gain['baseline']}", gain["sparsity"]] = (
            text if gain["verdict"] == "tie" else f"**{text}**"
        )
    return _grid("bits saved per token", sorted({gain["sparsity"] for gain in gains}), cells)


def structured_table(table: dict) -> str:
    """Speed-up beside lost quality, one line a structured variant and sparsity."""
    columns = {
        "": lambda row: row["variant"],
        "removed": lambda row: percent(row["achieved"], 1),
        "bits per token": lambda row: f"{row['bits']:.3f}",
        "above dense": lambda row: _signed(row["above_dense"]),
        "forward pass": lambda row: f"{row['speed_up']:.2f} x",
        "parameters left": lambda row: percent(row["parameters"]),
    }
    return _columns([row for row in table["rows"] if "speed_up" in row], columns)


def details_table(table: dict) -> str:
    """Every row with its generated text and its cost."""
    columns = {
        "": lambda row: row["variant"],
        "sparsity": lambda row: percent(row["sparsity"]),
        "bits per token": lambda row: f"{row['bits']:.3f}",
        "above dense": lambda row: _signed(row["above_dense"]),
        "agreement": lambda row: percent(row["agreement"]),
        "repeated 4-grams": lambda row: percent(row["repeated"]),
        "seconds to prune": lambda row: f"{row['prune_seconds']:.1f}",
    }
    return _columns(table["rows"], columns)


def findings(table: dict) -> str:
    """One paragraph: where sink-aware pruning wins, ties or loses, as the intervals say."""
    sentences = [f"**{verdict(table)}**"]
    for kind, words in KINDS.items():
        comparisons = _comparisons(table["gains"], kind)
        if comparisons:
            sentences.append(f"{words}: {'; '.join(_finding(gains) for gains in comparisons)}.")
    sentences += [_credit(table["gains"]), _largest(table), _chance(table["gains"])]
    return " ".join(sentence for sentence in sentences if sentence)


def verdict(table: dict) -> str:
    """One sentence: how often the sink weight wins, ties and loses."""
    verdicts = [gain["verdict"] for gain in table["gains"] if gain["kind"] == "ablation"]
    counts = [f"{word} {verdicts.count(verdict)}" for verdict, word in WINS.items()]
    return f"Of {len(verdicts)} comparisons the sink weight {_listed(counts)}."


def verdicts_table(table: dict) -> str:
    """Wins, ties and losses of the sink weight against the same method without it, a line a sparsity."""
    gains = [gain for gain in table["gains"] if gain["kind"] == "ablation"]
    lines = []
    for sparsity in sorted({gain["sparsity"] for gain in gains}):
        found = [gain["verdict"] for gain in gains if gain["sparsity"] == sparsity]
        lines.append([percent(sparsity), *(str(found.count(one)) for one in WINS)])
    return _table(["sparsity", "wins", "ties", "losses"], lines)


def _comparisons(gains: list[dict], kind: str) -> list[list[dict]]:
    """The gains of each pair of methods, sparsity ascending. A pair that is also an ablation is told there only."""
    ablations = {(gain["variant"], gain["baseline"]) for gain in gains if gain["kind"] == "ablation"}
    pairs: dict[tuple[str, str], list[dict]] = {}
    for gain in gains:
        pair = (gain["variant"], gain["baseline"])
        if gain["kind"] == kind and (kind == "ablation" or pair not in ablations):
            pairs.setdefault(pair, []).append(gain)
    return [sorted(found, key=lambda gain: gain["sparsity"]) for found in pairs.values()]


def _finding(gains: list[dict]) -> str:
    """ "sink-wanda against wanda wins at 50 % (by 0.024 bits per token) and ties at 25 and 60 %"."""
    clauses = []
    for verdict, word in WINS.items():
        some = [gain for gain in gains if gain["verdict"] == verdict]
        if some:
            places = _listed(f"{100 * gain['sparsity']:.0f}" for gain in some)
            where = f"{word} at {places} %"
            sizes = _listed(f"{abs(gain['gain'][0]):.3f}" for gain in some)
            clauses.append(where if verdict == "tie" else f"{where} (by {sizes} bits per token)")
    against = (
        f"{gains[0]['variant']} against {gains[0]['baseline']}"
        if gains[0]["kind"] == "official"
        else gains[0]["variant"]
    )
    return f"{against} {_listed(clauses)}"


def _credit(gains: list[dict]) -> str:
    """Where a win over the official baseline is none over the ablation, it is not credited to the sinks; "" where there is no such win."""
    verdicts = {(gain["variant"], gain["sparsity"], gain["kind"]): gain["verdict"] for gain in gains}
    places: dict[str, list[str]] = {}
    for gain in sorted(gains, key=lambda gain: gain["sparsity"]):
        variant, sparsity = gain["variant"], gain["sparsity"]
        wins = gain["kind"] == "official" and gain["verdict"] == "win"
        if wins and verdicts.get((variant, sparsity, "ablation"), "win") != "win":
            places.setdefault(variant, []).append(f"{100 * sparsity:.0f}")
    if not places:
        return ""
    where = _listed(f"{variant} at {_listed(found)} %" for variant, found in places.items())
    return f"For {where}, the win over the official baseline is not shown to be the sink weight's: noise and sums differ too."


def _largest(table: dict) -> str:
    """How large the effect is beside the damage of pruning."""
    certain = [gain for gain in table["gains"] if gain["kind"] == "ablation" and gain["verdict"] != "tie"]
    if not certain:
        return "No effect of the sink weight is larger than this measurement can tell from nothing."
    top = max(certain, key=lambda gain: abs(gain["gain"][0]))
    lost = next(
        row["above_dense"][0]
        for row in table["rows"]
        if (row["variant"], row["sparsity"]) == (top["baseline"], top["sparsity"])
    )
    word = {"win": "saves", "loss": "costs"}[top["verdict"]]
    return (
        f"Its largest certain effect {word} {abs(top['gain'][0]):.3f} bits per token ({top['variant']} at {percent(top['sparsity'])}), "
        f"where pruning itself costs {lost:.3f}."
    )


def _chance(gains: list[dict]) -> str:
    intervals = len({(gain["variant"], gain["baseline"], gain["sparsity"]) for gain in gains})
    return (
        f"A win or loss is a 95 % interval that does not hold 0; if nothing had any effect, about {0.05 * intervals:.1f} "
        f"of these {intervals} intervals would miss 0 by chance."
    )


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _signed(interval: Sequence[float]) -> str:
    mean, _, high = interval
    return f"{signed(mean, 3)} ± {high - mean:.3f}"


def _grid(corner: str, sparsities: list[float], cells: dict[tuple[str, float], str]) -> str:
    """Row names x sparsities, in the order of the cells; empty where nothing was measured."""
    names = dict.fromkeys(name for name, _ in cells)
    lines = [[name, *(cells.get((name, sparsity), "") for sparsity in sparsities)] for name in names]
    return _table([corner, *(percent(sparsity) for sparsity in sparsities)], lines)


def _columns(rows: list[dict], columns: dict[str, Callable[[dict], str]]) -> str:
    """One line a row; columns: title -> what it shows of a row."""
    return _table(list(columns), [[show(row) for show in columns.values()] for row in rows])


def _table(head: list[str], lines: list[list[str]]) -> str:
    """Markdown, all columns but the first to the right."""
    rows = [head, [":--", *["--:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

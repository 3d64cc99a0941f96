"""The paper, figure by figure: what each claims, and what the recordings of the bundled model say to it.

    python -m sinkprune.recorded.claims     # writes assets/claims.json from the other recordings

Nothing is typed: every number and every verdict is computed from assets/sinks.json, table/table.json, head-changes.json and
what-if.json (`recorded.claim_verdicts`). The file is a list of {"paper" (figure or table), "claim", "see" (words), "link" (query of this
page), "shows", "verdict" (of VERDICTS)}.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sinkprune.recorded import claim_verdicts
from sinkprune.recorded.claim_verdicts import MISSING, Recordings, load_recordings

FILE = Path(__file__).resolve().parents[2] / "assets" / "claims.json"


@dataclass(frozen=True)
class Claim:
    """One row of the table."""

    paper: str
    claim: str
    see: str
    link: str
    shows: str
    verdict: str


ROWS = (
    (
        "Fig. 2",
        "Autoregressively the sink stays at its position; under diffusion it moves while the text is written.",
        "Watch the sinks, both lanes",
        "?preset=contrast",
        claim_verdicts.moves,
    ),
    (
        "Fig. 3",
        "Weighting sink tokens down changes the scores, and so which weights go.",
        "Learn, the microscope",
        "?tab=learn",
        claim_verdicts.flips,
    ),
    (
        "Fig. 4",
        "Autoregressive: high spatial and almost no temporal variance. Diffusion: lower spatial, far higher temporal variance.",
        "Watch the sinks, How the sinks moved",
        "?tab=watch",
        claim_verdicts.variances,
    ),
    (
        "Fig. 5",
        "Under diffusion the sinks drift from earlier to later positions; autoregressively they stay.",
        "Watch the sinks, How the sinks moved",
        "?preset=drift",
        claim_verdicts.drifts,
    ),
    (
        "Tables 1, 2, 3",
        "Sink-aware pruning matches or beats Wanda and SparseGPT at every sparsity.",
        "Results",
        "?tab=table",
        claim_verdicts.unstructured,
    ),
    ("Fig. 6", "The gain grows with the sparsity.", "Results", "?tab=table", claim_verdicts.growth),
    (
        "Table 4",
        "Sink-aware structured pruning beats structured pruning.",
        "Results",
        "?tab=table",
        claim_verdicts.structured,
    ),
    (
        "Fig. 7",
        "For Wanda, decisions change more in heads with strong sinks; for SparseGPT less so.",
        "Prune and compare, What the sink weight changed",
        "?tab=compare",
        claim_verdicts.alignment,
    ),
    (
        "Fig. 8",
        "The sparsity of single heads changes less for SparseGPT than for Wanda.",
        "Prune and compare, What the sink weight changed",
        "?tab=compare",
        claim_verdicts.ratio_changes,
    ),
    (
        "Section 2.2",
        "Without its sinks an autoregressive model fails; a diffusion model loses little.",
        "Learn, card 7",
        "?card=7",
        claim_verdicts.covering,
    ),
)  # figure or table, claim, where to see it, link, judge


def all_claims(found: Recordings) -> list[Claim]:
    """The rows, in the order of the paper."""
    return [_claim(*row, found) for row in ROWS]


def _claim(paper: str, claim: str, see: str, link: str, judge: Callable, found: Recordings) -> Claim:
    shows, verdict = judge(found) or ("The command has not been run for this model.", MISSING)
    return Claim(paper, claim, see, link, shows, verdict)


def load_claims(path: Path = FILE) -> list[dict]:
    """The rows that were written; empty where none were."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def main(arguments: Sequence[str] | None = None) -> None:
    """Write assets/claims.json from the recordings in assets/."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.recorded.claims", description=main.__doc__)
    parser.add_argument("--file", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    rows = [asdict(claim) for claim in all_claims(load_recordings())]
    options.file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for row in rows:
        print(f"{row['paper']}: {row['verdict']}. {row['shows']}")


if __name__ == "__main__":
    main()

"""The options "what if", and the changes made from them."""

from __future__ import annotations

import argparse

from sinkprune.decoding import Cover, LeaveOutHeads
from sinkprune.decoding.interventions import COVERED, HEADS, PROTOCOLS
from sinkprune.traces.blanks import Blanks
from sinkprune.traces.changes_asked import blanks_asked, intervention_asked


def add_changes(parser: argparse.ArgumentParser) -> None:
    """What is changed while the model writes."""
    group = parser.add_argument_group("what if")
    change = group.add_mutually_exclusive_group()
    change.add_argument("--cover", choices=COVERED, help="these tokens get no attention at each step")
    change.add_argument(
        "--leave-out-heads", choices=HEADS, help="heads by sink strength that give nothing at each step"
    )
    group.add_argument(
        "--cover-count", type=int, default=1, metavar="N", help="tokens to cover, 1 to 10 (default: %(default)s)"
    )
    group.add_argument("--cover-same", action="store_true", help="the same tokens everywhere, not each head its own")
    group.add_argument(
        "--cover-protocol",
        choices=PROTOCOLS,
        default=PROTOCOLS[0],
        help="how the autoregressive lane finds sinks (default: %(default)s)",
    )
    group.add_argument(
        "--cover-positions", type=int, nargs="+", default=[], metavar="N", help="positions, for --cover given"
    )
    group.add_argument(
        "--heads", type=int, default=1, metavar="N", help="of all layers, for --leave-out-heads (default: %(default)s)"
    )
    group.add_argument("--blanks", metavar="TEXT", help="an answer in which ___ is filled in by diffusion")
    group.add_argument(
        "--blank-tokens", type=int, default=2, metavar="N", help="tokens in each blank, 1 to 8 (default: %(default)s)"
    )


def changes_of_options(options: argparse.Namespace) -> tuple[Cover | LeaveOutHeads | None, Blanks | None]:
    """The intervention and the blanks of `add_changes`."""
    intervention = intervention_asked(
        options.cover, options.cover_count, not options.cover_same, options.cover_protocol,
        options.cover_positions, options.leave_out_heads, options.heads, options.seed,
    )  # fmt: skip
    return intervention, blanks_asked(options.blanks, options.blank_tokens)

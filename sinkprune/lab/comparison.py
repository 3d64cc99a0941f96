"""A finished comparison in numbers: what the dense and the pruned model cost, and how likely each finds the other's answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.card import RunCard, run_card
from sinkprune.lab.compare import agreement, answer_end, answer_ids, repeated_ngrams
from sinkprune.lab.likelihood import ANSWER_LEVELS, answer_likelihood
from sinkprune.models import LoadedModel
from sinkprune.pruning import STRUCTURED, CalibrationConfig, PruneConfig, PruneResult

DRAWS = 2  # draws of masks at each of ANSWER_LEVELS
NOTES = f"""
Nats per token: cross-entropy of masked answer tokens, mean over {len(ANSWER_LEVELS)} mask levels with {DRAWS} draws each, the same
masks for both models; lower means that the model finds the text likelier. Both lanes took turns on this machine, and each time is that
lane's own, with recording the attention.
"""
ZEROS = """Zeros in a dense matrix do not run faster: pruning changes what is written and how many forward passes that takes, not the
speed of a forward pass."""
SMALLER = """What was removed is gone: the layers are smaller, so a forward pass takes less time and memory. Heads without colour in the
maps above were removed."""


@dataclass(frozen=True)
class Comparison:
    """nats_dense_answer, nats_pruned_answer: (under the dense, under the pruned model), per token. repeated: share of repeated 4-grams."""

    dense: RunCard
    pruned: RunCard
    nats_dense_answer: tuple[float, float]
    nats_pruned_answer: tuple[float, float]
    repeated: tuple[float, float]
    agreement: float

    def as_dict(self) -> dict:
        """JSON values only."""
        return asdict(self)

    def as_markdown(self) -> str:
        """The table, forward passes first, and how it was measured."""
        cards = (self.dense, self.pruned)
        rows = [
            ("Forward passes", [str(card.forwards) for card in cards]),
            ("Seconds", [f"{card.seconds:.2f}" for card in cards]),
            ("Tokens per second", [f"{card.tokens_per_second:.1f}" for card in cards]),
            ("Milliseconds per forward pass", [f"{1000 * card.seconds / card.forwards:.0f}" for card in cards]),
            (self._cut, [f"{card.sparsity_achieved:.2%}" for card in cards]),
            ("Parameters", [f"{card.parameters / 1e6:.1f} M" for card in cards]),
            ("Nats per token of the dense answer", [f"{nats:.2f}" for nats in self.nats_dense_answer]),
            ("Nats per token of the pruned answer", [f"{nats:.2f}" for nats in self.nats_pruned_answer]),
            ("Repeated 4-grams", [f"{share:.0%}" for share in self.repeated]),
        ]
        head = f"| | Dense | {self.pruned.method}, {self.pruned.sparsity_asked:.0%} |\n|:--|--:|--:|"
        table = "\n".join([head, *(f"| {name} | {a} | {b} |" for name, (a, b) in rows)])
        return f"{table}\n\n{self._sentence()}\n{NOTES.rstrip()} {SMALLER if self._structured else ZEROS}\n"

    @property
    def _structured(self) -> bool:
        return self.pruned.method in STRUCTURED

    @property
    def _cut(self) -> str:
        return "Layers' weights removed" if self._structured else "Weights set to zero"

    def _sentence(self) -> str:
        seed, samples = self.dense.decoding["seed"], self.pruned.calibration["samples"]
        source = "no calibration" if self.pruned.method == "magnitude" else f"calibrated on {samples} sequences"
        return (
            f"**{self.agreement:.0%}** of the answer's positions hold the same token. Both started from the same masked canvas "
            f"with seed {seed}; {source}; pruned in {self.pruned.prune_seconds:.1f} s "
            f"on {self.pruned.device}, {self.pruned.threads} threads."
        )

    def record(self) -> str:
        """Both cards in full, as Markdown."""
        return f"**Dense**\n\n{self.dense.as_markdown()}\n\n**Pruned**\n\n{self.pruned.as_markdown()}"


def measure(
    dense: LoadedModel,
    result: PruneResult,
    trace: dict,
    config: DecodeConfig,
    pruning: PruneConfig,
    calibration: CalibrationConfig,
) -> Comparison:
    """Measure a finished `lab.runs.compare_run`: four likelihoods of about ten masked copies each."""
    spec, (first, second) = dense.spec, trace["lanes"]
    answers = [answer_ids(lane, spec.mask_token_id) for lane in (first, second)]
    written = [ids[: answer_end(ids, spec.eos_token_id)] for ids in answers]
    prompt_ids = torch.tensor([first["ids"]])
    nats = [
        tuple(
            answer_likelihood(model, prompt_ids, torch.tensor([ids]), draws=DRAWS, seed=config.seed).mean
            for model in (dense, result.loaded)
        )
        for ids in written
    ]
    return Comparison(
        run_card(dense, first, config),
        run_card(result.loaded, second, config, result, pruning, calibration),
        nats[0],
        nats[1],
        (repeated_ngrams(written[0]), repeated_ngrams(written[1])),
        agreement(*answers, spec.eos_token_id),
    )

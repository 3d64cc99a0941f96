"""Whether answers have to do with their prompts, and how much they repeat each other.

Relevance is read from a judge: a causal model that gives the log-likelihood of every answer after every prompt, log_p (A, P) float. Row i
is answer i, which was written for prompt i. A word is a run of letters and apostrophes, in lower case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

STOCK_PHRASES = re.compile(
    r"\b(?:a symbol of|(?:passed|handed) down (?:through|from|for)|in the heart of|(?:a|the) testament to"
    r"|a (?:classic|prime|great) example of|simple yet (?:profound|powerful)|a reminder (?:of|that)|nestled"
    r"|the beauty of|the power of|the importance of|a (?:rich )?tapestry of|a sense of|love and (?:loss|adventure)"
    r"|the intersection of|the human (?:experience|condition|spirit)|a beacon of|complex and multifaceted"
    r"|captivated|bustling)\b"
)


def top1(log_p: Tensor) -> float:
    """Share of answers that their own prompt makes likelier than every other prompt does. log_p: (A, A)."""
    return (_rank(log_p) == 1).double().mean().item()


def mean_reciprocal_rank(log_p: Tensor) -> float:
    """Mean of 1 / rank of the own prompt among all prompts, by how likely they make the answer. log_p: (A, A)."""
    return (1 / _rank(log_p).double()).mean().item()


def _rank(log_p: Tensor) -> Tensor:
    """(A,) rank of the own prompt, 1 the best; a tie counts against it."""
    return (log_p >= log_p.diagonal()[:, None]).sum(1)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:['’][a-z]+)*", text.lower())


def distinct_words(texts: Sequence[str], first: int | None = None) -> int:
    """How many different words the texts hold together, or their first `first` words."""
    return len({word for text in texts for word in words(text)[:first]})


def shared_4grams(texts: Sequence[str]) -> float:
    """Share of the word 4-grams, each counted once per text, that stand in another of the texts too; 0 without any."""
    grams = [_4grams(text) for text in texts]
    standing = Counter(gram for each in grams for gram in each)
    total = sum(map(len, grams))
    return sum(standing[gram] > 1 for each in grams for gram in each) / total if total else 0.0


def _4grams(text: str) -> set[tuple[str, ...]]:
    row = words(text)
    return {tuple(row[i : i + 4]) for i in range(len(row) - 3)}


def doubled_words(texts: Sequence[str]) -> int:
    """Number of texts in which a word stands twice in a row, which tokens committed together do most."""
    rows = map(words, texts)
    return sum(any(first == second for first, second in pairwise(row)) for row in rows)


def stock_phrases(texts: Sequence[str]) -> float:
    """Stock phrases per 1,000 words."""
    count = sum(len(words(text)) for text in texts)
    found = sum(len(STOCK_PHRASES.findall(text.lower())) for text in texts)
    return 1000 * found / count if count else 0.0


def text_numbers(texts: Sequence[str]) -> dict[str, float]:
    """What can be said of the texts without a judge."""
    return {
        "words": distinct_words(texts),
        "words_in_first_30": distinct_words(texts, 30),
        "shared_4grams": shared_4grams(texts),
        "doubled": doubled_words(texts),
        "stock_phrases": stock_phrases(texts),
    }


def relevance_numbers(log_p: Tensor, tokens: Tensor) -> dict[str, float]:
    """What the judge says. log_p: (A, A); tokens: (A,) tokens of each answer, in the judge's tokens."""
    nats = -log_p.diagonal().sum() / tokens.sum()
    return {"top1": top1(log_p), "mean_reciprocal_rank": mean_reciprocal_rank(log_p), "judge_nats": nats.item()}

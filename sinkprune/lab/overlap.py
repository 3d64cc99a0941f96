"""Two texts in numbers: where an answer ends, how far two answers agree, how much a text repeats itself.

Agreement counts positions up to the later of the two ends; an end is the first end token, which counts as written.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence


def answer_end(answer: Sequence[int], end_token_ids: Collection[int]) -> int:
    """Tokens up to and including the first end token; all of them where there is none."""
    return next((place for place, token in enumerate(answer, start=1) if token in end_token_ids), len(answer))


def agreement(first: Sequence[int], second: Sequence[int], end_token_ids: Collection[int] = ()) -> float:
    """Share of equal tokens at equal positions up to the later end, 0 to 1; symmetric; 1 for two empty answers."""
    end = max(answer_end(first, end_token_ids), answer_end(second, end_token_ids))
    equal = sum(a == b for a, b in zip(first[:end], second[:end], strict=False))
    return equal / end if end else 1.0


def distinct_ngrams(tokens: Sequence[int], n: int = 4) -> float:
    """Distinct n-grams / all n-grams, 0 to 1; 1 where the text is shorter than n."""
    ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 1.0


def repeated_ngrams(tokens: Sequence[int], n: int = 4) -> float:
    """Share of n-grams that stood earlier in the text already: 1 - distinct."""
    return 1.0 - distinct_ngrams(tokens, n)

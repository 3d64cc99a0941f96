"""The runs among which the presets are chosen: prompts of different kinds, each written one token a step, some in other ways as well."""

from __future__ import annotations

from dataclasses import dataclass

from sinkprune.decoding import DecodeConfig

PARALLEL = DecodeConfig(gen_length=64, block_length=16, threshold=0.9)
WIDE = DecodeConfig(gen_length=64, block_length=64, threshold=0.9)
SINGLE = DecodeConfig(gen_length=64, block_length=16, steps=64)
DUAL = DecodeConfig(gen_length=64, block_length=16, threshold=0.9, cache="dual")
PREFIX = DecodeConfig(gen_length=64, block_length=16, threshold=0.9, cache="prefix")


@dataclass(frozen=True)
class Candidate:
    """A prompt and how it is written by diffusion; the autoregressive lane is always beside it."""

    prompt: str
    config: DecodeConfig = SINGLE


PROMPTS = (
    "Write a short story about a fox who learns to swim",
    "Tell me a bedtime story about the moon",
    "Once upon a time, in a small village, there lived a baker",
    "Write a story about a robot who wants to paint",
    "Tell me about honey",
    "The lighthouse keeper",
    "Explain what a star is to a child",
    "How do I make a simple vegetable soup",
    "Describe a walk along the sea in winter",
    "The train was late. The station was empty. A dog waited on the platform",
)
CANDIDATES = (
    *(Candidate(prompt) for prompt in PROMPTS),
    *(Candidate(prompt, config) for config in (PARALLEL, WIDE) for prompt in PROMPTS[:4]),
    *(Candidate(prompt, config) for config in (DUAL, PREFIX) for prompt in PROMPTS[:3]),
)

"""Runs that the official code wrote with the tiny LLaDA model, and their settings as ours."""

import json

from sinkprune.decoding import DecodeConfig
from tests.tiny_models import FIXTURES

OFFICIAL = json.loads((FIXTURES / "decoding" / "llada_decode.json").read_text())


def official_config(run):
    asked = OFFICIAL["runs"][run]["kwargs"]
    return DecodeConfig(
        gen_length=asked["gen_length"],
        block_length=asked["block_length"],
        steps=asked["steps"],
        threshold=asked.get("threshold"),
        cache="prefix" if "prefix" in run else "dual" if "dual" in run else "none",
    )

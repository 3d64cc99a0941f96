"""Write an answer to a prompt by diffusion, and print it; or token by token, with --autoregressive and models that only do that.

examples:
  python -m sinkprune generate "Why is the sky blue"
  python -m sinkprune generate "Tell a story" --gen-length 128 --cache dual --threshold 0.8
  python -m sinkprune generate "Why is the sky blue" --blanks "The sky is ___ because of the ___." --blank-tokens 2
  python -m sinkprune generate "Tell a story" --cover leading --cover-count 3
  python -m sinkprune generate "Hello" --model llada-8b-instruct --quantize nf4
"""

from __future__ import annotations

import argparse

import torch

from sinkprune.commands.options import (
    add_decoding,
    add_model,
    add_prompt,
    add_seed,
    decoding_of,
    loaded_model,
    prompt_of,
)
from sinkprune.commands.progress import remark, write
from sinkprune.commands.what_if_options import add_changes, changes_of_options
from sinkprune.decoding import autoregress, denoise
from sinkprune.models import causal_prompt, decode_answer, encode_prompt
from sinkprune.traces.blanks import answer_with_blanks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The prompt and how the answer is written."""
    add_prompt(parser)
    parser.add_argument("--autoregressive", action="store_true", help="one token after the other, with a causal mask")
    add_model(parser)
    add_decoding(parser)
    add_changes(parser)
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Print the answer; say what it cost."""
    config, prompt = decoding_of(options), prompt_of(options)
    intervention, blanks = changes_of_options(options)
    loaded = loaded_model(options)
    prompt_ids = encode_prompt(loaded, prompt)
    if blanks and options.autoregressive:
        raise ValueError("only diffusion can fill in blanks: leave --autoregressive out")
    if options.autoregressive or loaded.spec.mask_token_id is None:
        prompt_ids = causal_prompt(loaded, prompt_ids)
        steps = autoregress(loaded, prompt_ids, config.gen_length, intervention=intervention)
    else:
        room = loaded.model.config.max_position_embeddings - prompt_ids.shape[1]
        text = torch.cat([prompt_ids, answer_with_blanks(loaded, blanks, room)], dim=1) if blanks else prompt_ids
        steps = denoise(loaded, text, config, blanks=blanks is not None, intervention=intervention)
    last = write(steps, config.gen_length)
    answer = last.canvas[0, prompt_ids.shape[1] :]
    print(decode_answer(loaded, answer))
    remark(
        f"{last.nfe} forward passes for {len(answer)} tokens, end marks included, in {last.seconds:.2f} s "
        f"({len(answer) / last.seconds:.1f} tokens/s) on {loaded.device}"
    )

"""How a diffusion language model writes: one denoising loop, the commit rule, the block cache, the autoregressive lane."""

from sinkprune.decoding.autoregressive import autoregress
from sinkprune.decoding.denoising import denoise, generate
from sinkprune.decoding.records import DecodeConfig, Generation, Step

__all__ = ["DecodeConfig", "Generation", "Step", "autoregress", "denoise", "generate"]

"""How a diffusion language model writes: one denoising loop, the commit rule, its caches, interventions, the autoregressive lane."""

from sinkprune.decoding.autoregressive import autoregress, resume_autoregress
from sinkprune.decoding.denoising import denoise, generate, resume
from sinkprune.decoding.interventions import Cover, LeaveOutHeads
from sinkprune.decoding.records import Candidates, DecodeConfig, Generation, Step

__all__ = [
    "Candidates",
    "Cover",
    "DecodeConfig",
    "Generation",
    "LeaveOutHeads",
    "Step",
    "autoregress",
    "denoise",
    "generate",
    "resume",
    "resume_autoregress",
]

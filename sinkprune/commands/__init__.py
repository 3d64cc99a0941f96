"""The commands of `python -m sinkprune`, one a module; sinkprune/cli.py runs them."""

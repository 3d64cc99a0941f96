"""What we measure: runs as traces, statistics of their sinks, likelihood, comparisons, the card, figures, presets, benchmark.

Import the module you need (`from sinkprune.lab.runs import trace_run`): only `figures` pulls in plotly.
"""

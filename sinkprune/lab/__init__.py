"""What we measure: traces, statistics of sinks, likelihood, comparisons, the card, the pruning table, figures, presets, benchmark.

Import the module you need (`from sinkprune.traces.runs import trace_run`): only the two modules of figures pull in plotly.
"""

"""The card of a finished comparison as HTML: a table in which every number says what it means."""

from __future__ import annotations

import html

from sinkprune.lab.comparison import ComparedNumber, Comparison

ACTIONS = """
<div class='card-actions'>
  <button type='button' data-do='pin'>Pin this result</button>
  <button type='button' data-do='link'>Copy link</button>
  <button type='button' data-do='markdown'>Copy as Markdown</button>
  <button type='button' data-do='bibtex'>Copy as BibTeX + settings</button>
  <span role='status'></span>
</div>
"""  # `pins/main.js` listens to them
REMOVED = "Heads without colour in the maps above were removed."


def result_card(comparison: Comparison, actions: bool = True) -> str:
    """The table of both lanes, how it was measured, and, with `actions`, what can be done with it. All text is escaped."""
    title = html.escape(comparison.title)
    head = f"<tr><td></td><th scope='col'>Dense</th><th scope='col'>{title}</th></tr>"
    rows = "".join(_row(row) for row in comparison.rows())
    sentences = comparison.sentences() + ([REMOVED] if comparison.method.structured else [])
    said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{said}{ACTIONS if actions else ''}"


def _row(row: ComparedNumber) -> str:
    cells = "".join(f"<td>{html.escape(value)}</td>" for value in (row.dense, row.pruned))
    return f"<tr><th scope='row'>{html.escape(row.name)} <small>{html.escape(row.meaning)}</small></th>{cells}</tr>"

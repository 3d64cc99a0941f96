"""Section B of the page, "Prune and compare": choose a method, prune a copy, and see dense and pruned write side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

import gradio as gr
from gradio.components import Component

from sinkprune.figures.commits import commit_figure
from sinkprune.figures.pruning import sparsity_per_layer
from sinkprune.figures.sinks import sink_trajectory
from sinkprune.lab.comparison import Comparison
from sinkprune.lab.request import Request
from sinkprune.models import LoadedModel
from sinkprune.pruning import STRUCTURED, PruneConfig, PruneProgress
from sinkprune.recorded.comparison import RecordedComparison
from sinkprune.traces.commits import confidence_needed, lane_commits
from sinkprune.traces.numbers import percent
from sinkprune.traces.parting import fingerprint
from sinkprune.traces.runs import check_prompt
from sinkprune.traces.sink_statistics import trace_statistics
from sinkprune.ui.components.pins import pin_of, pins
from sinkprune.ui.components.player import player
from sinkprune.ui.components.scripts import RESIZED
from sinkprune.ui.events import QUICK_EVENT, STATE_SECONDS
from sinkprune.ui.inputs import request_from
from sinkprune.ui.run_button import Update, run_button, wire_run
from sinkprune.ui.sections.changes import changes_section, show_changes
from sinkprune.ui.sections.copy_controls import copy_controls, copy_line
from sinkprune.ui.sections.watch import ended
from sinkprune.ui.server.kept_runs import KEPT
from sinkprune.ui.server.links import link_to, without_expect
from sinkprune.ui.server.runs import Compared, Pruned, compared, seen_as
from sinkprune.ui.server.scheduler import Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.words.reading import commits_reading
from sinkprune.ui.words.result_card import result_card
from sinkprune.ui.words.text import COMMITS, kept_words, note, progress_line, recorded_note, waiting_line

INVITATION = "The prompt above is written twice: by the whole model and by its pruned copy, from the same masked canvas and seed."


def compare_section(
    bench: Workbench,
    tab: gr.Tab,
    prompt: gr.Textbox,
    decoding: dict[str, Component],
    recorded: RecordedComparison | None,
) -> tuple[dict[str, Component], gr.State]:
    """Build the section in its tab and wire it to the page's prompt and decoding controls. recorded: what it opens with.

    Returns the controls of the copy, by name, and the state that holds the link the page was opened with, or None.
    """
    copy, line = copy_controls()
    tell = partial(copy_line, bench)
    linked = gr.State()
    with gr.Row(elem_classes="actions"):
        button = run_button("Prune and generate", "compare-run", "Cancel", "compare-cancel", min_width=220)
    status = gr.HTML(_opening_note(recorded), elem_id="compare-status")
    trace = recorded and {**recorded.trace, "query": link_to(recorded.request)}
    with gr.Column(elem_id="compare-results"):  # hidden by the style sheet until the player has a run
        gr.HTML("<h2 class='quiet'>Dense and pruned, side by side</h2>")
        outputs = {"status": status, "shown": player(bench.answer_map, elem_id="compare-player", value=trace)}
        outputs |= _results(recorded)
        outputs["changes"], outputs["made"] = changes_section(bench)
    outputs["pinned"] = pins(elem_id="pins")
    outputs["last"] = gr.State(time_to_live=STATE_SECONDS)
    inputs = {"linked": linked, "prompt": prompt, **copy, **decoding}
    run = wire_run(button, bench, partial(_compare, bench), inputs, outputs, _cancelled, {"trace": outputs["last"]})
    tab.select(None, None, None, js=RESIZED, **QUICK_EVENT)
    for event in (tab.select, *(control.change for control in copy.values()), run.started.then):
        event(tell, None, line, inputs_kwargs=copy, **QUICK_EVENT)
    return copy, linked


def _opening_note(recorded: RecordedComparison | None) -> str:
    if recorded is None:
        return note("", INVITATION)
    pruning = recorded.request.pruning
    return recorded_note(recorded, f"its copy, {pruning.method} at {percent(pruning.target)}", "Prune and generate")


def _results(recorded: RecordedComparison | None) -> dict[str, Component]:
    """What is known when both lanes are written."""
    values = {}
    if recorded:
        values = _numbers(recorded.comparison, recorded.trace, recorded.layers, recorded.request.pruning)
        values["card"] = result_card(recorded.comparison, actions=False)  # pins are for the visitor's own results
    with gr.Column(visible=bool(values)) as measured:
        gr.HTML("<h2>What it cost and what it changed</h2>")
        with gr.Row(elem_classes="figures"):
            with gr.Column(min_width=320):
                card = gr.HTML(values.get("card"), elem_id="card")
            with gr.Column(min_width=320):
                gr.HTML(f"<h3>Tokens committed by each forward pass</h3>{COMMITS}")
                said = gr.Markdown(values.get("said"), elem_classes="reading", elem_id="commits-reading")
                commits = gr.Plot(values.get("commits"), show_label=False, container=False, elem_id="commits")
                gr.HTML("<h3>Achieved sparsity of each layer</h3>")
                layers = gr.Plot(values.get("layers"), show_label=False, container=False)
        gr.HTML("<h3>Where the sinks are, dense and pruned</h3>")
        trajectory = gr.Plot(values.get("trajectory"), show_label=False, container=False)
        with gr.Accordion("Full record of this run", open=False):
            record = gr.Markdown(values.get("record"))
    return {
        "measured": measured,
        "card": card,
        "said": said,
        "commits": commits,
        "trajectory": trajectory,
        "layers": layers,
        "record": record,
    }


def _numbers(comparison: Comparison, trace: dict, layers: list[float], pruning: PruneConfig) -> Update:
    """What is shown below both finished lanes."""
    return {
        "card": result_card(comparison),
        "said": commits_reading(lane_commits(trace), confidence_needed(trace["settings"])),
        "commits": commit_figure(trace),
        "trajectory": sink_trajectory(trace_statistics(trace)),
        "layers": sparsity_per_layer(layers, pruning.target),
        "record": comparison.record(),
    }


def _cancelled(trace: dict | None) -> Update:
    if not trace:
        return {"status": note("Cancelled", "Nothing was written. What is below was there before.")}
    if all(lane["done"] for lane in trace["lanes"]):  # an earlier comparison, or this one while it was measured
        return {"status": note("Cancelled", "What is below was written before.")}
    trace = ended(trace)
    return {"status": note("Stopped", "What was written so far stays."), "shown": trace, "last": trace}


def _compare(bench: Workbench, values: dict) -> Iterator[Update]:
    """Prune (or take from the store), write side by side, measure; or show the same comparison of an earlier visitor."""
    asked = request_from(values)
    dense = bench.loaded  # to the end, also where another model is loaded meanwhile
    asked = replace(asked, model=dense.spec.public_name)
    check_prompt(dense, asked.prompt, asked.decoding.gen_length)
    yield {"status": progress_line(None)}
    shown_as, said = None, ""
    with closing(compared(bench, dense, asked)) as steps:
        for how, value in steps:
            if isinstance(value, Waiting):
                yield {"status": waiting_line(value)}
            elif isinstance(value, PruneProgress):
                yield {"status": progress_line(value)}
            elif isinstance(value, Pruned):
                said = _pruned(value, asked.pruning)
                hidden = {"measured": gr.Column(visible=False), "changes": gr.Column(visible=False)}
                yield {"status": _begun(bench, said, how), **hidden}
            else:
                trace = value.trace if isinstance(value, Compared) else value
                shown_as = shown_as or seen_as(how, trace)["run"]
                trace = {**trace, "run": shown_as, "query": link_to(asked)}
                yield {"shown": trace, "last": trace} | _measuring(trace, said, how)
    yield _finished(value, trace, asked, dense, f"{said} {kept_words(how)}", values["linked"])


def _pruned(copy: Pruned, pruning: PruneConfig) -> str:
    how = "was pruned before and kept" if copy.was_kept else f"was pruned in {copy.seconds:.1f} s"
    if copy.recorded and not copy.was_kept:
        how += " (statistics of the dense model came with the page)"
    are = "were removed" if pruning.method in STRUCTURED else "are zero"
    return f"The copy {how}: {percent(copy.sparsity, 1)} of its layers' weights {are}."


def _begun(bench: Workbench, said: str, how: str) -> str:
    if how == KEPT:
        return note("Kept", f"{said} {kept_words(how)}")
    return note("Live", f"{said} Both write now, on this machine ({bench.machine}). {kept_words(how)}")


def _measuring(trace: dict, said: str, how: str) -> Update:
    if how == KEPT or not all(lane["done"] for lane in trace["lanes"]):
        return {}
    return {"status": note("Live", f"{said} Measuring how likely each model finds the other's answer.")}


def _finished(
    compared: Compared, trace: dict, asked: Request, dense: LoadedModel, said: str, linked: str | None
) -> Update:
    """What is known when both lanes are written. linked: the link that the page was opened with."""
    link = link_to(asked, fingerprint(trace))
    comparison = compared.comparison
    return {
        "status": note("Done", " ".join(f"{said} {_as_linked(link, linked)}".split())),
        "pinned": pin_of(comparison, trace, link, dense.spec.end_token_ids),
        "measured": gr.Column(visible=True),
        **_numbers(comparison, trace, compared.layers, asked.pruning),
        **show_changes(asked.pruning, asked.calibration),
    }


def _as_linked(link: str, linked: str | None) -> str:
    """Whether this run is the one that the link promised; nothing where its settings are others, or there was no link."""
    if linked is None or without_expect(link) != without_expect(linked):
        return ""
    if link == linked:
        return "Same as in the link you opened: both answers, token by token, and the forward passes."
    return "Not the same as in the link you opened: another model, machine or library version wrote it. The card says which ones ran here."

"""Section E of the page, "What if": change attention while the model writes, with the untouched run and a random control beside it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from urllib.parse import parse_qsl

import gradio as gr
from gradio.components import Component

from sinkprune.lab.request import Request
from sinkprune.lab.what_if import LaneResult
from sinkprune.models import LoadedModel
from sinkprune.traces.runs import check_prompt
from sinkprune.traces.touch import Edit, touched_again
from sinkprune.ui.components.player import player
from sinkprune.ui.events import QUICK_EVENT, STATE_SECONDS
from sinkprune.ui.inputs import BOUNDS, KEEPS, in_words
from sinkprune.ui.run_button import Update, run_button, wire_run
from sinkprune.ui.sections.watch import stopped
from sinkprune.ui.server.kept_runs import KEPT
from sinkprune.ui.server.links import link_to, read_link
from sinkprune.ui.server.runs import Before, Tried, run_of, seen_as
from sinkprune.ui.server.scheduler import Waiting
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.what_if_inputs import (
    CHANGES,
    COVERS,
    HEADS,
    LANES,
    MOST_TOKENS,
    NUMBERS,
    PROTOCOLS,
    WHAT_IF,
    WHERE,
    what_if_from,
)
from sinkprune.ui.words.text import kept_words, note, waiting_line
from sinkprune.ui.words.what_if import ABOUT_CHANGE, WHAT_IF_TERMS, result_table, touched_words


def what_if_section(
    bench: Workbench, prompt: gr.Textbox, decoding: dict[str, Component]
) -> tuple[dict[str, Component], gr.State]:
    """Build the section and wire it to the page's prompt and decoding controls.

    Returns the controls of `WHAT_IF`, by name, and what holds the `Touch` of the link that the page was opened with.
    """
    change = gr.Radio(
        [(title, name) for name, title in CHANGES.items()], value=WHAT_IF["change"], label="What is changed while it writes",
        elem_id="what-if-change", elem_classes="plain-radio",
    )  # fmt: skip
    about = gr.HTML(_about(WHAT_IF["change"]), elem_id="what-if-about")
    lane = _radio("Lane", LANES, "lane")
    groups, controls = _groups()
    controls = {"change": change, "lane": lane} | controls
    with gr.Row(elem_classes="actions"):
        button = run_button("Try it", "what-if-run", "Stop", "what-if-stop", min_width=180)
    outputs = {
        "status": gr.HTML(
            note("", "The prompt above is written untouched, changed, and changed at random."), elem_id="what-if-status"
        ),
        "shown": player(bench.answer_map, elem_id="what-if-player", empty="No run yet. Press Try it.", touchable=True),
        "table": gr.HTML(elem_id="what-if-table"),
        "last": gr.State(time_to_live=STATE_SECONDS),
        "linked": gr.State(),
    }
    gr.HTML(WHAT_IF_TERMS)
    put = gr.State(time_to_live=STATE_SECONDS)
    taken = outputs["shown"].submit(_put, None, put, **QUICK_EVENT)
    last = {"trace": outputs["last"]}
    wire_run(
        button, bench, partial(_try, bench), {"prompt": prompt, "linked": outputs["linked"], **controls, **decoding},
        outputs, stopped, last, also=[(taken.success, partial(_go_on, bench), {"put": put} | last)],
    )  # fmt: skip
    change.change(_show_group, change, [about, lane, *groups.values()], **QUICK_EVENT)
    return controls, outputs["linked"]


def _groups() -> tuple[dict[str, gr.Row], dict[str, Component]]:
    """A row of controls for each change, of which one shows; and all controls by name."""
    with gr.Row() as cover:
        controls = {
            "covered": _radio("Which tokens", COVERS, "covered"),
            "covered_count": _slider("How many at each step", "covered_count", info="1 to 10"),
            "covered_where": _radio("Chosen by", WHERE, "covered_where"),
            "covered_protocol": _radio("Sinks of the autoregressive lane", PROTOCOLS, "covered_protocol"),
        }
    with gr.Row(visible=False) as keys:
        controls["kept_share"] = gr.Slider(
            *BOUNDS["retention"], value=WHAT_IF["kept_share"], step=0.05, label="Share of keys and values kept",
            info="of those outside the block, in every layer", elem_id="kept-share",
        )  # fmt: skip
        controls["kept_by"] = _radio("Which are kept", KEEPS, "kept_by")
    with gr.Row(visible=False) as heads:
        controls["heads"] = _radio("Which heads", HEADS, "heads")
        controls["heads_count"] = _slider("How many of all layers' heads", "heads_count")
    with gr.Row(visible=False) as blanks:
        controls["blanks"] = gr.Textbox(
            WHAT_IF["blanks"], label="Answer with blanks", info="___ (three underscores) is a blank; the model sees both sides of it",
            lines=2, max_lines=5, elem_id="blanks",
        )  # fmt: skip
        controls["blank_tokens"] = _slider("Tokens in each blank", "blank_tokens", info=f"1 to {MOST_TOKENS}")
    return {"cover": cover, "keys": keys, "heads": heads, "blanks": blanks}, controls


def _radio(label: str, choices: dict[str, str], name: str) -> gr.Radio:
    pairs = [(title, choice) for choice, title in choices.items()]
    elem_id = f"what-if-{name.replace('_', '-')}"
    return gr.Radio(pairs, value=WHAT_IF[name], label=label, elem_classes="plain-radio", elem_id=elem_id)


def _slider(label: str, name: str, info: str | None = None) -> gr.Slider:
    return gr.Slider(
        *NUMBERS[name], value=WHAT_IF[name], step=1, label=label, info=info, elem_id=name.replace("_", "-")
    )


def _show_group(change: str) -> list[dict]:
    shown = [gr.update(visible=name == change) for name in ("cover", "keys", "heads", "blanks")]
    return [_about(change), gr.update(visible=change in ("cover", "heads")), *shown]


def _about(change: str) -> str:
    return f"<p class='quiet'>{html.escape(ABOUT_CHANGE.get(change, ''))}</p>"


def _try(bench: Workbench, values: dict) -> Iterator[Update]:
    """Write all lanes, then measure them; or show the same run of an earlier visitor."""
    asked, dense = _asked(bench, values)
    yield {"linked": None}
    yield from _run(bench, dense, replace(asked, touch=values.get("linked")))


def _put(event: gr.EventData) -> tuple[int, Edit]:
    """What a visitor puts into a lane of the player: (lane, edit). The event has {lane, after, position, token}."""
    with in_words():
        put = event._data if isinstance(event._data, dict) else {}
        return put.get("lane"), Edit(*(put.get(name) for name in ("after", "position", "token")))


def _go_on(bench: Workbench, values: dict) -> Iterator[Update]:
    """Go on from the run that is shown, after one edit more."""
    trace, put = values["trace"], values["put"]
    if not trace or not put:
        raise ValueError("there is no run to touch yet: press Try it first")
    link = read_link(dict(parse_qsl(trace["query"].removeprefix("?"))))
    asked, dense = _asked(bench, link.values)
    if trace["model"]["name"] != dense.spec.name:
        raise ValueError("another model is here than the one that wrote this run: press Try it first")
    yield from _run(bench, dense, replace(asked, touch=touched_again(link.touch, *put)))


def _run(bench: Workbench, dense: LoadedModel, asked: Request) -> Iterator[Update]:
    yield {"status": note("Live", "The model begins."), "table": ""}
    shown_as, lanes = None, None
    with closing(run_of(asked)(bench, dense, asked)) as steps:
        for how, value in steps:
            if isinstance(value, Waiting):
                yield {"status": waiting_line(value)}
                continue
            if isinstance(value, Before):
                # Only said: one event shows one run, because Gradio sends differences, and garbles those of lists that shrink.
                yield {"status": note("Live", "The run is written first, then it is touched.")}
                continue
            lanes = value.lanes if isinstance(value, Tried) else None
            trace = value.trace if isinstance(value, Tried) else value
            news = {} if shown_as else {"status": _begun(bench, how)}
            shown_as = shown_as or seen_as(how, trace)["run"]
            trace = {**trace, "run": shown_as, "query": link_to(asked)}
            if lanes is not None:
                news |= {"table": result_table(lanes), "status": note("Live", _measuring(lanes, trace))}
            yield {"shown": trace, "last": trace, **news}
    yield {"status": _done(asked, trace, lanes, how)}


def _asked(bench: Workbench, values: dict) -> tuple[Request, LoadedModel]:
    """The request, checked, and the model that runs it to the end, also where another one is loaded meanwhile."""
    asked = what_if_from(values)
    dense = bench.loaded
    if "ar" in asked.lanes and not dense.spec.causal:
        raise ValueError("this model only denoises: choose the diffusion lane")
    check_prompt(dense, asked.prompt, 0 if asked.blanks else asked.decoding.gen_length)
    return replace(asked, model=dense.spec.public_name), dense


def _begun(bench: Workbench, how: str) -> str:
    if how == KEPT:
        return note("Kept", kept_words(how))
    return note("Live", f"The model {bench.name} writes now, on this machine ({bench.machine}). {kept_words(how)}")


def _measuring(lanes: list[LaneResult], trace: dict) -> str:
    return f"Written. Measuring how likely the untouched answer is in each lane: {len(lanes)} of {len(trace['lanes'])}."


def _done(asked: Request, trace: dict, lanes: list[LaneResult] | None, how: str) -> str:
    if asked.touch is not None:
        said = touched_words(trace)
    elif lanes is None:
        passes = trace["lanes"][0]["nfe"]
        said = f"The blanks are filled, in {passes} forward passes."
    else:
        said = "Written and measured: the table below the player has the numbers of each lane."
    return note("Kept" if how == KEPT else "Done", f"{said} {kept_words(how)}".strip())

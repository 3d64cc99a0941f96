"""How the recorded run on screen was written, above the controls of "How it writes", with a button that sets them to it."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component

from sinkprune.decoding import DecodeConfig
from sinkprune.recorded.presets import Preset
from sinkprune.traces.numbers import percent
from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import decoding_values
from sinkprune.ui.words.text import note


def recorded_settings(presets: Sequence[Preset], chips: gr.Radio, controls: dict[str, Component]) -> None:
    """Build the line and the button. chips: its value names the recorded run on screen, None for another run.

    controls: "both" and all of `inputs.DECODING`, by name.
    """
    values = {preset.name: recorded_values(preset.trace) for preset in presets}

    def line(name: str | None) -> str:
        return (
            note("Recorded", f"The run on screen was written so: {settings_words(values[name])}.")
            if known(name)
            else ""
        )

    def known(name: object) -> bool:
        return isinstance(name, str) and name in values

    def used(name: str | None) -> list:
        return [values[name][control] if known(name) else gr.skip() for control in controls]

    accordion = controls["both"].parent
    with accordion, gr.Row(elem_classes="actions"):
        words = gr.HTML(line(chips.value), elem_id="recorded-settings")
        use = gr.Button(
            "Use these settings", size="sm", scale=0, min_width=170, visible=known(chips.value), elem_id="use-settings"
        )
    accordion.children.insert(0, accordion.children.pop())  # above the controls
    chips.change(lambda name: (line(name), gr.Button(visible=known(name))), chips, [words, use], **QUICK_EVENT)
    use.click(used, chips, list(controls.values()), **QUICK_EVENT)


def recorded_values(trace: dict) -> dict:
    """The values of "both" and the decoding controls that write this trace again. Settings that a recording lacks came later."""
    known = {name: value for name, value in trace["settings"].items() if name in DecodeConfig.__dataclass_fields__}
    return {"both": len(trace["lanes"]) > 1, **decoding_values(DecodeConfig(**known))}


def settings_words(values: dict) -> str:
    """Decoding settings, by the names of their controls, in a few words."""
    rules = {
        "threshold": f"all tokens above a confidence of {values['threshold']:g}",
        "factor": f"as many tokens as the factor {values['factor']:g} allows",
        "one": "one token a step",
    }
    said = [f"{values['gen_length']} tokens in blocks of {values['block_length']}", rules[values["rule"]]]
    if values["cache"] != "none":
        share = f" with {percent(values['retention'])} of the keys" if values["cache"] == "sparse" else ""
        said.append(f"{values['cache']} cache{share}")
    if values["temperature"] > 0:
        said.append(f"temperature {values['temperature']:g}, seed {values['seed']}")
    return ", ".join(said)

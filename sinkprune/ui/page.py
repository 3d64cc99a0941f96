"""The whole page: hero, prompt, decoding settings, and the sections (watch, prune and compare, results), plus the API's endpoints."""

from __future__ import annotations

import gradio as gr
from starlette.middleware import Middleware

from sinkprune.recorded.comparison import load_comparison
from sinkprune.recorded.eviction_times import load_times
from sinkprune.recorded.presets import load_presets
from sinkprune.recorded.pruned_sinks import load_pruned_sinks
from sinkprune.recorded.pruning_table import load_table
from sinkprune.recorded.what_if import load_what_if
from sinkprune.ui.api import add_endpoints
from sinkprune.ui.components.scripts import PROMPT_KEYS, ROVING
from sinkprune.ui.components.served import WEB
from sinkprune.ui.opening import open_links
from sinkprune.ui.run_button import run_button
from sinkprune.ui.sections.all_methods import methods_section
from sinkprune.ui.sections.compare import compare_section
from sinkprune.ui.sections.decoding_controls import decoding_controls
from sinkprune.ui.sections.learn import guide_section, learn_section
from sinkprune.ui.sections.models import models_section
from sinkprune.ui.sections.pruned_sinks import pruned_sinks_section
from sinkprune.ui.sections.results import table_section
from sinkprune.ui.sections.sweep import sweep_section
from sinkprune.ui.sections.watch import watch_section
from sinkprune.ui.sections.what_if import what_if_section
from sinkprune.ui.sections.what_if_results import what_if_results_section
from sinkprune.ui.server.web_guard import WebGuard
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.theme import theme
from sinkprune.ui.words.text import ABOUT, HERO

DEFAULT_PROMPT = "Why is the sky blue"
LAUNCH = {
    "theme": theme(),
    "css_paths": [WEB / "page.css", WEB / "models.css"],
    "run_history": False,
    "max_threads": 160,  # of which one waits with each visitor in a line; a thread that waits costs nothing else
    "max_file_size": "16mb",  # a saved run of the longest answer has about 9
    "state_session_capacity": 200,  # visitors whose last runs are in memory, a few MB each; those away longest go first
    "footer_links": ["api"],
    "app_kwargs": {"middleware": [Middleware(WebGuard)]},
}


def build_page(bench: Workbench) -> gr.Blocks:
    """The page as Gradio Blocks; `demo.launch(**LAUNCH)` shows it."""
    presets, table, compared = load_presets(), load_table(), load_comparison()
    with gr.Blocks(
        title="sinkprune: attention sinks that move", analytics_enabled=False, delete_cache=(3600, 3600)
    ) as demo:
        gr.HTML(HERO, js_on_load=ROVING)
        guide_section()
        said = gr.HTML(elem_id="link-note")
        with gr.Row(elem_id="ask"):
            prompt = gr.Textbox(
                presets[0].trace["prompt"] if presets else DEFAULT_PROMPT,
                label="Prompt", placeholder="Ask for a story or an explanation, in English", lines=1, max_lines=4, elem_id="prompt",
            )  # fmt: skip
            button = run_button("Run", "run", "Stop", "stop", min_width=88)
        recorded, decoding = decoding_controls()
        with gr.Tabs(elem_id="sections") as tabs:
            with gr.Tab("Watch the sinks", id="watch"):
                watch_section(bench, presets, prompt, recorded, button, decoding)
            with gr.Tab("Prune and compare", id="compare") as tab:
                copy, linked = compare_section(bench, tab, prompt, decoding, compared)
            with gr.Tab("What if", id="whatif"):
                changes, touched = what_if_section(bench, prompt, decoding)
            with gr.Tab("All methods", id="methods"):
                samples = methods_section(bench, prompt, decoding, compared)
                sweep_section(bench, prompt, decoding, samples, table)
            with gr.Tab("Results", id="table"):
                table_section(table)
                what_if_results_section(load_what_if(), load_times())
                pruned_sinks_section(load_pruned_sinks())
            with gr.Tab("Learn", id="learn"):
                learn_section(bench, prompt, presets, table)
            with gr.Tab("Bring your own model", id="models") as tab:
                models_section(bench, tab)
        gr.HTML(ABOUT, js_on_load=PROMPT_KEYS)
        add_endpoints(bench)
        controls = {"prompt": prompt, **recorded, **decoding, **copy, **changes}
        open_links(demo, bench, said, tabs, controls, linked, touched, [preset.name for preset in presets])
    # Whoever waits does so in the lines of the workbench, with a thread each; this bound is for what the lines do not see.
    return demo.queue(max_size=200, default_concurrency_limit=4)

"""The page's look as a Gradio theme: system fonts only (nothing is fetched), warm neutrals, and the player's one accent."""

from __future__ import annotations

import gradio as gr

ACCENT, ACCENT_HOVER = "#c8321a", "#a92812"
ACCENT_DARK, ACCENT_DARK_HOVER = "#ff8a65", "#ffa384"
PAPER, INK, LINE = "#fbfaf7", "#1d1c1a", "#e0dcd4"
NIGHT, NIGHT_PANEL, CHALK, NIGHT_LINE = "#141416", "#1c1c20", "#ecebe8", "#34343a"

_ACCENTS = gr.themes.Color(
    "#fdf2ef", "#fbe1da", "#f6c0b3", "#f09a86", "#ff8a65", "#e0492f", ACCENT, ACCENT_HOVER, "#87200f", "#6b1a0c", "#3f0f07"
)  # fmt: skip


_LOOK = {  # names of Gradio's theme
    "body_background_fill": PAPER,
    "body_background_fill_dark": NIGHT,
    "body_text_color": INK,
    "body_text_color_dark": CHALK,
    "body_text_color_subdued": "#625e57",
    "body_text_color_subdued_dark": "#a5a39e",
    "background_fill_primary": "#ffffff",
    "background_fill_primary_dark": NIGHT_PANEL,
    "background_fill_secondary": PAPER,
    "background_fill_secondary_dark": NIGHT,
    "border_color_primary": LINE,
    "border_color_primary_dark": NIGHT_LINE,
    "block_background_fill": "transparent",
    "block_background_fill_dark": "transparent",
    "block_border_width": "0px",
    "block_border_width_dark": "0px",
    "block_padding": "0px",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_title_text_weight": "600",
    "block_info_text_color": "#625e57",
    "block_info_text_color_dark": "#a5a39e",
    "input_background_fill": "#ffffff",
    "input_background_fill_dark": NIGHT_PANEL,
    "input_border_color": "#cfc9bf",
    "input_border_color_dark": "#4a4a52",
    "input_border_color_focus": ACCENT,
    "input_border_color_focus_dark": ACCENT_DARK,
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "button_primary_background_fill": ACCENT,
    "button_primary_background_fill_hover": ACCENT_HOVER,
    "button_primary_background_fill_dark": ACCENT_DARK,
    "button_primary_background_fill_hover_dark": ACCENT_DARK_HOVER,
    "button_primary_text_color": "#ffffff",
    "button_primary_text_color_dark": "#1c1210",
    "slider_color": ACCENT,
    "slider_color_dark": ACCENT_DARK,
    "color_accent": ACCENT,
    "link_text_color": ACCENT,
    "link_text_color_dark": ACCENT_DARK,
    "link_text_color_hover": ACCENT_HOVER,
    "link_text_color_hover_dark": ACCENT_DARK_HOVER,
    "checkbox_background_color_selected": ACCENT,
    "checkbox_background_color_selected_dark": ACCENT_DARK,
    "checkbox_border_color": "#8a857c",  # 3:1 against the page, as for whatever is known by its outline alone
    "checkbox_border_color_dark": "#85858e",
    "checkbox_border_color_selected": ACCENT,
    "checkbox_border_color_selected_dark": ACCENT_DARK,
}


def theme() -> gr.themes.Base:
    """Light and dark."""
    return gr.themes.Base(
        primary_hue=_ACCENTS,
        neutral_hue="stone",
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"),
        font_mono=("ui-monospace", "SFMono-Regular", "Consolas", "monospace"),
        radius_size="sm",
    ).set(**_LOOK)

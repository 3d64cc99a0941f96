"""The tab "All methods" in headless Chromium, on a tiny model: the table fills and sorts, the texts stand under it, the sweep draws."""

from __future__ import annotations

import time

import gradio as gr
import pytest
from watched_page import watched_page

from sinkprune.lab.all_methods import ORDER
from sinkprune.pruning import PruneProgress
from sinkprune.ui.page import LAUNCH
from sinkprune.ui.sections.all_methods import methods_section
from sinkprune.ui.sections.decoding_controls import decoding_controls
from sinkprune.ui.sections.sweep import sweep_section
from tests.recorded.table_samples import made_up_table
from tests.tiny_bench import tiny_bench

pytestmark = pytest.mark.browser

READY = "#all-methods .mt"
HOSTILE = "<img src=x onerror=alert(1)> stars"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return tiny_bench(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def address(bench):
    with gr.Blocks() as demo:
        prompt = gr.Textbox("why do stars shine ?", label="Prompt")
        _, decoding = decoding_controls()
        samples = methods_section(bench, prompt, decoding, None)
        decoding["gen_length"].value, samples.value = 32, 8  # the shortest answer and calibration that the page offers
        sweep_section(bench, prompt, decoding, samples, made_up_table() | {"model": bench.name})
    _, url, _ = demo.queue().launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
    yield url
    demo.close()


@pytest.fixture(scope="module")
def controls(browser, address):
    """One page for the tests that run nothing."""
    page = watched_page(browser)
    page.goto(address)
    page.locator(READY).wait_for()
    yield page
    page.close()
    assert page.problems == []


def run_all(page):
    page.locator("#all-run").click()
    page.locator("#all-status").get_by_text("Done", exact=True).wait_for()
    page.wait_for_function("n => document.querySelector('.mt').dataset.rows == n", arg=len(ORDER) + 1)


def methods_in_order(page) -> list[str]:
    return page.locator(".mt tbody tr").evaluate_all("(rows) => rows.map((row) => row.dataset.method)")


def column(page, number) -> list[float]:
    cells = f".mt tbody tr > :nth-child({number}) > span"
    return [float(text.split()[0]) for text in page.locator(cells).all_inner_texts()]


def test_the_table_fills_and_sorts_by_keyboard(open_page):
    page = open_page()
    run_all(page)
    assert methods_in_order(page) == ["dense", *ORDER]
    button = page.get_by_role("button", name="Bits of the dense answer")
    button.focus()
    page.keyboard.press("Enter")
    assert column(page, 2)[1:] == sorted(column(page, 2)[1:])
    assert methods_in_order(page)[0] == "dense"
    assert page.locator("th[aria-sort=ascending]").count() == 1
    page.keyboard.press("Space")
    assert column(page, 2)[1:] == sorted(column(page, 2)[1:], reverse=True)
    assert "descending by Bits of the dense answer" in page.locator(".mt-spoken").text_content()
    assert page.evaluate("document.activeElement.textContent") == "Bits of the dense answer"  # the focus is not lost
    page.keyboard.press("Enter")
    assert methods_in_order(page) == ["dense", *ORDER]


def test_best_and_worst_are_those_of_the_numbers_shown_and_markup_stays_text(open_page):
    page = open_page()
    page.get_by_label("Prompt", exact=True).fill(HOSTILE)
    run_all(page)
    numbers = column(page, 2)[1:]
    marked = page.locator(".mt tbody tr:not(:first-child) td:nth-child(2)").evaluate_all(
        "(cells) => cells.map((cell) => cell.dataset.mark ?? '')"
    )
    for number, mark in zip(numbers, marked, strict=True):
        assert mark == ("best" if number == min(numbers) else "worst" if number == max(numbers) else "")
    assert page.locator(".mt tbody tr:first-child [data-mark]").count() == 0  # the dense model is no contestant
    assert page.locator(".mt-texts h4").all_inner_texts() == ["dense", *ORDER]
    assert all(text.strip() for text in page.locator(".mt-text").all_inner_texts())
    assert page.locator("main img").count() == 0


def test_what_a_method_cannot_do_is_listed(open_page):
    page = open_page()
    page.get_by_label("2:4", exact=True).check()
    page.locator("#all-run").click()
    page.locator("#all-status").get_by_text("Done", exact=True).wait_for()
    refused = page.locator(".mt-refused li").all_inner_texts()
    assert [line.split(":")[0] for line in refused] == [name for name in ORDER if "structured" in name]


def test_under_a_pattern_the_sparsity_is_not_live_and_says_the_share(controls):
    page = controls
    number = page.get_by_label("number input for Sparsity of every copy")
    number.fill("0.7")
    page.get_by_label("4:8", exact=True).check()
    page.get_by_text("4:8 always takes 50 % of the weights").wait_for()
    assert number.is_disabled()
    assert number.input_value() == "0.5"
    page.get_by_label("free", exact=True).check()
    page.get_by_text("share of the weights set to zero").first.wait_for()
    assert number.is_enabled()


def test_the_seed_is_live_only_where_it_is_used(controls):
    page = controls
    page.get_by_role("button", name="How it writes").click()
    seed = page.get_by_label("Seed", exact=True)
    assert seed.is_disabled()
    page.get_by_label("number input for Temperature").fill("0.5")
    page.wait_for_function("() => !document.querySelector('#seed input').disabled")


def test_a_cancelled_run_keeps_its_rows_and_frees_the_model(open_page, bench, monkeypatch):
    def endless(pruning, calibration, dense=None):
        while True:
            time.sleep(0.05)
            yield PruneProgress("inputs", 0, 2, (), 1, 2, 0.1)

    page = open_page()
    with monkeypatch.context() as patch:
        patch.setattr(bench, "prune", endless)
        page.locator("#all-run").click()
        page.locator("#all-status").get_by_text(f"method 1 of {len(ORDER)} · magnitude · Layer 1 of 2").wait_for()
        page.locator("#all-cancel").click()
        page.locator("#all-status").get_by_text("Cancelled").wait_for()
    assert methods_in_order(page) == ["dense"]
    run_all(page)


def test_a_mistake_is_said(controls):
    page = controls
    page.get_by_label("Prompt", exact=True).fill(" ")
    page.locator("#all-run").click()
    page.get_by_text("type a few words").first.wait_for()
    assert page.locator("#all-run").is_enabled()


def test_the_sweep_draws_live_and_recorded_curves(open_page):
    page = open_page()
    page.locator("#sweep-run").click()
    page.locator("#sweep-status").get_by_text("Done", exact=True).wait_for()
    plot = page.locator("#sweep-figure .js-plotly-plot")
    plot.locator(".scatterlayer .trace").first.wait_for()
    names = plot.evaluate("(plot) => plot.data.map((curve) => curve.name)")
    assert {"magnitude, live", "wanda, live", "wanda, recorded", "dense model, live"} <= set(names)
    assert page.locator("#sweep-numbers table tbody tr").count() == 2
    ticks = [float(text) for text in plot.locator(".ytick text").all_text_contents()]
    assert ticks == sorted(set(ticks))  # 20 is not written as "2"


def test_a_sweep_without_methods_is_refused(controls):
    page = controls
    for name in ("magnitude", "wanda"):
        page.locator("#sweep-methods").get_by_label(name, exact=True).uncheck()
    page.locator("#sweep-run").click()
    page.get_by_text("choose at least one method").first.wait_for()


def test_a_phone_needs_no_sideways_scrolling(open_page):
    page = open_page(width=390, scheme="dark")
    run_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    region = page.locator(".mt-scroll")
    assert region.evaluate("(element) => element.scrollWidth > element.clientWidth")
    region.focus()
    page.keyboard.press("ArrowRight")


def test_marks_and_order_are_functions_of_the_rows(controls):
    page = controls
    folder = page.locator("#all-methods link").get_attribute("href").rsplit("/", 1)[0]
    found = page.evaluate(
        """async (folder) => {
          const { marks, sorted } = await import(folder + "/columns.js");
          const row = (method, agreement) => ({ method, agreement, nats: 1, own_nats: 1, repeated: 0, forwards: 1,
            write_seconds: 0, prune_seconds: 0, achieved: 0.5, megabytes: 1 });
          const rows = [row("a", 0.5), row("b", 0.501), row("c", 0.9), row("d", 0.9)];
          return {
            marks: [...marks(rows)].map(([key, by]) => [key, Object.fromEntries(by)]),
            most: Object.fromEntries([...marks([...rows, row("e", 0.9)])][0][1]),
            one: [...marks(rows.slice(0, 1))].length,
            up: sorted(rows, { key: "agreement", down: false }).map((one) => one.method),
            down: sorted(rows, { key: "agreement", down: true }).map((one) => one.method),
            none: sorted(rows, null).map((one) => one.method),
          };
        }""",
        folder,
    )
    assert found == {
        "marks": [
            ["agreement", {"a": "worst", "b": "worst", "c": "best", "d": "best"}]
        ],  # 50 % and 50.1 % are shown alike
        "most": {"a": "worst", "b": "worst"},  # what three of five share is not best
        "one": 0,
        "up": ["a", "b", "c", "d"],
        "down": ["c", "d", "b", "a"],
        "none": ["a", "b", "c", "d"],
    }

"""What the player costs, measured with the browser's own clock and printed (pytest -s): nothing here fails because a machine is busy.

The run has 128 tokens in 64 denoising steps, 12 layers of 9 heads, and the autoregressive lane beside it.
"""

from __future__ import annotations

import json

import pytest
from player_driver import open_page, show, wait_state
from player_pages import served_player
from player_traces import growing, make_map, make_trace

pytestmark = pytest.mark.browser

LARGE = {"length": 142, "steps": 64, "layers": 12, "heads": 9, "block": 32}
WRAP = """
const { Drawing } = await import(document.querySelector('link[href*="player.css"]').href.replace('player.css', 'drawing.js'));
const redraws = [];
const draw = Drawing.prototype.draw;
Drawing.prototype.draw = function () { const t = performance.now(); draw.call(this); redraws.push(performance.now() - t); };
const sorted = (times) => {
  times.sort((a, b) => a - b);
  const at = (part) => Math.round(10 * times[Math.floor(part * (times.length - 1))]) / 10;
  return { median: at(0.5), p95: at(0.95), worst: at(1), count: times.length }; };
"""
SCRUB = f"""async () => {{ {WRAP}
  const range = document.querySelector('.sp-range');
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  for (let step = 0; step < 24; step++) {{ range.value = step; range.dispatchEvent(new Event('input')); await frame(); }}
  Drawing.prototype.draw = draw;
  return sorted(redraws);
}}"""
PLAY = f"""async () => {{ {WRAP}
  const gaps = [];
  document.querySelector('[data-do=first]').click();
  document.querySelector('[data-do=toggle]').click();
  let before = performance.now();
  while (gaps.length < 20) {{ const now = await new Promise(requestAnimationFrame); gaps.push(now - before); before = now; }}
  Drawing.prototype.draw = draw;
  return [sorted(gaps.slice(2)), sorted(redraws)];
}}"""


def stream():
    yield from growing(make_trace(**LARGE, seed=3))


@pytest.fixture(scope="module")
def address():
    with served_player(make_map, make_trace(**LARGE), {"stream": stream}) as url:
        yield url


def report(name: str, value: object) -> None:
    print(json.dumps({name: value}))


def test_frame_times(browser, address):
    page = open_page(browser, address, reduced_motion="no-preference")
    for button in ("Every layer and head", "Token to token"):
        page.get_by_role("button", name=button).click()
        found = page.evaluate(SCRUB)
        report(f"scrubbing, {button.lower()}: redraw, ms", found)
        assert found["count"] > 20
        gaps, redraws = page.evaluate(PLAY)
        report(f"playing, {button.lower()}: gap between frames, ms", gaps)
        report(f"playing, {button.lower()}: redraw, ms", redraws)
        assert gaps["count"] == 18
        assert redraws["count"] > 0
    page.close()


def test_transfer(browser, address):
    page = open_page(browser, address)
    page.get_by_role("button", name="Token to token").click()  # maps are fetched when looked at, and not counted here
    received = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.dataReceived", lambda event: received.append(event["dataLength"]))
    show(page, "stream")
    wait_state(page, frames="80", live="false")
    streamed = sum(received)
    report("a streamed run, bytes", streamed)
    received.clear()
    page.get_by_text("Share and save").click()
    with page.expect_download():
        page.get_by_role("button", name="Data").click()
    report("all its heads, bytes", sum(received))
    assert 0 < streamed < 3_000_000
    page.close()

"""How long a visitor waits for a page that was asleep: from the start of `python app.py` to the first moving frame in a real browser.

    python -m sinkprune.benchmarks.cold_start [--rounds 3] [--json]

Needs the package playwright and a Chromium. Chromium runs already, as a visitor's browser does, and has nothing of the page in its cache.
The first moving frame is the one in which the player, by itself, shows another step of the recorded run than the first it painted.
Each round is a new server process; what the operating system has cached of the files stays. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from sinkprune.benchmarks.app_process import MOST_SECONDS, app_process

STAGES = {
    "http": "the server answers",
    "player": "the player shows its first step",
    "moving": "the first moving frame",
    "processor": "processor time of the server by then",
}
# Resolves in the first animation frame whose step is another one than the first seen.
MOVES = """() => new Promise((done) => {
  const player = document.querySelector('.sp-player');
  const first = player.dataset.step;
  const look = () => player.dataset.step === first ? requestAnimationFrame(look) : requestAnimationFrame(() => done(true));
  requestAnimationFrame(look);
})"""


def cold_start(browser) -> dict[str, float]:
    """Stage -> seconds since the server process was started, and "processor": seconds it computed until then, on any core.

    browser: a Playwright Browser.
    """
    with app_process() as app:
        seconds = {"http": time.perf_counter() - app.began}
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(app.address, wait_until="commit")
        page.wait_for_selector(".sp-player[data-step]", timeout=1000 * MOST_SECONDS)
        seconds["player"] = time.perf_counter() - app.began
        page.evaluate(MOVES)
        seconds["moving"] = time.perf_counter() - app.began
        seconds["processor"] = sum(psutil.Process(app.process.pid).cpu_times()[:2])
        page.context.close()
    return seconds


@contextmanager
def _chromium() -> Iterator:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise ValueError("the cold start is seen by a browser: pip install playwright") from None
    system = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], executable_path=system)
        yield browser
        browser.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cold start of the page, a new server process a round."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.cold_start", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="new server processes (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    load = psutil.getloadavg()[0]
    with _chromium() as browser:
        rounds = [cold_start(browser) for _ in range(options.rounds)]
    if options.json:
        print(json.dumps({"load": load, "cores": psutil.cpu_count(), "rounds": rounds}, indent=1))
        return
    print(f"seconds since the process was started; {psutil.cpu_count()} cores, load before: {load:.1f}")
    for stage, words in STAGES.items():
        print(f"{words:<38}" + "".join(f"{seconds[stage]:>8.2f}" for seconds in rounds))


if __name__ == "__main__":
    main()

"""The benchmark of the cold start on the real application; how fast it is, is measured on an idle machine, not here."""

import subprocess
import sys

import pytest

from sinkprune.benchmarks.app_process import ROOT
from sinkprune.benchmarks.cold_start import STAGES, cold_start, main

pytestmark = [pytest.mark.browser, pytest.mark.bundled]


def test_stages_come_in_their_order(browser):
    seconds = cold_start(browser)
    assert seconds.keys() == STAGES.keys()
    assert 0 < seconds["http"] < seconds["player"] < seconds["moving"]
    assert seconds["processor"] > 0


def test_the_page_is_built_without_transformers_models():
    """They take as long to import as torch itself, and only the first load needs them."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, app\nprint(sorted({'transformers.modeling_utils', 'torch._dynamo', 'accelerate'} & sys.modules.keys()))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_without_a_browser_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(ValueError, match="pip install playwright"):
        main(["--rounds", "1"])

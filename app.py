"""sinkprune as a web page: `python app.py`. Address and port come from Gradio's own variables (GRADIO_SERVER_NAME, GRADIO_SERVER_PORT)."""

import os

# Threads that spin while they wait for work slow down everything else on a small machine; torch reads this when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from sinkprune.ui.page import LAUNCH, build_page
from sinkprune.ui.workbench import Workbench

bench = Workbench("bundled")  # loads in the background: the page opens, and its preset plays, without it
demo = build_page(bench)

if __name__ == "__main__":
    demo.launch(**LAUNCH)

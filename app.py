"""sinkprune as a web page: `python app.py`. Address and port come from Gradio's own variables (GRADIO_SERVER_NAME, GRADIO_SERVER_PORT);
SINKPRUNE_MODEL names another model than the bundled one: a registry name, a hub id or a folder.
"""

import gc
import os
from contextlib import suppress

# Threads that spin while they wait for work slow down everything else on a small machine; torch reads this when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
with suppress(ImportError):  # on ZeroGPU this must come before torch
    import spaces  # noqa: F401

gc.disable()  # as sinkprune/models/quick_imports.py does, which waits for torch itself
from sinkprune.ui.page import LAUNCH, build_page  # noqa: E402
from sinkprune.ui.server.workbench import Workbench  # noqa: E402

gc.enable()

# The page opens, and its preset plays, without the model.
bench = Workbench(os.environ.get("SINKPRUNE_MODEL", "bundled"))
demo = build_page(bench)

if __name__ == "__main__":
    demo.launch(prevent_thread_lock=True, **LAUNCH)
    bench.start()
    demo.block_thread()

"""What somebody asks the model to do, as one value: page, links, API and kept runs speak of a run by its `Request`.

It stands in this room because its key leaves out what cannot change the copy, and that rule is the store's (`lab.store.copy_settings`).
How a request becomes a link is the page's business (`ui.server.links`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from sinkprune.decoding import Cover, DecodeConfig, LeaveOutHeads
from sinkprune.lab.store import copy_settings
from sinkprune.pruning import CalibrationConfig, PruneConfig
from sinkprune.traces.blanks import Blanks
from sinkprune.traces.touch import Touch

WATCHED, BOTH = ("dlm",), ("dlm", "ar")


@dataclass(frozen=True)
class Request:
    """One prompt, and all that decides what is written to it.

    model: `ModelSpec.public_name` of the dense model, None for a folder or a hub id, which stay with their owner.
    pruning, calibration: the pruned copy that writes beside the dense model; both None where only the dense model writes.
    intervention: what is changed while the dense model writes; None where nothing is.
    blanks: an answer with blanks to fill in; None where the model writes all of it.
    controls: untouched, changed and random lanes beside each other (`traces.runs.changes_of`).
    lanes: how the dense model writes where there is no copy: "dlm", "dlm" and "ar", or "ar" with controls.
    touch: tokens that were put into a lane of the run, from which the model went on; None where nobody touched one.
    closely: candidates and value norms are recorded, too.
    """

    model: str | None
    prompt: str
    decoding: DecodeConfig
    pruning: PruneConfig | None = None
    calibration: CalibrationConfig | None = None
    intervention: Cover | LeaveOutHeads | None = None
    blanks: Blanks | None = None
    controls: bool = False
    lanes: tuple[str, ...] = WATCHED
    touch: Touch | None = None
    closely: bool = False

    @property
    def key(self) -> str:
        """16 hex digits: equal for two requests that give the same run on the same weights."""
        made_by = [self.model, self.prompt, asdict(self.decoding)]
        if self.pruning is not None:
            made_by.append(copy_settings(self.pruning, self.calibration))
        else:
            made_by.append(self.lanes)
        changes = [change for change in (self.intervention, self.blanks, self.touch) if change is not None]
        made_by += [[type(change).__name__, asdict(change)] for change in changes]
        if self.controls:
            made_by.append("controls")
        if self.closely:
            made_by.append("closely")
        return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:16]

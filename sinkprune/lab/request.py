"""What somebody asks the model to do, as one value: page, links, API and kept runs speak of a run by its `Request`.

It stands in this room because its key leaves out what cannot change the copy, and that rule is the store's (`lab.store.copy_settings`).
How a request becomes a link is the page's business (`ui.server.links`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from sinkprune.decoding import DecodeConfig
from sinkprune.lab.store import copy_settings
from sinkprune.pruning import CalibrationConfig, PruneConfig

WATCHED, BOTH = ("dlm",), ("dlm", "ar")


@dataclass(frozen=True)
class Request:
    """One prompt, and all that decides what is written to it.

    model: `ModelSpec.public_name` of the dense model, None for a folder or a hub id, which stay with their owner.
    pruning, calibration: the pruned copy that writes beside the dense model; both None where only the dense model writes.
    intervention: what is changed while the model writes; None where nothing is.
    lanes: how the dense model writes where there is no copy: "dlm", or "dlm" and "ar".
    """

    model: str | None
    prompt: str
    decoding: DecodeConfig
    pruning: PruneConfig | None = None
    calibration: CalibrationConfig | None = None
    intervention: object | None = None
    lanes: tuple[str, ...] = WATCHED

    @property
    def key(self) -> str:
        """16 hex digits: equal for two requests that give the same run on the same weights."""
        made_by = [self.model, self.prompt, asdict(self.decoding)]
        if self.pruning is not None:
            made_by.append(copy_settings(self.pruning, self.calibration))
        else:
            made_by.append(self.lanes)
        if self.intervention is not None:
            made_by.append(asdict(self.intervention))
        return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:16]

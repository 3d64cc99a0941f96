"""What all visitors share: the dense model, loaded once, the lines before it, and the stores of pruned copies and finished runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import torch
from transformers.utils.logging import disable_progress_bar

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.decoding.checks import check_denoises
from sinkprune.lab.card import threads
from sinkprune.lab.forecast import Forecast, measure_speed
from sinkprune.lab.store import PrunedStore, store_key
from sinkprune.models import LoadedModel, encode_prompt, load_model
from sinkprune.models.registry import find_model, is_registered
from sinkprune.pruning import CalibrationConfig, Measured, PruneConfig, PruneProgress, PruneResult, prune_steps
from sinkprune.ui.server.attention_maps import answer_map_question
from sinkprune.ui.server.runs import kept_runs
from sinkprune.ui.server.scheduler import Lines
from sinkprune.ui.server.zero_gpu import MAP_SECONDS, on_gpu, zero_gpu

MAP_WAIT_SECONDS = 10.0
MOST_MEASURED = 32  # statistics of dense models, kept for the next prune: one number an input of every linear
STORE_BYTES = 256 * 2**20  # of the bundled model about fifty copies by masks, or five by SparseGPT


class Workbench:
    """Loads in the background from `start` on, or from when somebody needs the model. Raises ValueError for a name that means no model.

    public_name: `ModelSpec.public_name` of the present model, known before it is loaded.
    """

    def __init__(self, name: str, store_bytes: int = STORE_BYTES) -> None:
        info = find_model(name)
        self.name, self.public_name = name, info.name if is_registered(info) else None
        self.store, self.kept = PrunedStore(store_bytes), kept_runs()
        self.lines = Lines(alone=zero_gpu() is not None)
        self._measured: Measured = {}
        self._maps = threading.Lock()
        self._switching = threading.Lock()
        self._answer = on_gpu(partial(_map_or_reason, self.find), MAP_SECONDS)
        self._starting = threading.Lock()
        self._loading: Future[LoadedModel] | None = None
        self._forecast: Future[Forecast] | None = None

    def start(self) -> None:
        """Begin to load, once. app.py does so when the page is served: loading and serving share one interpreter."""
        with self._starting:
            if self._loading is None:
                self._loading, self._forecast = _start_loading(self.name)

    @property
    def ready(self) -> bool:
        return self._loading is not None and self._loading.done()

    @property
    def loaded(self) -> LoadedModel:
        """The dense model, read-only. Raises ValueError where it could not be loaded."""
        self.start()
        return self._loading.result()

    def switch(self, name: str, quantize: str | None = None) -> None:
        """Load another model and put it in the place of the present one; pruned copies of that one are dropped.

        Whoever is writing goes on with the model they began with. Raises ValueError, and leaves everything as it was, where the other
        model cannot be loaded, cannot denoise, or is being loaded already.
        """
        if not self._switching.acquire(blocking=False):
            raise ValueError("another model is being loaded: wait until it is there")
        try:
            loaded = _load(name, quantize)
            if loaded.tokenizer is None:
                raise ValueError(f"{loaded.spec.name} has no tokenizer files, and this page writes from texts")
            if quantize is not None:  # its maps and copies are not those of the model as stored
                loaded = replace(loaded, spec=replace(loaded.spec, name=f"{loaded.spec.name} ({quantize})"))
            forecast = _done(Forecast(measure_speed(loaded)))
            self.name, self.public_name = loaded.spec.name, loaded.spec.public_name
            self._loading, self._forecast = _done(loaded), forecast
            # New ones, because two folders may share a name.
            self.store, self.kept, self._measured = PrunedStore(self.store.max_bytes), kept_runs(), {}
        finally:
            self._switching.release()

    def find(self, key: str) -> LoadedModel | None:
        """The model of a lane: the dense one by its name, a pruned one by its key in the store; None when it is not in memory."""
        if key in (self.name, self.loaded.spec.name):
            return self.loaded
        kept = self.store.get(key)
        return kept.loaded if kept else None

    def answer_map(self, question: object) -> dict:
        """`answer_map_question`, one at a time: maps do not pass through the queue, and must not crowd out those who do."""
        if not self._maps.acquire(timeout=MAP_WAIT_SECONDS):
            raise ValueError("the machine is busy: look at this map again in a moment")
        try:
            answer = self._answer(question)
        finally:
            self._maps.release()
        if isinstance(answer, str):
            raise ValueError(answer)
        return answer

    def check_model(self, name: str) -> LoadedModel:
        """The dense model called `name`. Raises ValueError for any other name."""
        if name != self.name:
            raise ValueError(f"this page runs the model {self.name!r}: use that name")
        return self.loaded

    def prune(
        self, pruning: PruneConfig, calibration: CalibrationConfig, dense: LoadedModel | None = None
    ) -> Iterator[PruneProgress | PruneResult]:
        """Progress and, last, the result; only the result where the store has it already.

        dense: the model to prune, for those who began with it and must not get copies of another meanwhile; default the present one.
        """
        loaded = dense or self.loaded
        if len(self._measured) > MOST_MEASURED:
            self._measured.clear()
        key = store_key(loaded.spec, pruning, calibration)
        return self.store.build(key, loaded, lambda: self._prune(loaded, pruning, calibration))

    def _prune(
        self, loaded: LoadedModel, pruning: PruneConfig, calibration: CalibrationConfig
    ) -> Iterator[PruneProgress | PruneResult]:
        forecast = self._forecast.result()
        with closing(prune_steps(loaded, pruning, calibration, measured=self._measured)) as steps:
            for step in steps:
                if isinstance(step, PruneResult):
                    forecast.learn(loaded, pruning, calibration, step)
                yield step

    def seconds_to_prune(self, pruning: PruneConfig, calibration: CalibrationConfig) -> float | None:
        """How long somebody who asks for this copy now waits for it: 0 where it is kept, None while nothing is known of this machine."""
        if self._forecast is None or not self._forecast.done() or self._forecast.exception():
            return None
        loaded = self.loaded
        if store_key(loaded.spec, pruning, calibration) in self.store:
            return 0.0
        return self._forecast.result().seconds(loaded, pruning, calibration, self.is_at_hand(pruning, calibration))

    def is_at_hand(self, pruning: PruneConfig, calibration: CalibrationConfig) -> bool:
        """Whether what this copy needs of the dense model is measured already, so that the cut (or the pass in sequence) is left."""
        method = pruning.record
        rule = pruning.sink_rule if method.sink_aware and pruning.sink_weight else None
        needed = (method.statistic, self.loaded.spec, calibration, rule)
        return any(measured[1:] == needed for measured in list(self._measured))

    def key(self, pruning: PruneConfig, calibration: CalibrationConfig) -> str:
        """The pruned model's name in the store and in traces."""
        return store_key(self.loaded.spec, pruning, calibration)

    @property
    def machine(self) -> str:
        """Where the model runs, in words."""
        device = self.loaded.device
        if device.type == "cuda":
            return torch.cuda.get_device_name(device)
        return f"{device.type.upper()}, {threads(torch.get_num_threads())}"


def _start_loading(name: str) -> tuple[Future[LoadedModel], Future[Forecast]]:
    if zero_gpu() is None:
        one_thread = ThreadPoolExecutor(1, "load-model")
        loading = one_thread.submit(_load, name)
        return loading, one_thread.submit(lambda: Forecast(measure_speed(loading.result())))
    return _done(_load_for_workers(name)), _done(Forecast(None))


def _done(result: object) -> Future:
    done: Future = Future()
    done.set_result(result)
    return done


def _map_or_reason(find: Callable[[str], LoadedModel | None], question: object) -> dict | str:
    """The map, or why there is none: from a ZeroGPU worker only values come back in words."""
    try:
        return answer_map_question(find, question)
    except ValueError as error:
        return str(error)


def _load_for_workers(name: str) -> LoadedModel:
    """Loaded on the CPU and moved by this thread, which alone knows of ZeroGPU's promised GPU; nothing can be warmed up before a call."""
    loaded = load_model(name, device="cpu", dtype=torch.bfloat16)
    if torch.cuda.is_available():
        loaded.model.to("cuda")
    return loaded


def _load(name: str, quantize: str | None = None) -> LoadedModel:
    disable_progress_bar()
    loaded = load_model(name, quantize=quantize)
    check_denoises(loaded)
    if loaded.tokenizer is not None:  # the first forward of a process is slow: do not let a visitor wait for it
        generate(loaded, encode_prompt(loaded, "Hello"), DecodeConfig(gen_length=32, block_length=32, steps=1))
    return loaded

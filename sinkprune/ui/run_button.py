"""The one machine for buttons that run the model: press, wait, progress, stop, and the end, also after a refusal or a failure.

A section hands over its work: a function that gets the values of its inputs by name and yields updates, `{name of an output: new value}`.
One output is called "status": the line that says what goes on. `run_button` makes the two buttons, `wire_run` wires them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from sinkprune.ui.events import QUICK_EVENT
from sinkprune.ui.inputs import in_words
from sinkprune.ui.server.runs import visitor
from sinkprune.ui.server.workbench import Workbench
from sinkprune.ui.server.zero_gpu import at_once, gpu_task
from sinkprune.ui.words.text import as_sentence, note

MODEL_EVENT = {
    "concurrency_id": "model",
    "concurrency_limit": at_once(),
    "api_visibility": "private",
    "show_progress": "hidden",
    "trigger_mode": "multiple",  # "once" would swallow a press while the run before it still closes
}
MOST_STOPPED = 50  # visitors whose Stop is remembered until their run has ended
LOADING = "The model is still loading: this starts by itself."

Update = dict[str, object]  # name of an output -> its new value; what it does not name stays
Handler = Callable[..., Update]  # from the values of its inputs, by name
Work = Callable[[dict], Iterator[Update]]  # the same for a run: it gets the values as one dict


@dataclass(frozen=True)
class RunButton:
    """The button that runs and the button that stops."""

    go: gr.Button
    stop: gr.Button


@dataclass(frozen=True)
class Run:
    """A wired run. outputs: the section's and both buttons, by name. started, stopped: the events of the two buttons."""

    outputs: dict[str, Component]
    started: Dependency
    stopped: Dependency

    def then(self, event: Dependency, handler: Handler, inputs: dict[str, Component] | None = None) -> None:
        """What follows after an event; the buttons are idle then."""
        event.then(self._idle_after(handler), None, self._changed, inputs_kwargs=inputs, **QUICK_EVENT)

    def instead(
        self, listener: Callable[..., Dependency], handler: Handler, inputs: dict[str, Component] | None = None
    ) -> Dependency:
        """Something else is shown: a run under way stops for it. listener: of a component, such as `chips.input`."""
        handle = self._idle_after(handler)
        return listener(handle, None, self._changed, inputs_kwargs=inputs, cancels=self.started, **QUICK_EVENT)

    @property
    def _changed(self) -> list[Component]:
        return list(self.outputs.values())

    def _idle_after(self, handler: Handler) -> Callable[..., dict]:
        def handle(**values: object) -> dict:
            with in_words():
                return _by_component(self.outputs, handler(**values) | _buttons(busy=False))

        return handle


def run_button(
    words: str, elem_id: str, stop_words: str, stop_id: str, variant: str = "primary", min_width: int = 200
) -> RunButton:
    """Both buttons, beside each other; to be called inside a row."""
    go = gr.Button(words, variant=variant, elem_id=elem_id, scale=0, min_width=min_width)
    return RunButton(go, gr.Button(stop_words, elem_id=stop_id, interactive=False, scale=0, min_width=90))


def wire_run(
    button: RunButton,
    bench: Workbench,
    work: Work,
    inputs: dict[str, Component],
    outputs: dict[str, Component],
    stopped: Handler,
    stopped_inputs: dict[str, Component] | None = None,
    also: Sequence[tuple[Callable[..., Dependency], Work, dict[str, Component]]] = (),
) -> Run:
    """Wire both buttons. work: raises ValueError for what it refuses, which the status then says. stopped: the update after Stop.

    also: other works of the section with the events that start them, such as `event.success`, and their inputs; Stop ends them, too.
    """
    named = outputs | {"go": button.go, "stop": button.stop}
    changed = list(named.values())
    stopped_with: OrderedDict[str, Update] = OrderedDict()  # visitor -> what Stop said

    def start(listener: Callable[..., Dependency], work: Work, inputs: dict[str, Component]) -> Dependency:
        task = gpu_task(_in_words(bench, work), bench)

        def run(**values: object) -> Iterator[dict]:
            stopped_with.pop(visitor(), None)
            news = _buttons(busy=True)  # with the first update: what is refused at once never looks busy
            with closing(task(values)) as updates:
                for update in updates:
                    yield _by_component(named, news | update)
                    news = {}

        return listener(run, None, changed, inputs_kwargs=inputs, **MODEL_EVENT)

    def after_stop(**values: object) -> dict:
        update = stopped(**values)
        stopped_with[visitor()] = update
        if len(stopped_with) > MOST_STOPPED:
            stopped_with.popitem(last=False)
        return _by_component(named, update | _buttons(busy=False))

    def at_the_end() -> Update:
        """A run that is stopped ends with its last update, which covers what Stop said: it is said again."""
        return stopped_with.pop(visitor(), {})

    started = [start(*one) for one in ((button.go.click, work, inputs), *also)]
    stop = button.stop.click(after_stop, None, changed, inputs_kwargs=stopped_inputs, cancels=started, **QUICK_EVENT)
    wired = Run(named, started[0], stop)
    for event in started:
        wired.then(event, at_the_end)
    return wired


def _by_component(named: dict[str, Component], update: Update) -> dict:
    """The update as Gradio takes it."""
    return {named[name]: value for name, value in update.items()}


def _buttons(busy: bool) -> Update:
    return {"go": gr.Button(interactive=not busy), "stop": gr.Button(interactive=busy)}


def _in_words(bench: Workbench, work: Work) -> Work:
    """The work, with its refusals in the status line, beside what they concern, and a word to whoever comes before the model is there."""

    def task(values: dict) -> Iterator[Update]:
        begun = False
        try:
            if not bench.ready:
                yield {"status": note("Live", LOADING)}
            with closing(work(values)) as updates:
                for update in updates:
                    begun = True
                    yield update
        except ValueError as error:
            yield {
                "status": note("Ended early" if begun else "Not started", as_sentence(error)),
                **_buttons(busy=False),
            }

    return task

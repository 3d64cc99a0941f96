"""A stand-in for the module `spaces` on ZeroGPU: every decorated call runs in a forked process, and only its values come back.

Of errors, as with the real one (0.51), only Gradio's come back in words.
"""

from __future__ import annotations

import functools
import inspect
import multiprocessing
import types

import gradio as gr

CONTEXT = multiprocessing.get_context("fork")


def module(calls: list) -> types.ModuleType:
    """The module; `calls` gets (task, duration) of each call."""
    spaces = types.ModuleType("spaces")

    def gpu(task, duration):
        def seconds(inputs):
            return duration(*inputs) if callable(duration) else duration

        def write(*inputs):
            calls.append((task, seconds(inputs)))
            yield from _in_a_worker(task, inputs)

        def answer(*inputs):
            calls.append((task, seconds(inputs)))
            return list(_in_a_worker(task, inputs))[-1]

        return functools.wraps(task)(write if inspect.isgeneratorfunction(task) else answer)

    spaces.GPU = gpu
    return spaces


def _in_a_worker(task, inputs):
    reader, writer = CONTEXT.Pipe(duplex=False)
    worker = CONTEXT.Process(target=_work, args=(task, inputs, writer), daemon=True)
    worker.start()
    writer.close()
    try:
        while True:
            kind, value = reader.recv()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        worker.terminate()
        worker.join()


def _work(task, inputs, writer) -> None:
    try:
        result = task(*inputs)
        for value in result if inspect.isgenerator(result) else [result]:
            writer.send(("value", value))
        writer.send(("end", None))
    except gr.Error as error:
        writer.send(("error", error))
    except Exception as error:
        writer.send(("error", gr.Error(type(error).__name__, title="ZeroGPU worker error")))

"""The page's capabilities as named endpoints: trace, generate, prune, compare. Their docstrings are the API's documentation."""

from __future__ import annotations

from collections import deque

import gradio as gr

from sinkprune.decoding import DecodeConfig, generate
from sinkprune.lab.compare import answer_end, layer_sparsity
from sinkprune.lab.comparison import measure
from sinkprune.lab.runs import check_prompt, compare_run, decode_config, finish, trace_run
from sinkprune.models import decode_answer
from sinkprune.pruning import CalibrationConfig, PruneConfig, PruneResult
from sinkprune.ui.inputs import calibration_from, in_words, pruning_from
from sinkprune.ui.workbench import Workbench


def add_endpoints(bench: Workbench) -> None:
    """Add the endpoints to the Blocks under construction; they wait in the same line as the page's own runs."""
    for capability in (_trace, _generate, _prune, _compare):
        gr.api(capability(bench), concurrency_id="model", concurrency_limit=1)


def _config(gen_length, block_length, threshold, factor, cache, temperature, seed) -> DecodeConfig:
    """Without threshold and factor: one token a step."""
    return decode_config(
        gen_length=gen_length, block_length=block_length, steps=gen_length, threshold=threshold, factor=factor,
        cache=cache, temperature=temperature, seed=seed,
    )  # fmt: skip


def _trace(bench: Workbench):
    def trace(
        prompt: str,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        factor: float | None = None,
        cache: str = "none",
        temperature: float = 0.0,
        seed: int = 0,
        autoregressive: bool = True,
        model: str = "bundled",
    ) -> dict:
        """Write an answer and return the whole run as a sinkprune-trace: every step's tokens and attention, diffusion and autoregressive.

        Set threshold or factor, or neither for one token a step. cache is none, prefix or dual; block_length must divide gen_length.
        """
        with in_words():
            loaded = bench.check_model(model)
            config = _config(gen_length, block_length, threshold, factor, cache, temperature, seed)
            return finish(trace_run(loaded, prompt, config, ("dlm", "ar") if autoregressive else ("dlm",)))

    return trace


def _generate(bench: Workbench):
    def generate_text(
        prompt: str,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        factor: float | None = None,
        cache: str = "none",
        temperature: float = 0.0,
        seed: int = 0,
        model: str = "bundled",
    ) -> dict:
        """Write an answer by diffusion, without recording attention: {text, tokens, forwards, seconds}.

        tokens counts up to the end token. Arguments as in trace.
        """
        with in_words():
            loaded = bench.check_model(model)
            config = _config(gen_length, block_length, threshold, factor, cache, temperature, seed)
            prompt_ids = check_prompt(loaded, prompt, config.gen_length)
            result = generate(loaded, prompt_ids, config)
            answer = result.tokens[0, prompt_ids.shape[1] :].tolist()
            tokens = answer_end(answer, loaded.spec.eos_token_id)
            return {
                "text": decode_answer(loaded, answer),
                "tokens": tokens,
                "forwards": result.nfe,
                "seconds": round(result.seconds, 4),
            }

    generate_text.__name__ = "generate"
    return generate_text


def _pruned(bench: Workbench, pruning: PruneConfig, calibration: CalibrationConfig) -> PruneResult:
    return deque(bench.prune(pruning, calibration), maxlen=1).pop()


def _prune(bench: Workbench):
    def prune(
        method: str = "sink-wanda",
        sparsity: float = 0.5,
        pattern: str = "free",
        sink_rule: str = "reference",
        sink_weight: bool = True,
        allocation: str = "uniform",
        samples: int = 32,
        model: str = "bundled",
    ) -> dict:
        """Prune a copy of the model and report {key, sparsity, per_layer, seconds, linears}; the copy is kept for a later compare.

        method is magnitude, wanda, sparsegpt, sink-wanda, sink-sparsegpt (sparsity 0 to 0.9), structured or sink-structured (0 to 0.7,
        the copy is smaller, and allocation is uniform or global); pattern is free, 2:4 or 4:8 (which set the sparsity themselves, and
        are not for the structured methods); samples is the number of calibration sequences, up to 64.
        """
        with in_words():
            bench.check_model(model)
            pruning, calibration = (
                pruning_from(method, sparsity, pattern, sink_rule, sink_weight, allocation),
                calibration_from(samples),
            )
            result = _pruned(bench, pruning, calibration)
            return {
                "key": bench.key(pruning, calibration),
                "sparsity": result.sparsity,
                "per_layer": layer_sparsity(result.masks),
                "seconds": round(result.seconds, 3),
                "linears": {report.name: report.sparsity for report in result.reports},
            }

    return prune


def _compare(bench: Workbench):
    def compare(
        prompt: str,
        method: str = "sink-wanda",
        sparsity: float = 0.5,
        pattern: str = "free",
        sink_rule: str = "reference",
        sink_weight: bool = True,
        allocation: str = "uniform",
        samples: int = 32,
        gen_length: int = 96,
        block_length: int = 32,
        threshold: float | None = 0.9,
        factor: float | None = None,
        cache: str = "none",
        temperature: float = 0.0,
        seed: int = 0,
        model: str = "bundled",
    ) -> dict:
        """Prune, let the dense and the pruned model write the same prompt, and measure both: {trace, card}.

        Arguments as in prune and trace.
        """
        with in_words():
            loaded = bench.check_model(model)
            pruning, calibration = (
                pruning_from(method, sparsity, pattern, sink_rule, sink_weight, allocation),
                calibration_from(samples),
            )
            config = _config(gen_length, block_length, threshold, factor, cache, temperature, seed)
            check_prompt(loaded, prompt, config.gen_length)
            result = _pruned(bench, pruning, calibration)
            key = bench.key(pruning, calibration)
            trace = finish(compare_run(loaded, result.loaded, key, prompt, config, pruning, calibration))
            return {"trace": trace, "card": measure(loaded, result, trace, config, pruning, calibration).as_dict()}

    return compare

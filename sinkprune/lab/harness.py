"""lm-evaluation-harness on diffusion language models: the adapter it knows as "sinkprune" once this module is imported.

Needs the optional package `lm_eval`. Log-likelihoods are the Monte Carlo bound of `lab.likelihood` (LLaDA's evaluation, arXiv 2502.09992,
app. B); answers are written by `decoding.denoise`. The config's `cfg_scale` guides both, as in the official evaluation. Masks come from
the seed and the text alone, so results do not depend on how many processes share the requests. Under `accelerate launch` every process
loads the model on its own GPU and takes its part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from accelerate import Accelerator
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.tasks import TaskManager
from tqdm import tqdm

from sinkprune.decoding import DecodeConfig, denoise, generate
from sinkprune.lab.likelihood import LikelihoodConfig, masked_likelihood
from sinkprune.models import LoadedModel, decode_answer, load_model
from sinkprune.models.chat import render_chat


@register_model("sinkprune")
class HarnessModel(LM):
    """model: a name, folder or hub id, or a LoadedModel. config: how answers are written, whatever lengths the tasks ask for."""

    def __init__(
        self,
        model: str | LoadedModel = "bundled",
        config: DecodeConfig | None = None,
        patterns: int = 16,
        seed: int = 0,
        device: str | None = None,
        quantize: str | None = None,
    ) -> None:
        super().__init__()
        self._accelerator = Accelerator()
        self._rank, self._world_size = self._accelerator.process_index, self._accelerator.num_processes
        if self._world_size > 1:
            device = self._accelerator.device
        self.loaded = load_model(model, device=device, quantize=quantize) if isinstance(model, str) else model
        if self.loaded.tokenizer is None:
            raise ValueError(f"{self.loaded.spec.name} has no tokenizer: tasks are texts")
        self._device = self.loaded.device
        self.config = config or DecodeConfig(gen_length=128, block_length=32, threshold=0.9, seed=seed)
        self.likelihood = LikelihoodConfig(patterns, seed=seed, cfg_scale=self.config.cfg_scale)

    def loglikelihood(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        """(log-probability in nats, bounded from below; whether greedy decoding writes it) of each continuation after its context."""
        pairs = [self._pair(*request.args) for request in requests]  # refused before the work, not in its middle
        return [self._continuation(*pair) for pair in self._shown(pairs)]

    def loglikelihood_rolling(self, requests: Sequence[Instance]) -> list[float]:
        """Log-probability in nats of each text, cut into windows as long as the model reads; each window by itself."""
        return [
            -sum(self._nats(window, self._unscored(window)) for window in self._ids(text).split(self._room))
            for (text,) in (request.args for request in self._shown(requests))
        ]

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """The answer to each context, cut before the first stop text."""
        asked = [
            (context, self._config(options), options.get("until")) for context, options in (r.args for r in requests)
        ]
        return [self._answer(*one) for one in self._shown(asked)]

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The history as the tokenizer's own chat template writes it."""
        tokenizer, name = self.loaded.tokenizer, self.loaded.spec.name
        return render_chat(tokenizer, name, chat_history, add_generation_prompt=add_generation_prompt)

    @property
    def tokenizer_name(self) -> str:
        """What tells this model's texts apart in the harness's cache."""
        return f"{self.loaded.spec.name}@{self.loaded.spec.revision}"

    def all_gather(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._accelerator.gather(tensor)

    def gather_object(self, obj: object, dst: int = 0) -> list | None:
        if self._world_size == 1:
            return [obj]
        gathered = [None] * self._world_size if self._rank == dst else None
        torch.distributed.gather_object(obj, gathered, dst=dst)
        return gathered

    def barrier(self) -> None:
        self._accelerator.wait_for_everyone()

    @property
    def _room(self) -> int:
        """Tokens that the model reads."""
        return self.loaded.model.config.max_position_embeddings

    def _shown(self, requests: Sequence) -> Iterator:
        return tqdm(requests, desc="requests", disable=None if self._rank == 0 else True)

    def _ids(self, text: str) -> torch.Tensor:
        """The tokens of a text, after the begin token where the tokenizer puts one and the text does not have it already."""
        tokenizer = self.loaded.tokenizer
        ids = tokenizer(text, verbose=False, add_special_tokens=False)["input_ids"]
        begin = self._begin if ids[: len(self._begin)] != self._begin else []
        return torch.tensor(begin + ids, dtype=torch.long)

    @cached_property
    def _begin(self) -> list[int]:
        """What the tokenizer puts before a text by itself: a begin token, or nothing."""
        tokenizer = self.loaded.tokenizer
        alone = tokenizer("a", add_special_tokens=False)["input_ids"]
        with_special = tokenizer("a")["input_ids"]
        places = [i for i in range(len(with_special)) if with_special[i : i + len(alone)] == alone]
        return with_special[: places[0]] if places else []

    def _unscored(self, text: torch.Tensor) -> int:
        """How many tokens at the beginning of a text are no text: the begin token, which nobody asks the probability of."""
        return len(self._begin) if text[: len(self._begin)].tolist() == self._begin else 0

    def _continuation(self, text: torch.Tensor, start: int) -> tuple[float, bool]:
        if len(text) == start:
            return 0.0, True
        return -self._nats(text, start), self._is_greedy(text, start)

    def _pair(self, context: str, continuation: str) -> tuple[torch.Tensor, int]:
        """(text, where the continuation begins): tokens of both together, spaces between them counted to the continuation.

        A context too long for the model loses its beginning.
        """
        spaces = context[len(context.rstrip()) :]
        context, continuation = context.rstrip(), spaces + continuation
        text = self._ids(context + continuation)
        start = min(max(len(self._ids(context)) if context else 0, self._unscored(text)), len(text))
        if len(text) - start > self._room:
            raise ValueError(f"a continuation has {len(text) - start} tokens, and the model reads {self._room}")
        cut = max(0, len(text) - self._room)
        return text[cut:], start - cut

    def _nats(self, text: torch.Tensor, start: int) -> float:
        length = len(text) - start
        return masked_likelihood(self.loaded, [text], self.likelihood, [start]).mean * length if length else 0.0

    def _is_greedy(self, text: torch.Tensor, start: int) -> bool:
        """Whether writing one token a step, the surest first, gives the continuation; stops at the first token that differs."""
        if start == 0:
            return False  # nothing to write after: a canvas needs a prompt
        length = len(text) - start
        config = DecodeConfig(length, block_length=length, steps=length, cfg_scale=self.config.cfg_scale)
        for step in denoise(self.loaded, text[None, :start], config):
            if not torch.equal(step.canvas[0, step.committed], text[step.committed]):
                return False
        return True

    def _config(self, options: dict) -> DecodeConfig:
        """How a task's answers are written: greedily where it does not sample, whatever temperature it names."""
        temperature = options.get("temperature")
        if temperature is None or options.get("do_sample") is False:
            temperature = 0.0
        return replace(self.config, temperature=float(temperature))

    def _answer(self, context: str, config: DecodeConfig, until: str | list[str] | None) -> str:
        stops = until or []
        prompt = self._ids(context)
        prompt = prompt[-max(1, self._room - config.gen_length) :]
        result = generate(self.loaded, prompt[None], config)
        answer = decode_answer(self.loaded, result.tokens[0, len(prompt) :])
        for stop in [stops] if isinstance(stops, str) else stops:
            answer = answer.split(stop)[0] if stop else answer
        return answer


def find_tasks(tasks: Sequence[str], folder: str | None = None) -> TaskManager:
    """The harness's tasks and those described in `folder`. Raises ValueError for a task that is in neither."""
    manager = TaskManager(include_path=folder)
    unknown = [name for name in tasks if not manager.match_tasks([name])]
    if unknown:
        raise ValueError(f"lm-evaluation-harness has no task {', '.join(unknown)}: `lm_eval ls tasks` lists them")
    return manager


def run_tasks(
    model: HarnessModel,
    tasks: Sequence[str],
    manager: TaskManager,
    limit: int | None = None,
    fewshot: int | None = None,
    chat: bool = False,
) -> dict | None:
    """The harness's results; None on all processes but the first. ValueError where the tasks' data cannot be had."""
    try:
        return simple_evaluate(
            model=model,
            tasks=list(tasks),
            num_fewshot=fewshot,
            limit=limit,
            task_manager=manager,
            apply_chat_template=chat,
            log_samples=False,
        )
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"the data of the tasks could not be fetched ({reason}): check the network") from error

"""How long `python -m sinkprune generate` takes as a whole process, beside a plain script that writes the same answer.

    python -m sinkprune.benchmarks.command_start [--rounds 4]

The plain script is benchmarks/official.py: transformers' model and tokenizer, and Fast-dLLM's loop. Both write 96 tokens in blocks of 32,
threshold 0.9, dual cache. New processes in turns; what the operating system has cached of the files stays. CPU seconds of the process, and
wall seconds; the least of all rounds counts, because other work on the machine only adds time.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

PROMPT = "Why is the sky blue"
GENERATE = ["-m", "sinkprune", "generate", PROMPT, "--cache", "dual"]
PROCESSES = {
    "sinkprune generate": GENERATE,
    "sinkprune generate --stop-at-end": [*GENERATE, "--stop-at-end"],
    "plain script": ["-m", "sinkprune.benchmarks.official", PROMPT],
    "imports of generate": ["-c", "import gc; gc.disable(); import sinkprune.commands.generate, sinkprune.models.loading"],
    "imports of the plain script": [
        "-c", "import torch; from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast",
    ],
}  # fmt: skip


def whole_process(arguments: Sequence[str]) -> tuple[float, float]:
    """(CPU, wall) seconds of a Python process from its start to its end. Raises RuntimeError where it fails."""
    before, began = os.times(), time.perf_counter()
    process = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, os.times()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed: {process.stderr[-500:]}")
    return after.children_user - before.children_user + after.children_system - before.children_system, wall


def measure(processes: dict[str, Sequence[str]], rounds: int) -> dict[str, tuple[float, float]]:
    """Name -> least (CPU, wall) seconds; one round more, the first, warms the files up."""
    least = {name: (float("inf"), float("inf")) for name in processes}
    for number in range(rounds + 1):
        for name in list(processes)[:: 1 if number % 2 else -1]:
            seconds = whole_process(processes[name])
            if number:
                least[name] = tuple(map(min, least[name], seconds))
    return least


def main(arguments: Sequence[str] | None = None) -> None:
    """Time whole processes that write one answer."""
    parser = argparse.ArgumentParser(prog="python -m sinkprune.benchmarks.command_start", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    load, least = psutil.getloadavg()[0], measure(PROCESSES, options.rounds)
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, load before {load:.1f}, best of {options.rounds}")
    print(f"{'':<34}{'CPU s':>8}{'wall s':>8}")
    for name, (cpu, wall) in least.items():
        print(f"{name:<34}{cpu:>8.2f}{wall:>8.2f}")


if __name__ == "__main__":
    main()

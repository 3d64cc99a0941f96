"""Train the student on every GPU of the machine, for a given number of minutes.

    torchrun --nproc-per-node 4 -m sinkprune.training.train build/base build/tokenizer build/data build/model --minutes 15

AdamW with a linear warm-up, a constant rate and a linear decay over the last 40 % of the time; float32 weights, bf16 autocast;
the twelve layers are compiled once (regional compilation). build/data holds train.npz, held-out.npz and, for cached batches, own.npz.
In the last part of the time the loss also asks for certainty (`--certainty`, `--certain`). `--init` goes on from a trained model, a phase
of its own. The log goes to build/model/training-log.jsonl, where the card reads it: for each phase one line of settings, then one per
measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoTokenizer, LlamaForCausalLM

from sinkprune.training.base import student_from
from sinkprune.training.objective import Batch, Objective, Shares, forwarded
from sinkprune.training.quality import heldout_cross_entropy

PEAK_RATE = 8e-4
WARM_UP = 200  # steps
DECAY = 0.4  # share of the time
LOG = "training-log.jsonl"


class Examples:
    """The examples of one file on the device."""

    def __init__(self, path: Path, device: str):
        data = np.load(path)
        self.ids = torch.from_numpy(data["ids"].astype(np.int32)).to(device)
        self.prompt, self.end, self.total = (
            torch.from_numpy(data[key].astype(np.int64)).to(device) for key in ("prompt", "end", "total")
        )
        self.steps = torch.from_numpy(data["steps"]).to(device) if "steps" in data else None

    def batch(self, index: torch.Tensor, length: int) -> Batch:
        steps = None if self.steps is None else self.steps[index, :length]
        return Batch(self.ids[index, :length].long(), self.prompt[index], self.end[index], self.total[index], steps)


class Pool(NamedTuple):
    """Rows of one file whose padded length, a multiple of 32, is the same."""

    examples: Examples
    length: int
    rows: torch.Tensor

    @property
    def tokens(self) -> int:
        return self.length * len(self.rows)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` rows at random."""
        pick = torch.randint(len(self.rows), (count,), generator=generator, device=self.rows.device)
        return self.examples.batch(self.rows[pick], self.length)


def pools_of(examples: Examples) -> list[Pool]:
    padded = (examples.total + 31) // 32 * 32
    return [Pool(examples, int(length), (padded == length).nonzero()[:, 0]) for length in padded.unique()]


def pools_by_kind(data: Path, device: str) -> dict[str, list[Pool]]:
    """What each kind of batch draws from: next-token prediction is learned from the teacher alone, who writes that way."""
    teacher = pools_of(Examples(data / "train.npz", device))
    own = pools_of(Examples(data / "own.npz", device)) if (data / "own.npz").exists() else []
    return {"causal": teacher, "cached": own, "masked": teacher + own}


def learning_rate(step: int, progress: float, peak: float = PEAK_RATE) -> float:
    """progress: share of the training time that has passed, 0 to 1."""
    return peak * min(1.0, (step + 1) / WARM_UP) * min(1.0, (1 - progress) / DECAY)


def make_optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    gains = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), eps=1e-8, fused=torch.cuda.is_available())


def shared_progress(start: float, seconds: float, device: str) -> float:
    """Rank 0's clock for all ranks, so that every rank uses the same learning rate and stops at the same step."""
    progress = torch.tensor([(time.perf_counter() - start) / seconds], device=device)
    dist.broadcast(progress, 0)
    return min(1.0, progress.item())


def save_model(model: LlamaForCausalLM, tokenizer, folder: Path) -> None:
    """A transformers folder in bf16, shards below 50 MB; the tied head is stored once, as the embedding."""
    state = {key: value.to(torch.bfloat16) for key, value in model.state_dict().items() if key != "lm_head.weight"}
    model.config.dtype = "bfloat16"
    model.save_pretrained(folder, state_dict=state, max_shard_size="45MB")
    tokenizer.save_pretrained(folder)


def start_model(args: argparse.Namespace) -> LlamaForCausalLM:
    """The student cut from the base, or the model of an earlier phase; float32."""
    if args.init is None:
        return student_from(LlamaForCausalLM.from_pretrained(args.base, dtype=torch.float32))
    return LlamaForCausalLM.from_pretrained(args.init, dtype=torch.float32)


def train(args: argparse.Namespace, rank: int, ranks: int, device: str) -> None:
    model = start_model(args).to(device).train()
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    if args.compile:
        torch._dynamo.config.recompile_limit = 32  # one graph for every length of every kind of batch
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    losses = Objective(model)
    objective = DistributedDataParallel(losses) if ranks > 1 else losses
    optimizer = make_optimizer(model)
    pools, held_out = pools_by_kind(args.data, device), Examples(args.data / "held-out.npz", device)
    shares = Shares(causal=args.causal, cached=args.cached, whole=args.whole, block=args.block)
    kinds = {"causal": shares.causal, "cached": shares.cached, "masked": 1 - shares.causal - shares.cached}
    shared, noise = random.Random(0), torch.Generator(device).manual_seed(rank)
    log, window = [], {kind: [] for kind in kinds}
    start = last_log = time.perf_counter()
    tokens = step = 0
    while (progress := shared_progress(start, 60 * args.minutes, device)) < 1.0:
        kind = shared.choices(list(kinds), kinds.values())[0]
        pool = shared.choices(pools[kind], [pool.tokens for pool in pools[kind]])[0]
        batch = pool.draw(args.tokens // forwarded(kind, pool.length), noise)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress, args.rate)
        losses.certainty = args.certainty if progress > 1 - args.certain else 0.0
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            loss = objective(kind, batch, shares, noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        window[kind].append(loss.detach())
        step, tokens = step + 1, tokens + args.tokens * ranks
        if rank == 0 and time.perf_counter() - last_log > args.log_seconds:
            log.append(measure(model, held_out, window, step, tokens, time.perf_counter() - start))
            print(json.dumps(log[-1]), flush=True)
            window = {kind: [] for kind in kinds}
            save_model(model, tokenizer, args.model)
            last_log = time.perf_counter()
    if rank == 0:
        log.append(measure(model, held_out, window, step, tokens, time.perf_counter() - start))
        print(json.dumps(log[-1]), flush=True)
        save_model(model, tokenizer, args.model)
        settings = {"minutes": args.minutes, "gpus": ranks, "tokens_per_gpu_step": args.tokens, "rate": args.rate}
        recipe = settings | {"certainty": args.certainty, "certain": args.certain, **asdict(shares)}
        earlier = (args.init / LOG).read_text() if args.init else ""
        (args.model / LOG).write_text(earlier + "".join(json.dumps(line) + "\n" for line in [recipe, *log]))


def measure(model, held_out: Examples, window: dict, step: int, tokens: int, seconds: float) -> dict:
    means = {name: round(torch.stack(losses).mean().item(), 4) for name, losses in window.items() if losses}
    with torch.compiler.set_stance("force_eager"):  # its shapes and modes would use up the recompilations
        quality = heldout_cross_entropy(model, held_out)
    return {
        "step": step,
        "seconds": round(seconds),
        "Mtokens": round(tokens / 1e6, 1),
        **means,
        **{key: round(value, 4) for key, value in quality.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for folder in ("base", "tokenizer", "data", "model"):
        parser.add_argument(folder, type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--tokens", type=int, default=49152, help="tokens per GPU and step")
    parser.add_argument("--init", type=Path, help="go on from this model")
    parser.add_argument("--rate", type=float, default=PEAK_RATE)
    parser.add_argument("--certainty", type=float, default=0.0, help="weight of certainty forcing")
    parser.add_argument("--certain", type=float, default=0.15, help="in which last share of the time")
    parser.add_argument("--causal", type=float, default=Shares.causal)
    parser.add_argument("--cached", type=float, default=Shares.cached)
    parser.add_argument("--whole", type=float, default=Shares.whole)
    parser.add_argument("--block", type=float, default=Shares.block)
    parser.add_argument("--log-seconds", type=float, default=45.0)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    args = parser.parse_args()
    if args.cached and not (args.data / "own.npz").exists():
        parser.error(
            f"{args.data} holds no own.npz for cached batches: make it with training.own_answers and training.examples"
        )
    rank, ranks = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = f"cuda:{rank}" if torch.cuda.is_available() else "cpu"
    if device != "cpu":
        torch.cuda.set_device(rank)
        torch.backends.cuda.matmul.allow_tf32 = True
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29501")
    dist.init_process_group("gloo" if device == "cpu" else "nccl", rank=rank, world_size=ranks)
    torch.manual_seed(0)
    args.model.mkdir(parents=True, exist_ok=True)
    train(args, rank, ranks, device)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

"""Train the student on every GPU of the machine, for a given number of minutes.

    torchrun --nproc-per-node 4 -m sinkprune.training.train build/base build/data build/model --minutes 15

AdamW with a linear warm-up, a constant rate and a linear decay over the last 40 % of the time; float32 weights, bf16 autocast;
the layers are compiled once (regional compilation). build/data holds train.npz, held-out.npz and, for cached batches, own.npz.
In the last part of the time the loss also asks for certainty (`--certainty`, `--certain`). `--init` goes on from a trained model, a phase
of its own, with one separator between prompt and answer (`--separator`); the first phase draws one for each row. The log goes to
build/model/training-log.jsonl: for each phase one line of settings, then one per measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from transformers import LlamaForCausalLM

from sinkprune.training.base import SEPARATORS, student_from, student_tokenizer
from sinkprune.training.batches import Examples, pools_by_kind
from sinkprune.training.objective import Objective, Shares, forwarded
from sinkprune.training.quality import heldout_cross_entropy

PEAK_RATE = 6e-4
WARM_UP = 200  # steps
DECAY = 0.4  # share of the time
LOG = "training-log.jsonl"


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
    """A transformers folder in bf16, shards below 100 MB; the tied head is stored once, as the embedding."""
    state = {key: value.to(torch.bfloat16) for key, value in model.state_dict().items() if key != "lm_head.weight"}
    model.config.dtype = "bfloat16"
    model.save_pretrained(folder, state_dict=state, max_shard_size="90MB")
    tokenizer.save_pretrained(folder)


def read_model(folder: Path, dtype: torch.dtype, attention: str) -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=attention)


def start_model(args: argparse.Namespace) -> LlamaForCausalLM:
    """The student made of the base, or the model of an earlier phase; float32, every projection an explicit matrix product."""
    if args.init is None:
        return student_from(read_model(args.base, torch.float32, "eager"))
    return read_model(args.init, torch.float32, "eager")


def train(args: argparse.Namespace, rank: int, ranks: int, device: str) -> None:
    model = start_model(args).to(device).train()
    tokenizer = student_tokenizer(args.base, args.separator or SEPARATORS[0])
    separators = [args.separator] if args.separator else SEPARATORS
    separator_ids = [tokenizer(text, add_special_tokens=False).input_ids[0] for text in separators]
    if args.compile:
        torch._dynamo.config.recompile_limit = 32  # one graph for every length of every kind of batch
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    guide = read_model(args.guide, torch.bfloat16, "sdpa").to(device).eval() if args.guided else None
    losses = Objective(model, guide=guide, guidance=args.guidance)
    objective = DistributedDataParallel(losses) if ranks > 1 else losses
    optimizer = make_optimizer(model)
    pools = pools_by_kind(args.data, device, separator_ids)
    held_out = Examples(args.data / "held-out.npz", device, separator_ids)
    shares = Shares(args.causal, args.cached, args.guided, args.whole, args.block)
    kinds = {"causal": shares.causal, "cached": shares.cached, "guided": shares.guided}
    kinds["masked"] = 1 - sum(kinds.values())
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
    for folder in ("base", "data", "model"):
        parser.add_argument(folder, type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--tokens", type=int, default=32768, help="tokens per GPU and step")
    parser.add_argument("--init", type=Path, help="go on from this model")
    parser.add_argument("--rate", type=float, default=PEAK_RATE)
    parser.add_argument("--certainty", type=float, default=0.0, help="weight of certainty forcing")
    parser.add_argument("--certain", type=float, default=0.15, help="in which last share of the time")
    parser.add_argument("--causal", type=float, default=Shares.causal)
    parser.add_argument("--cached", type=float, default=Shares.cached)
    parser.add_argument("--guided", type=float, default=Shares.guided)
    parser.add_argument("--guide", type=Path, help="the frozen model of guided batches")
    parser.add_argument("--guidance", type=float, default=0.5)
    parser.add_argument("--separator", help="between prompt and answer; drawn for each row where not given")
    parser.add_argument("--whole", type=float, default=Shares.whole)
    parser.add_argument("--block", type=float, default=Shares.block)
    parser.add_argument("--log-seconds", type=float, default=45.0)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    args = parser.parse_args()
    if args.cached and not (args.data / "own.npz").exists():
        parser.error(
            f"{args.data} holds no own.npz for cached batches: make it with training.own_answers and training.examples"
        )
    if args.guided and not args.guide:
        parser.error("guided batches need the frozen model that guides them: --guide FOLDER")
    rank, ranks = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = f"cuda:{rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    if device != "cpu":
        torch.cuda.set_device(device)
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

"""Train the student on every GPU of the machine, for a given number of minutes.

    torchrun --nproc-per-node 4 -m sinkprune.training.train build/base build/data build/model --minutes 15

AdamW runs with a linear warm-up, a constant rate and a linear decay over the last 40 % of the time. Weights are float32, with bf16
autocast. The layers are compiled once (regional compilation). build/data holds train.npz, held-out.npz and, for cached batches, own.npz.
In the last part of the time the loss also asks for certainty (`--certainty`, `--certain`). `--init` goes on from a trained model,
with one separator between prompt and answer (`--separator`); the first phase draws a separator per row. From `--guided-from` of
the time on, guided batches (`--guided`) learn from a frozen average of the model, and masked batches mask whole rows. The log goes to
build/model/training-log.jsonl: per phase one line of settings, then one line per measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import LlamaForCausalLM

from sinkprune.training.base import SEPARATORS, student_from, student_tokenizer
from sinkprune.training.batches import Examples, pools_by_kind
from sinkprune.training.objective import Objective, Shares, forwarded
from sinkprune.training.quality import heldout_cross_entropy

PEAK_RATE = 6e-4
WARM_UP = 200  # steps
DECAY = 0.4  # share of the time
AVERAGED = 0.15  # share of the time before the guide is frozen in which weights are averaged into it
EMA = 0.98
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
    losses = Objective(model, guidance=args.guidance)
    objective = DistributedDataParallel(losses) if ranks > 1 else losses
    optimizer = make_optimizer(model)
    pools = pools_by_kind(args.data, device, separator_ids)
    held_out = Examples(args.data / "held-out.npz", device, separator_ids)
    shares = Shares(args.causal, args.cached, args.guided, args.whole, args.block)
    kinds, averaged = ("causal", "cached", "guided", "masked"), None
    shared, noise = random.Random(0), torch.Generator(device).manual_seed(rank)
    log, window = [], {kind: [] for kind in kinds}
    start = last_log = time.perf_counter()
    tokens = step = 0
    while (progress := shared_progress(start, 60 * args.minutes, device)) < 1.0:
        averaged = average_into_guide(averaged, model, losses, progress, args)
        kind = shared.choices(kinds, kind_weights(shares, losses.guide is not None))[0]
        pool = shared.choices(pools[kind], [pool.tokens for pool in pools[kind]])[0]
        batch = pool.draw(args.tokens // forwarded(kind, pool.length), noise)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress, args.rate)
        losses.certainty = args.certainty if progress > 1 - args.certain else 0.0
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            whole = kind == "masked" and losses.guide is not None
            loss = objective(kind, batch, replace(shares, whole=1.0, block=0.0) if whole else shares, noise)
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
        write_log(args, ranks, shares, log)


def write_log(args: argparse.Namespace, ranks: int, shares: Shares, log: list[dict]) -> None:
    """The log of the earlier phase, the settings of this one, and its measurements, one JSON line each."""
    settings = {"minutes": args.minutes, "gpus": ranks, "tokens_per_gpu_step": args.tokens, "rate": args.rate}
    recipe = settings | {"certainty": args.certainty, "certain": args.certain, **asdict(shares)}
    recipe |= {"guidance": args.guidance, "guided_from": args.guided_from} if args.guided else {}
    earlier = (args.init / LOG).read_text() if args.init else ""
    (args.model / LOG).write_text(earlier + "".join(json.dumps(line) + "\n" for line in [recipe, *log]))


def kind_weights(shares: Shares, has_guide: bool) -> tuple[float, float, float, float]:
    """How often causal, cached, guided and masked batches occur; without a guide, masked ones stand for the guided."""
    guided = shares.guided if has_guide else 0.0
    return shares.causal, shares.cached, guided, 1 - shares.causal - shares.cached - guided


def average_into_guide(
    averaged: AveragedModel | None,
    model: LlamaForCausalLM,
    losses: Objective,
    progress: float,
    args: argparse.Namespace,
) -> AveragedModel | None:
    """The running average of the weights before the time of guided batches; from then on it is the guide, frozen in bf16."""
    if not args.guided or losses.guide is not None or progress < args.guided_from - AVERAGED:
        return averaged
    if averaged is None:
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA))
    averaged.update_parameters(model)
    if progress >= args.guided_from:
        losses.set_guide(averaged.module.to(torch.bfloat16).eval().requires_grad_(False))
    return averaged


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
    parser.add_argument("--guided-from", type=float, default=0.6, help="share of the time")
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

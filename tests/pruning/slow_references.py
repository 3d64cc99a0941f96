"""Pruning once more, slow and plain: the whole model runs again for every layer, one sequence at a time, in float64 where it sums.

Nothing here comes from sinkprune.pruning except the noise, which the golden data check. Names of linears as in the product.
"""

import copy

import torch

GROUPS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
GROUPS += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def slow_smallest(scores, k):
    """bool like scores (1-D): the k smallest, earlier first among equals."""
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[sorted(range(len(scores)), key=lambda i: (scores[i].item(), i))[:k]] = True
    return mask


def slow_rows(scores, sparsity, pattern):
    """Per output row, or n of every m consecutive inputs."""
    if pattern is None:
        return torch.stack([slow_smallest(row, int(len(row) * sparsity)) for row in scores])
    return torch.stack(
        [torch.cat([slow_smallest(part, pattern[0]) for part in row.split(pattern[1])]) for row in scores]
    )


def slow_magnitude(weight, sparsity, pattern):
    """Over the whole tensor, or n of every m consecutive inputs."""
    if pattern is not None:
        return slow_rows(weight.abs(), sparsity, pattern)
    return slow_smallest(weight.abs().flatten(), int(weight.numel() * sparsity)).view_as(weight)


def slow_sparsegpt(weight, hessian, sparsity, pattern, damping=0.01):
    """Column by column with the whole inverse at hand, float64; one linear, no dead inputs."""
    w, h = weight.double().clone(), hessian.double()
    h = h + damping * h.diagonal().mean() * torch.eye(len(h), dtype=torch.float64)
    u = torch.linalg.cholesky(torch.linalg.inv(h)).T
    mask = torch.zeros_like(w, dtype=torch.bool)
    for j in range(w.shape[1]):
        width = 128 if pattern is None else pattern[1]
        if j % width == 0:
            part = slice(j, j + width)
            scores = w[:, part].square() / u.diagonal()[part].square()
            if pattern is None:
                mask[:, part] = slow_smallest(scores.flatten(), int(scores.numel() * sparsity)).view_as(scores)
            else:
                mask[:, part] = torch.stack([slow_smallest(row, pattern[0]) for row in scores])
        error = torch.where(mask[:, j], w[:, j], 0.0) / u[j, j]
        w[:, j:] -= error[:, None] * u[j, j:][None]
        w[mask[:, j], j] = 0.0
    return w, mask


def inputs_of(model, ids):
    """name -> (T, in) float64: the inputs of every pruned linear for one sequence (T,)."""
    seen = {}
    handles = [
        module.register_forward_hook(lambda _, args, __, name=name: seen.__setitem__(name, args[0][0].double()))
        for name, module in model.named_modules()
        if any(name.endswith(suffix) for suffix in GROUPS)
    ]
    model(ids[None])
    for handle in handles:
        handle.remove()
    return seen


def slow_token_weights(model, versions, rule):
    """(versions, T): 1 - sink score from transformers' own eager attention."""
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    mass = torch.stack(
        [sum(a[0].double().sum((0, 1)) for a in eager(v[None], output_attentions=True).attentions) for v in versions]
    )
    length = mass.shape[1]
    if rule == "reference":
        return torch.stack([1 - torch.sigmoid(5 * (m - (m.mean() + 2 * m.std(correction=0)))) for m in mass])
    score = torch.zeros(length, dtype=torch.float64)
    for m in mass / length:
        score += torch.stack([torch.sigmoid(m[j] - (m.sum() - m[j]) / (length - 1)) for j in range(length)]) / len(mass)
    return (1 - score).expand(len(mass), length)


def slow_prune(model, ids, versions, config):
    """(pruned model, masks) by the same rules as prune_model; versions: noised ids (samples, 10, T)."""
    dense, model = model, copy.deepcopy(model)
    sinks = config.method.startswith("sink") and config.sink_weight
    weights = [
        slow_token_weights(dense, v, config.sink_rule) if sinks else torch.ones(v.shape, dtype=torch.float64)
        for v in versions
    ]
    masks = {}
    if config.method == "sink-wanda":  # its inputs are those of the dense model
        runs = zip(versions.flatten(0, 1), torch.cat(weights), strict=True)
        inputs = [(inputs_of(dense, version), weight) for version, weight in runs]
    for layer in range(len(model.model.layers)):
        if config.method != "sink-wanda":
            inputs = [(inputs_of(model, sample), w.mean(0)) for sample, w in zip(ids, weights, strict=True)]
        for suffix in GROUPS:
            name = f"model.layers.{layer}.{suffix}"
            linear = model.get_submodule(name)
            if config.method == "magnitude":
                masks[name] = slow_magnitude(linear.weight, config.sparsity, config.pattern)
                linear.weight[masks[name]] = 0
                continue
            x = [seen[name] * w[:, None] for seen, w in inputs]
            if "sparsegpt" in config.method:
                hessian = 2 / len(x) * sum(part.T @ part for part in x)
                new, masks[name] = slow_sparsegpt(linear.weight, hessian, config.sparsity, config.pattern)
                linear.weight.copy_(new)
                continue
            norms = [part.norm(dim=0) for part in x]
            norm = sum(norms) if config.method == "sink-wanda" else sum(n**2 for n in norms).sqrt()
            masks[name] = slow_rows(linear.weight.abs() * norm, config.sparsity, config.pattern)
            linear.weight[masks[name]] = 0
    return model, masks

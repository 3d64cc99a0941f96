"""Fast-dLLM's factor rule as its code walks (arXiv 2505.22618), written out slowly: the reference for ours."""

import torch


def official_walk(ranked, factor):
    """How many of the confidences, highest first, are committed."""
    for place, confidence in enumerate(ranked):
        last = place == len(ranked) - 1
        fails = place > 0 and confidence < 1 - factor / (place + 2)  # the first one always passes
        if last:
            return len(ranked)  # also where the last one itself fails
        if fails:
            return place


def slow_factor(loaded, prompt, gen_length, block_length, factor):
    """(canvas (1, N), forwards) of one whole run without a cache: float64, one position at a time."""
    mask = loaded.spec.mask_token_id
    canvas, forwards = torch.cat([prompt, torch.full((1, gen_length), mask)], 1), 0
    for start in range(prompt.shape[1], canvas.shape[1], block_length):
        while masked := [i for i in range(start, start + block_length) if canvas[0, i] == mask]:
            with torch.inference_mode():
                logits = loaded.model(canvas).logits[0].double()
            forwards += 1
            found = []
            for position in masked:
                p = logits[position].softmax(-1)
                choice = p.clone()
                choice[mask] = -1
                found.append((p[choice.argmax()].item(), position, choice.argmax().item()))
            found.sort(reverse=True)
            for _, position, token in found[: official_walk([one[0] for one in found], factor)]:
                canvas[0, position] = token
    return canvas, forwards

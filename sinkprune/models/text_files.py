"""Text files of any size: checked as UTF-8 block by block, and tokenised only where they are sampled.

A special token's name in a text, such as "<|endoftext|>", is read as its characters. So no text can smuggle in a MASK or an end token.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sinkprune.models.chat import encode_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WHOLE = 2**20  # bytes; a file up to this size is tokenised as one text
_BLOCK = 2**20
_BYTES_PER_TOKEN = 8  # more than texts have on average; where it is too few, more is read
_FIRST_SPACE = re.compile(r"\s")
_WORD = 100  # characters; a piece cut out of a file begins after the first space among so many


@dataclass(frozen=True)
class TextFile:
    """A file known to be UTF-8 text without NUL. Places are bytes from 0 to `size`, counted after a byte order mark."""

    path: Path
    begin: int
    size: int

    def piece(self, place: int, size: int) -> str:
        """About `size` bytes from `place` on, without the characters and the word that the cut halves at its beginning."""
        with self.path.open("rb") as stream:
            stream.seek(self.begin + place)
            text = stream.read(min(size, self.size - place)).decode("utf-8", errors="ignore")
        space = _FIRST_SPACE.search(text, 0, _WORD) if place else None
        return text[space.end() :] if space else text


def open_text(path: str | Path) -> TextFile:
    """A text file, looked through once. Raises ValueError, with what to do, for a file that is no UTF-8 text."""
    path = Path(path)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no file: give a plain text file")
        with path.open("rb") as stream:
            begin = len(codecs.BOM_UTF8) if stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0
            stream.seek(begin)
            while block := stream.read(_BLOCK):
                if b"\0" in block:
                    raise ValueError(f"{path} holds NUL bytes, so it is binary or UTF-16: save it as UTF-8 text")
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise ValueError(f"{path} cannot be read as UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): give a plain text file") from None
    return TextFile(path, begin, path.stat().st_size - begin)


def tokens_at(tokenizer: PreTrainedTokenizerBase, file: TextFile, place: int, length: int) -> list[int]:
    """`length` token ids from about byte `place` on, or the last ones of the file; fewer only where the whole file has no more."""
    size = _BYTES_PER_TOKEN * length + _WORD
    while True:
        ids = encode_text(tokenizer, file.piece(min(place, max(0, file.size - size)), size))
        if len(ids) > length or size >= file.size:  # the last token of a piece may be half of one
            return ids[:length]
        size *= 4

"""Text files: what is no UTF-8 text is refused, what is large is tokenised only where it is sampled, and no text holds a special token."""

import dataclasses
import time
import tracemalloc

import pytest
import torch

from sinkprune.lab.texts import file_texts
from sinkprune.models.text_files import WHOLE, open_text, tokens_at
from sinkprune.pruning import CalibrationConfig, calibration_set
from tests.models.test_chat import SPECIAL, byte_tokenizer
from tests.tiny_models import make_tiny

PLAIN = dataclasses.replace(make_tiny(vocab_size=300), tokenizer=byte_tokenizer())

WORDS = "the quick brown fox jumps over the lazy dog and finds 12 eggs, each of them é or 你. "


def calibrated(path, samples=3, length=16, seed=0):
    return calibration_set(PLAIN, CalibrationConfig(samples, length, seed, str(path)))


def both(path):
    """The two readers of text files."""
    return [lambda: calibrated(path), lambda: file_texts(PLAIN, path, 16)]


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "plain.txt").write_bytes(WORDS.encode() * 20)
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbf" + WORDS.encode() * 20)
    for plain, marked in zip(both(tmp_path / "plain.txt"), both(tmp_path / "marked.txt"), strict=True):
        assert torch.equal(torch.stack(list(plain())), torch.stack(list(marked())))
    whole = open_text(tmp_path / "marked.txt")
    assert tokens_at(PLAIN.tokenizer, whole, 0, 3) == tokens_at(
        PLAIN.tokenizer, open_text(tmp_path / "plain.txt"), 0, 3
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (WORDS.encode("utf-16"), "UTF-8"),
        (WORDS.encode("utf-16-le"), "NUL"),
        (WORDS.encode("utf-16-be"), "NUL"),
        (WORDS.encode("latin-1", errors="ignore") + b"\xe9 ", "UTF-8"),
        (WORDS.encode() * 30_000 + b"\0", "NUL"),
        (WORDS.encode() * 30_000 + b"\xff", "UTF-8"),
        (WORDS.encode() + "你".encode()[:2], "UTF-8"),
        (b"", "tokens"),
        ("\udc80".encode(errors="surrogatepass"), "UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, words):
    (tmp_path / "text.txt").write_bytes(content)
    for read in both(tmp_path / "text.txt"):
        with pytest.raises(ValueError, match=words):
            read()


def test_what_is_no_file_is_refused():
    for path in ("/dev/zero", "/", "/no/such/file"):
        for read in both(path):
            with pytest.raises(ValueError, match=r"cannot be read|no file"):
                read()


def test_names_of_special_tokens_in_a_text_are_characters(tmp_path):
    for size in (40, 30_000):  # read whole, and in pieces
        (tmp_path / "text.txt").write_text((WORDS + "".join(SPECIAL)) * size, encoding="utf-8")
        for read in both(tmp_path / "text.txt"):
            ids = {int(i) for row in read() for i in row}
            assert not ids & set(range(len(SPECIAL)))


def test_a_hub_text_never_holds_mask_or_end(tmp_path, monkeypatch):
    from sinkprune.pruning import sources

    text = f"{WORDS}<mask><|im_end|>" * 9
    monkeypatch.setattr(sources, "_hub_texts", lambda source, place: [text] * 5)
    for source in ("wikitext2", "c4"):
        ids = calibration_set(PLAIN, CalibrationConfig(4, 30, source=source))
        assert not {PLAIN.spec.mask_token_id, PLAIN.spec.eos_token_id} & set(ids.flatten().tolist())


def test_samples_of_a_large_text_are_the_text_and_depend_on_the_seed(tmp_path):
    numbers = " ".join(str(n) for n in range(400_000))
    (tmp_path / "large.txt").write_text(numbers)
    assert open_text(tmp_path / "large.txt").size > WHOLE
    first, again, other = (calibrated(tmp_path / "large.txt", 4, 40, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for row in [*first, *file_texts(PLAIN, tmp_path / "large.txt", 40, 8)]:
        assert len(row) == 40
        assert f" {PLAIN.tokenizer.decode(row)}" in f" {numbers}"
    spread = file_texts(PLAIN, tmp_path / "large.txt", 40, 8)
    begins = [int(PLAIN.tokenizer.decode(row).split()[0]) for row in spread]
    assert begins == sorted(begins)
    assert begins[0] == 0
    assert begins[-1] > 300_000


def test_the_last_bytes_of_a_large_text_can_be_sampled(tmp_path):
    (tmp_path / "large.txt").write_text(WORDS * 20_000)
    file = open_text(tmp_path / "large.txt")
    for place in (file.size - 1, file.size - 50, file.size // 2, 0):
        assert len(tokens_at(PLAIN.tokenizer, file, place, 200)) == 200


def test_fifty_megabytes_take_seconds_and_little_memory(tmp_path):
    path = tmp_path / "huge.txt"
    block = WORDS.encode() * 12_000
    with path.open("wb") as stream:
        while stream.tell() < 50 * 2**20:
            stream.write(block)
    tracemalloc.start()
    began = time.process_time()
    rows = calibrated(path, 32, 128)
    sequences = file_texts(PLAIN, path, 128, 64)
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (rows.shape, len(sequences)) == ((32, 128), 64)
    assert seconds < 10  # of computing, under tracing; without it about a second
    assert peak < 20 * 2**20


def test_a_text_longer_than_the_model_reads_is_refused_before_it_is_read(tmp_path):
    for read in (lambda: calibrated("/no/such/file", 2, 257), lambda: file_texts(PLAIN, "/no/such/file", 257)):
        with pytest.raises(ValueError, match="reads 256 at most: use a shorter one"):
            read()
    with pytest.raises(ValueError, match="reads 256 at most"):
        calibration_set(PLAIN, CalibrationConfig(), torch.ones(2, 257, dtype=torch.long))

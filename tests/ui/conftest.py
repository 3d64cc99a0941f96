"""The lab's fixtures: a tiny random model with words for tokens."""

from tests.word_model import loaded, make_model, prune  # noqa: F401

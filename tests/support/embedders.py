"""Embedders for tests: one that knows words alone, one that waits, one that fails."""

import hashlib
import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np


class WordEmbedder:
    """Knows no language: the more words two texts share, the nearer they are. It keeps the texts that it embeds."""

    name = "words"
    dimensions = 512

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.embedded += texts
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.dimensions] += 1
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors

    def count_tokens(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))


class GatedEmbedder(WordEmbedder):
    """Waits before it embeds a text with a certain word until a gate opens, and tells that it waits."""

    def __init__(self, word: str = "") -> None:
        super().__init__()
        self.word = word
        self.gate = threading.Event()
        self.has_arrived = threading.Event()

    def embed(self, texts: Sequence[str]) -> Any:
        if any(self.word in text for text in texts):
            self.has_arrived.set()
            assert self.gate.wait(30), "nobody opened the gate"
        return super().embed(texts)


class FailingEmbedder(WordEmbedder):
    """Raises these errors, one a call, then works."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    def embed(self, texts: Sequence[str]) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return super().embed(texts)


class FullDiskEmbedder(WordEmbedder):
    """Fails as on a full disk while it is full, and the text has a certain word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.is_full = True

    def embed(self, texts: Sequence[str]) -> Any:
        if self.is_full and any(self.word in text for text in texts):
            raise OSError(28, "No space left on device", "/secret/path")
        return super().embed(texts)

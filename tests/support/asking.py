"""What the tests of answerers ask with: questions with defaults, and an embedder that is easy to see through."""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from reka._protocol.media import part_of_url
from reka.server.generation.types import GenerationRequest

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors


class WordBag:
    """An embedder that knows no language: texts are as similar as they share words. It keeps what it embeds."""

    dimensions = 512

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> "Vectors":
        self.embedded += texts
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.dimensions] += 1
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors

    def count_tokens(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))


class Ask(Protocol):
    """Makes a question of texts, the human's and the model's in turn, and of what a test cares for besides."""

    def __call__(self, *texts: str, **fields: Any) -> GenerationRequest: ...


def ask(*texts: str, **fields: Any) -> GenerationRequest:
    messages: list[dict[str, Any]] = [
        {"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(texts)
    ]
    if "media_url" in fields:
        kind, url = part_of_url(fields.pop("media_url"))
        messages[0]["content"] = [{"type": kind, kind: {"url": url}}, {"type": "text", "text": messages[0]["content"]}]
    return GenerationRequest(messages=messages, **{"model": "reka-flash", **fields})

"""Parts of a server under test: an embedder that waits for leave, a chat backend that records its requests."""

import hashlib
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from reka.server.generation.types import AnswerStream, GenerationRequest, GenerationResult, stream_result, text_of


class WordEmbedder:
    """Vectors by the words of a text: the more words two texts share, the nearer they are."""

    dimensions = 64

    def embed(self, texts: Sequence[str]) -> Any:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % self.dimensions] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class GatedEmbedder(WordEmbedder):
    """Embeds when it is let to, and tells when somebody waits for that."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.has_arrived = threading.Event()

    def embed(self, texts: Sequence[str]) -> Any:
        self.has_arrived.set()
        assert self.gate.wait(30), "nobody opened the gate"
        return super().embed(texts)


class FailingEmbedder(WordEmbedder):
    """Fails as often as it is told to, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def embed(self, texts: Sequence[str]) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return super().embed(texts)


class Echo:
    """Answers with the last turn and records its requests."""

    language_model: str | None = "echo-1"
    model_names = ("echo-1",)

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[GenerationRequest] = []
        self.error = error
        self.is_closed = False

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return GenerationResult(text_of(request.messages[-1]), finish_reason="stop", input_tokens=3, output_tokens=2)

    async def stream(self, request: GenerationRequest) -> AnswerStream:
        async for event in stream_result(await self.generate(request), 1):
            yield event

    async def check(self) -> None:
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        self.is_closed = True


def zipped(files: Mapping[str, str | bytes], change: Callable[[zipfile.ZipInfo], object] | None = None) -> bytes:
    """A zip of `files`; `change` may spoil each entry's header."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.filename = name  # ZipInfo makes some bad names good
            entry.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(entry)
            archive.writestr(entry, content)
    return packed.getvalue()

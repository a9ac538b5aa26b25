"""A backend for tests that needs no model."""

from collections.abc import Mapping
from typing import Any

from reka.server.generation.types import AnswerStream, GenerationRequest, GenerationResult, stream_result, text_of


class EchoBackend:
    """Answers with the last message and keeps the requests; with an error, it raises that instead."""

    language_model: str | None = "echo-1"
    model_names = ("echo-1",)
    known_models: Mapping[str, Mapping[str, Any]] = {"echo-1": {"context_length": 100}}

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[GenerationRequest] = []
        self.error = error
        self.is_closed = False

    async def models(self) -> Mapping[str, Mapping[str, Any]]:
        return self.known_models

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

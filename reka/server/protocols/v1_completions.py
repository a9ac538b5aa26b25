"""`POST /v1/chat/completions`, in OpenAI's form and the live host's: request body, response and stream."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, field_validator

from reka.server.error_bodies import openai_error
from reka.server.generation.types import (
    AnswerStream,
    Delta,
    Finish,
    GenerationError,
    GenerationRequest,
    GenerationResult,
    Snippet,
)
from reka.server.protocols.messages_request import MessagesRequest
from reka.server.protocols.normalize import body_error
from reka.server.protocols.sampling import TokenLimit
from reka.server.protocols.sse import DONE, event
from reka.server.protocols.v0_chat import retrieval_fields


class StreamOptions(BaseModel):
    """Options of a streamed response."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True)

    include_usage: bool | None = None
    """Whether usage comes in a last chunk of its own; null puts it into the chunk with the finish reason."""


class CompletionRequest(MessagesRequest):
    """Body of `POST /v1/chat/completions`. Unknown fields are passed to the model behind the server.

    Among them are `logprobs`, `research`, and `functions` with `function_call`, the older form of
    tools.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    stream_options: StreamOptions | None = None
    response_format: dict[str, Any] | None = None
    max_completion_tokens: TokenLimit | None = None
    """Newer name of `max_tokens` in OpenAI's API."""
    n: Literal[1] | None = None
    """Number of choices; this server returns one."""

    @field_validator("response_format")
    @classmethod
    def _check_response_format(cls, response_format: dict[str, Any] | None) -> dict[str, Any] | None:
        return _normalize_response_format(response_format)

    def to_generation_request(self, model: str, snippets: list[Snippet] | None) -> GenerationRequest:
        """Convert the body to a request for the backend; see `MessagesRequest.to_generation_request`."""
        return replace(
            super().to_generation_request(model, snippets),
            response_format=self.response_format,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            extra={name: value for name, value in (self.model_extra or {}).items() if value is not None},
        )

    def include_usage(self) -> bool | None:
        """Whether usage comes in a chunk of its own; None if the caller did not set it."""
        return None if self.stream_options is None else bool(self.stream_options.include_usage)


def _normalize_response_format(response_format: dict[str, Any] | None) -> dict[str, Any] | None:
    """Validate a response format; plain text becomes None."""
    kind = "text" if response_format is None else response_format.get("type")
    if response_format is None or kind == "text":
        return None
    if kind not in ("json_object", "json_schema"):
        raise body_error("response_format.type", "want one of text, json_object, json_schema")
    if kind == "json_schema":
        json_schema = response_format.get("json_schema")
        schema = json_schema.get("schema") if isinstance(json_schema, Mapping) else None
        if not isinstance(schema, Mapping):
            raise body_error("response_format.json_schema.schema", "want a JSON schema, which is an object")
    return response_format


def to_response(result: GenerationResult, request: GenerationRequest) -> dict[str, Any]:
    """Build the JSON response."""
    message: dict[str, Any] = {"role": "assistant", "content": result.text, **result.message_fields}
    if result.tool_calls:
        message["tool_calls"] = [call.nested() for call in result.tool_calls]
    if result.tool_calls or "function_call" in message:
        message["content"] = result.text or None
    return {
        **_head("chat.completion", request.model),
        "choices": [{"index": 0, "message": message, "finish_reason": result.finish_reason, **result.choice_fields}],
        "usage": _usage(result),
        **result.response_fields,
        **retrieval_fields(request),
    }


async def to_sse(
    answer: AnswerStream, request: GenerationRequest, *, include_usage: bool | None
) -> AsyncIterator[bytes]:
    """Stream an answer as server-sent events; retrieved chunks and usage come with the last one.

    Args:
        answer: The answer as the backend generates it.
        request: The request that it answers.
        include_usage: See `CompletionRequest.include_usage`.
    """
    head = _head("chat.completion.chunk", request.model)
    retrieval = retrieval_fields(request)
    try:
        async for item in answer:
            if isinstance(item, Delta):
                choice = {"index": 0, "delta": item.fields, "finish_reason": None, **item.choice_fields}
                yield event({**head, **item.response_fields, "choices": [choice]})
                continue
            usage = _usage(item)
            last = [{"index": 0, "delta": {}, "finish_reason": item.finish_reason}]
            if include_usage:
                yield event({**head, "choices": last})
                yield event({**head, "usage": usage, **retrieval, "choices": []})
            else:
                usage_field = {"usage": usage} if include_usage is None else {}
                yield event({**head, **usage_field, **retrieval, "choices": last})
    except GenerationError as error:
        # The status is already sent. Without [DONE] no client takes the stream for complete.
        yield event(openai_error(error.status, error.detail, error.code))
        return
    yield DONE


def models_response(models: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Build the response of `GET /v1/models`."""
    return {"object": "list", "data": list(models)}


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _usage(item: GenerationResult | Finish) -> dict[str, Any]:
    return {
        "prompt_tokens": item.input_tokens,
        "completion_tokens": item.output_tokens,
        "total_tokens": item.input_tokens + item.output_tokens,
        **item.usage_fields,
    }

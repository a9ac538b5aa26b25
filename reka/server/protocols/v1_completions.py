"""`POST /v1/chat/completions`: what it may be asked, in the live host's form and OpenAI's; and its answers as JSON."""

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, field_validator

from reka.server.error_bodies import openai_error
from reka.server.generation.types import (
    AnswerStream,
    Delta,
    GenerationError,
    GenerationRequest,
    GenerationResult,
    Snippet,
)
from reka.server.protocols.messages_request import MessagesRequest
from reka.server.protocols.normalize import body_error
from reka.server.protocols.sampling import TokenLimit
from reka.server.protocols.v0_chat import retrieved

DONE: Final = b"data: [DONE]\n\n"
"""How a stream says that it is whole."""


class StreamOptions(BaseModel):
    """How an answer is streamed."""

    model_config = ConfigDict(strict=True)

    include_usage: bool | None = None
    """Whether usage comes in a chunk of its own, the last one. If nothing is said, the last chunk has it beside."""


class CompletionRequest(MessagesRequest):
    """The body of a chat completion. What is not named here is passed to the model behind the server."""

    model_config = ConfigDict(extra="allow")

    stream_options: StreamOptions | None = None
    response_format: dict[str, Any] | None = None
    max_completion_tokens: TokenLimit | None = None
    """The present name of `max_tokens` in OpenAI's API."""
    n: Literal[1] | None = None
    """One answer is all that this server gives."""

    @field_validator("response_format")
    @classmethod
    def _known_format(cls, wanted: dict[str, Any] | None) -> dict[str, Any] | None:
        return _response_format(wanted)

    def question(self, model: str, snippets: list[Snippet] | None) -> GenerationRequest:
        """The question for an answerer; see `AskedBody.question`."""
        return replace(
            super().question(model, snippets),
            response_format=self.response_format,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            extra={name: value for name, value in (self.model_extra or {}).items() if value is not None},
        )

    def wants_usage(self) -> bool | None:
        """Whether usage was asked for in a chunk of its own, or not at all; None if nothing was said."""
        return None if self.stream_options is None else bool(self.stream_options.include_usage)


def _response_format(wanted: dict[str, Any] | None) -> dict[str, Any] | None:
    """Check a response format; None for plain text."""
    kind = "text" if wanted is None else wanted.get("type")
    if wanted is None or kind == "text":
        return None
    if kind not in ("json_object", "json_schema"):
        raise body_error("response_format.type", "want one of text, json_object, json_schema")
    if kind == "json_schema":
        told = wanted.get("json_schema")
        schema = told.get("schema") if isinstance(told, Mapping) else None
        if not isinstance(schema, Mapping):
            raise body_error("response_format.json_schema.schema", "want a JSON schema, which is an object")
    return wanted


def to_response(answer: GenerationResult, question: GenerationRequest) -> dict[str, Any]:
    """A whole answer as JSON."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["content"] = answer.text or None
        message["tool_calls"] = [call.nested() for call in answer.tool_calls]
    choice = {"index": 0, "message": message | dict(answer.extra), "finish_reason": answer.finish_reason}
    if answer.logprobs is not None:
        choice["logprobs"] = answer.logprobs
    return {
        **_head("chat.completion", question.model),
        "choices": [choice],
        "usage": _usage(answer.input_tokens, answer.output_tokens),
        **retrieved(question.snippets),
    }


async def to_sse(
    pieces: AnswerStream, question: GenerationRequest, *, wants_usage: bool | None
) -> AsyncIterator[bytes]:
    """An answer as it is written, as server-sent events; chunks and usage come with the last one.

    Args:
        pieces: The answer.
        question: What is answered.
        wants_usage: See `CompletionBody.wants_usage`.
    """
    head = _head("chat.completion.chunk", question.model)
    found = retrieved(question.snippets)
    try:
        async for piece in pieces:
            if isinstance(piece, Delta):
                yield _event(head, [_choice(piece.fields, None, piece.logprobs)])
                continue
            usage = _usage(piece.input_tokens, piece.output_tokens)
            last = [_choice({}, piece.finish_reason)]
            if wants_usage:
                yield _event(head, last)
                yield _event({**head, "usage": usage, **found}, [])
            else:
                with_usage = {"usage": usage} if wants_usage is None else {}
                yield _event({**head, **with_usage, **found}, last)
    except GenerationError as error:
        # The status is sent already. Without the last event, no client takes what came for a whole answer.
        yield b"data: " + _json(openai_error(error.status, error.detail, error.code)) + b"\n\n"
        return
    yield DONE


def models_response(models: Sequence[str]) -> dict[str, Any]:
    """The models as `GET /v1/models` lists them."""
    return {"object": "list", "data": [model_object(name) for name in models]}


def model_object(name: str) -> dict[str, Any]:
    """One model of the list."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "reka"}


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


def _choice(delta: Mapping[str, Any], finish_reason: str | None, logprobs: object = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return choice if logprobs is None else {**choice, "logprobs": logprobs}


def _event(head: Mapping[str, Any], choices: list[Any]) -> bytes:
    return b"data: " + _json({**head, "choices": choices}) + b"\n\n"


def _json(value: Any) -> bytes:
    # ASCII alone: a lone surrogate from a model would be no UTF-8.
    return json.dumps(value, separators=(",", ":")).encode("ascii")

"""`POST /v1/chat`, the API family of `reka-api` 3: request body, response and stream."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from pydantic import field_validator

from reka.server.generation.types import AnswerStream, Delta, GenerationRequest, GenerationResult, ToolCall
from reka.server.protocols.messages_request import MessagesRequest
from reka.server.protocols.normalize import normalize_v1_chat_messages
from reka.server.protocols.sse import event
from reka.server.protocols.v0_chat import retrieval_fields, usage_object


class V1ChatRequest(MessagesRequest):
    """Body of `POST /v1/chat`. Roles: system, user, assistant, tool_output (whose content is a list of outputs)."""

    use_search_engine: bool | None = None
    """Accepted without effect: this server has no search engine."""

    @field_validator("messages")
    @classmethod
    def _normalize_messages(cls, messages: list[Any]) -> list[Any]:
        return normalize_v1_chat_messages(messages)


def to_response(result: GenerationResult, request: GenerationRequest) -> dict[str, Any]:
    """Build the JSON response."""
    message = _message(result.text, result.tool_calls)
    return {
        "id": uuid4().hex,
        "model": request.model,
        "responses": [{"finish_reason": result.finish_reason, "message": message}],
        "usage": usage_object(result),
        **retrieval_fields(request),
    }


async def to_sse(answer: AnswerStream, request: GenerationRequest) -> AsyncIterator[bytes]:
    """Stream an answer as server-sent events, each with the whole text so far.

    Raises:
        GenerationError: Generation failed; this protocol has no event for that.
    """
    head: dict[str, Any] = {"id": uuid4().hex, "model": request.model}
    text: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    usage: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0}
    response: dict[str, Any]
    async for item in answer:
        if not isinstance(item, Delta):
            usage = usage_object(item)
            tool_calls = [ToolCall(call["id"], call["name"], call["arguments"]) for call in calls.values()]
            response = {"chunk": _message("".join(text), tool_calls), "finish_reason": item.finish_reason}
            yield event({**head, "responses": [response], "usage": usage, **retrieval_fields(request)})
            continue
        _merge_tool_call_deltas(calls, item.fields.get("tool_calls") or ())
        if new := item.fields.get("content"):
            text.append(new)
            response = {"chunk": _message("".join(text), ()), "finish_reason": None}
            yield event({**head, "responses": [response], "usage": usage})


def models_response(models: Iterable[str]) -> list[dict[str, str]]:
    """Build the response of `GET /v1/models` in this family's form."""
    return [{"id": name} for name in models]


def _message(text: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "name": call.name, "parameters": _parameters(call.arguments)} for call in calls
        ]
    return message


def _parameters(arguments: str) -> dict[str, Any]:
    """Parse a call's arguments into an object; text that is not one is returned under `arguments`."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _merge_tool_call_deltas(calls: dict[int, dict[str, str]], deltas: Sequence[Mapping[str, Any]]) -> None:
    """Add tool-call deltas to the calls so far."""
    for delta in deltas:
        call = calls.setdefault(delta.get("index", len(calls)), {"id": "", "name": "", "arguments": ""})
        function = delta.get("function") or {}
        call["id"] = delta.get("id") or call["id"]
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""

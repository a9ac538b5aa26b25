"""`POST /v1/chat`, the generation that `reka-api` 3 speaks: what it may be asked, and its answers as JSON."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from pydantic import field_validator

from reka.server.generation.types import AnswerStream, Delta, GenerationRequest, GenerationResult, ToolCall
from reka.server.protocols.messages_request import MessagesRequest
from reka.server.protocols.normalize import normalize_v1_chat_messages
from reka.server.protocols.v0_chat import retrieved


class V1ChatRequest(MessagesRequest):
    """The body of a chat. Roles are user, assistant, system, and tool_output: its content is a list of outputs."""

    use_search_engine: bool | None = None
    """Taken, and without effect: a model may decide not to search, and this server has no search engine."""

    @field_validator("messages")
    @classmethod
    def _normal(cls, messages: list[Any]) -> list[Any]:
        return normalize_v1_chat_messages(messages)


def to_response(answer: GenerationResult, question: GenerationRequest) -> dict[str, Any]:
    """A whole answer as JSON."""
    message = _message(answer.text, answer.tool_calls)
    return {
        "id": uuid4().hex,
        "model": question.model,
        "responses": [{"finish_reason": answer.finish_reason, "message": message}],
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        **retrieved(question.snippets),
    }


async def to_sse(pieces: AnswerStream, question: GenerationRequest) -> AsyncIterator[bytes]:
    """An answer as it is written, as server-sent events, each with the whole text so far.

    Raises:
        AnswerError: It broke off: this generation has no event that says so.
    """
    head: dict[str, Any] = {"id": uuid4().hex, "model": question.model}
    text: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    usage = {"input_tokens": 0, "output_tokens": 0}
    response: dict[str, Any]
    async for piece in pieces:
        if not isinstance(piece, Delta):
            usage = {"input_tokens": piece.input_tokens, "output_tokens": piece.output_tokens}
            done = [ToolCall(**call) for call in calls.values()]
            response = {"chunk": _message("".join(text), done), "finish_reason": piece.finish_reason}
            yield _event({**head, "responses": [response], "usage": usage, **retrieved(question.snippets)})
            continue
        _merge_tool_call_deltas(calls, piece.fields.get("tool_calls") or ())
        if new := piece.fields.get("content"):
            text.append(new)
            response = {"chunk": _message("".join(text), ()), "finish_reason": None}
            yield _event({**head, "responses": [response], "usage": usage})


def models_response(models: Sequence[str]) -> list[dict[str, str]]:
    """The models as this generation lists them."""
    return [{"id": name} for name in models]


def _message(text: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "name": call.name, "parameters": _parameters(call.arguments)} for call in calls
        ]
    return message


def _parameters(arguments: str) -> dict[str, Any]:
    """Read a call's arguments, which are an object here; what a model wrote that is none is told under `arguments`."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _merge_tool_call_deltas(calls: dict[int, dict[str, str]], pieces: Sequence[Mapping[str, Any]]) -> None:
    """Add pieces of tool calls to the calls so far."""
    for piece in pieces:
        call = calls.setdefault(piece.get("index", len(calls)), {"id": "", "name": "", "arguments": ""})
        function = piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n\n"

"""The rule-based model's HTTP bodies: OpenAI's form and the live Reka host's, in; completions, whole or streamed, out.

Pure functions; `rule_model` has the sockets.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.rule_conversation import Call, Conversation, Message, Reply, Tool

MEDIA_PARTS: Final = {
    "image_url": "image",
    "video_url": "video",
    "audio_url": "audio",
    "input_audio": "audio",
    "pdf_url": "pdf",
    "file": "pdf",
}
_RESULT: Final = re.compile(r"(?:^|\n\n)\[Tool result for ([^\]]*)\]: ")
_PIECE: Final = 8
"""Characters of a tool call's arguments in one streamed piece."""


class RefusedError(Exception):
    """The body is no chat request; the message says why."""


@dataclass(frozen=True)
class Completion:
    """A whole answer, with all fields of its body."""

    id: str
    model: str
    text: str
    calls: Sequence[Call]
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    def tool_calls(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"call_{self.id}_{index}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.json},
            }
            for index, call in enumerate(self.calls)
        ]


def conversation(body: Mapping[str, Any]) -> Conversation:
    """Read a request's body.

    Raises:
        RefusedError: It is no chat request.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusedError("messages: want a list that is not empty")
    wanted: Any = body.get("response_format") or {"type": "text"}
    schema = {
        "json_schema": lambda: wanted["json_schema"]["schema"],
        "json_object": dict,
    }.get(wanted["type"], lambda: None)()
    return Conversation(
        messages=[one for message in messages for one in _messages(message)],
        tools=[_tool(tool) for tool in body.get("tools") or ()],
        choice=_choice(body.get("tool_choice")),
        schema=schema,
    )


def is_flat(body: Mapping[str, Any]) -> bool:
    """Whether the tools are in the live host's form."""
    return any("function" not in tool for tool in body.get("tools") or ())


def to_completion(body: Mapping[str, Any], request: Conversation, reply: Reply, number: int) -> Completion:
    """Cut a reply by the request's `stop` and `max_tokens`, and count its tokens."""
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    text = reply.text[: min((at for word in stops if (at := reply.text.find(word)) >= 0), default=None)]
    tokens = pieces(text)
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or len(tokens)
    finish_reason = "tool_calls" if reply.calls else "length" if limit < len(tokens) else "stop"
    return Completion(
        id=f"rule-{number}",
        model=str(body.get("model") or "rules"),
        text="".join(tokens[:limit]),
        calls=reply.calls,
        finish_reason=finish_reason,
        prompt_tokens=sum(len(pieces(message.text)) + len(message.media) for message in request.messages),
        completion_tokens=min(limit, len(tokens)) + sum(len(pieces(call.json)) for call in reply.calls),
    )


def to_body(completion: Completion) -> dict[str, Any]:
    """A completion as one body."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": completion.text or None if completion.calls else completion.text,
    }
    if completion.calls:
        message["tool_calls"] = completion.tool_calls()
    return {
        "id": completion.id,
        "object": "chat.completion",
        "created": 0,
        "model": completion.model,
        "choices": [{"index": 0, "message": message, "finish_reason": completion.finish_reason}],
        "usage": completion.usage,
    }


def to_chunks(completion: Completion, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """A completion as chunks: text word by word, arguments a few characters at a time."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces(completion.text)]
    for index, call in enumerate(completion.tool_calls()):
        function = call["function"]
        arguments = function["arguments"]
        start = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        deltas.append({"tool_calls": [start]})
        for at in range(0, len(arguments), _PIECE):
            piece = {"arguments": arguments[at : at + _PIECE]}
            deltas.append({"tool_calls": [{"index": index, "function": piece}]})
    for delta in deltas:
        yield _chunk(completion, [{"index": 0, "delta": delta, "finish_reason": None}])
    yield _chunk(completion, [{"index": 0, "delta": {}, "finish_reason": completion.finish_reason}])
    if with_usage:
        yield {**_chunk(completion, []), "usage": completion.usage}


def pieces(text: str) -> list[str]:
    """A text's tokens, as this model counts them: words with the space behind them."""
    return re.findall(r"\s*\S+\s*|\s+", text)


def _chunk(completion: Completion, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": 0,
        "model": completion.model,
        "choices": choices,
    }


def _messages(message: Mapping[str, Any]) -> list[Message]:
    """One message; several where the live host's form has tool results as user text."""
    role = message.get("role")
    if role not in ("system", "developer", "user", "assistant", "tool"):
        raise RefusedError(f"messages: there is no role {role!r}")
    role = "system" if role == "developer" else str(role)
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    media = tuple(MEDIA_PARTS[part["type"]] for part in parts if part["type"] in MEDIA_PARTS)
    results = _RESULT.split(text)
    if role != "user" or len(results) == 1:
        return [Message(role, text, media, tuple(_past_call(call) for call in message.get("tool_calls") or ()))]
    before = [Message("user", results[0])] if results[0] else []
    outputs = results[2::2]
    return [*before, *(Message("tool", one, media if one is outputs[-1] else ()) for one in outputs)]


def _past_call(call: Mapping[str, Any]) -> Call:
    function = call["function"]
    return Call(function["name"], json.loads(function["arguments"] or "{}"))


def _tool(tool: Mapping[str, Any]) -> Tool:
    function = tool.get("function", tool)
    return Tool(function["name"], function.get("description") or "", function.get("parameters") or {})


def _choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    return str({None: "auto", "tool": "required", "any": "required"}.get(choice, choice))

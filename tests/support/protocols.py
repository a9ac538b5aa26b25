"""Requests of the v1 endpoints, and readers of their streams."""

import json
from typing import Any, Final

import requests

from tests.support.caller import Caller

ADD: Final = {
    "name": "add",
    "description": "Adds two numbers",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
}
"""A tool in the form of Reka's host: name, description and parameters at the top."""

WEATHER: Final = {
    "name": "get_weather",
    "description": "Tells the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

CHUNK_FIELDS: Final = {
    "id",
    "text",
    "source",
    "document_id",
    "document_bytes",
    "metadata",
    "position",
    "score",
    "similarity",
}
"""Fields of a chunk of a document without headings, of which the vectors are compared."""


def openai_tool(tool: Any) -> dict[str, Any]:
    """A tool in OpenAI's form."""
    return {"type": "function", "function": tool}


def messages(*contents: Any) -> list[dict[str, Any]]:
    """Alternating messages of the user and the assistant."""
    return [{"role": "assistant" if index % 2 else "user", "content": one} for index, one in enumerate(contents)]


def post_v1_chat(api: Caller, *contents: Any, **more: Any) -> requests.Response:
    """Send messages to `/v1/chat`."""
    return api.ask("POST", "/v1/chat", json={"messages": messages(*contents), "model": "reka-flash", **more})


def post_completion(api: Caller, *contents: Any, **more: Any) -> requests.Response:
    """Send messages to `/v1/chat/completions`."""
    return api.ask(
        "POST", "/v1/chat/completions", json={"messages": messages(*contents), "model": "reka-flash", **more}
    )


def event_data(answer: requests.Response) -> list[str]:
    """The data of the events of a streamed answer."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.content.decode().split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [event.removeprefix("data: ") for event in events]


def v1_chat_events(answer: requests.Response) -> list[dict[str, Any]]:
    """The events of a streamed answer of `/v1/chat`."""
    return [json.loads(data) for data in event_data(answer)]


def completion_chunks(answer: requests.Response) -> list[dict[str, Any]]:
    """The chunks of a streamed answer of `/v1/chat/completions`, which ends with `[DONE]`."""
    *before, last = event_data(answer)
    assert last == "[DONE]"
    return [json.loads(data) for data in before]


def deltas(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The delta of every choice of every chunk."""
    return [choice["delta"] for event in events for choice in event["choices"]]


def completion_text(answer: requests.Response, stream: bool) -> tuple[str, str]:
    """The text of an answer of `/v1/chat/completions`, and why it ended."""
    if stream:
        events = completion_chunks(answer)
        text = "".join(delta.get("content") or "" for delta in deltas(events))
        return text, [choice["finish_reason"] for event in events for choice in event["choices"]][-1]
    choice = answer.json()["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def merge_tool_calls(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the pieces of tool calls in chunks to whole calls."""
    calls: dict[int, dict[str, Any]] = {}
    for delta in deltas(events):
        for piece in delta.get("tool_calls", ()):
            call = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.get("id") or ""
            call["name"] += piece["function"].get("name") or ""
            call["arguments"] += piece["function"].get("arguments") or ""
    return list(calls.values())

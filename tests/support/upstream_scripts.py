"""Ways to call a server in front of a scripted upstream, and the upstream's scripts."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.support.caller import Caller
from tests.support.protocols import post_completion, post_v1_chat

WAYS: dict[str, Callable[[Caller], requests.Response]] = {
    "v0": lambda api: api.chat("hi"),
    "v1_chat": lambda api: post_v1_chat(api, "hi"),
    "v1_chat streamed": lambda api: post_v1_chat(api, "hi", stream=True),
    "v1_completions": lambda api: post_completion(api, "hi"),
    "v1_completions streamed": lambda api: post_completion(api, "hi", stream=True),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)
STREAMED = pytest.mark.parametrize("way", [way for way in WAYS if way.endswith("streamed")])
COMPLETION = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **more: Any) -> bytes:
    """A chunk of an upstream's stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return f"data: {json.dumps({'choices': choices, **more})}\n\n".encode()


HELLO = chunk({"content": "hello "})
END = chunk({}, "stop")
DONE = b"data: [DONE]\n\n"


def dies(*pieces: bytes) -> Callable[[Any], None]:
    """Send the start of a stream and cut the connection."""

    def misbehave(handler: Any) -> None:
        handler.begin("text/event-stream")
        for piece in pieces:
            handler.chunk(piece)
        handler.connection.shutdown(socket.SHUT_RDWR)

    return misbehave

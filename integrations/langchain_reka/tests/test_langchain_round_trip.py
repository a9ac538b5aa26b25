"""Any list of LangChain's messages is taken by the server, and no text, media or tool result is lost or reordered."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_reka import ChatReka
from reka.server.protocols.v0_chat import ChatRequest
from reka.server.protocols.v1_completions import CompletionRequest
from reka.testing import FakeReka, answer

from .langchain_support import MakeModel

_TOKEN = re.compile(r"<\w+>")


class Numbered:
    """Makes texts, media and call ids that each occur once, so that what arrives can be told apart."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def token(self, kind: str) -> str:
        self.made.append(f"<{kind}{len(self.made)}>")
        return self.made[-1]


def _blocks(draw: st.DrawFn, numbered: Numbered, *, with_media: bool) -> str | list[str | dict[str, Any]]:
    kinds = (
        ["text", "string", "empty", "image", "openai", "anthropic", "audio", "pdf"] if with_media else ["text", "empty"]
    )
    if draw(st.booleans()):
        return numbered.token("t") if draw(st.booleans()) else ""
    return [_block(kind, numbered) for kind in draw(st.lists(st.sampled_from(kinds), max_size=4))]


def _block(kind: str, numbered: Numbered) -> str | dict[str, Any]:
    if kind == "empty":
        return {"type": "text", "text": ""}
    token = numbered.token("m" if kind not in ("text", "string") else "t")
    url = f"https://example.com/{token}"
    blocks: dict[str, str | dict[str, Any]] = {
        "text": {"type": "text", "text": token},
        "string": token,
        "image": {"type": "image", "url": url},
        "openai": {"type": "image_url", "image_url": {"url": url}},
        "anthropic": {"type": "image", "source": {"type": "url", "url": url}},
        "audio": {"type": "audio", "url": url},
        "pdf": {"type": "file", "url": url, "mime_type": "application/pdf"},
    }
    return blocks[kind]


@st.composite
def conversations(draw: st.DrawFn, *, turns: bool = False) -> tuple[list[BaseMessage], list[str]]:
    """Messages, and what must arrive of them, in order.

    Args:
        draw: Given by hypothesis.
        turns: Whether just what the documented API has turns for.
    """
    numbered = Numbered()
    messages: list[BaseMessage] = []
    for kind in draw(st.lists(st.sampled_from(["human", "system", "ai", "chat", "tools"]), min_size=1, max_size=8)):
        if kind == "human":
            messages.append(HumanMessage(_blocks(draw, numbered, with_media=not turns), name="Ann"))
        elif kind == "system":
            messages.append(SystemMessage(_blocks(draw, numbered, with_media=False)))
        elif kind == "ai" or turns:
            messages.append(AIMessage(_blocks(draw, numbered, with_media=False)))
        elif kind == "chat":
            messages.append(ChatMessage(role=draw(st.sampled_from(["user", "ai"])), content=numbered.token("t")))
        else:
            messages += _tool_use(draw, numbered)
    return messages, numbered.made


def _tool_use(draw: st.DrawFn, numbered: Numbered) -> list[BaseMessage]:
    said = _blocks(draw, numbered, with_media=False)
    calls: list[Any] = [
        {"name": "f", "args": {"x": numbered.token("a")}, "id": f"c{len(numbered.made)}", "type": "tool_call"}
        for _ in range(draw(st.integers(1, 3)))
    ]
    invalid: list[Any] = [
        {"name": "f", "args": numbered.token("a"), "id": f"c{len(numbered.made)}", "type": "invalid_tool_call"}
        for _ in range(draw(st.integers(0, 1)))
    ]
    called = AIMessage(said, tool_calls=calls, invalid_tool_calls=invalid)
    results = [
        (call["id"], _blocks(draw, numbered, with_media=True), draw(st.booleans())) for call in [*calls, *invalid]
    ]
    if draw(st.booleans()):
        return [called, _as_anthropic_has_them(results, numbered)]
    return [
        called,
        *(
            ToolMessage(content, tool_call_id=call_id, status="error" if failed else "success")
            for call_id, content, failed in results
        ),
    ]


def _as_anthropic_has_them(results: list[tuple[str, Any, bool]], numbered: Numbered) -> HumanMessage:
    blocks: list[str | dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": failed}
        for call_id, content, failed in results
    ]
    return HumanMessage([*blocks, {"type": "text", "text": numbered.token("t")}])


@pytest.fixture(params=[("v1", "openai"), ("v1", "reka"), ("v0", None)], ids=["openai", "reka", "v0"])
def model(request: pytest.FixtureRequest, make_model: MakeModel) -> ChatReka:
    api, form = request.param
    return make_model(api=api, form=form)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_said_arrives_whole_and_in_order(fake: FakeReka, model: ChatReka, data: st.DataObject) -> None:
    messages, said = data.draw(conversations(turns=model.api == "v0"))
    assume(model.form != "openai" or any(map(_asks, messages)))  # our server wants a question
    fake.otherwise = answer(200, {"type": "model", "text": "ok", "choices": [{"message": {"content": "ok"}}]})
    fake.requests.clear()

    model.invoke(messages)

    (request,) = fake.requests
    arrived = _on_v0(request.body) if model.api == "v0" else _on_v1(request.body, alternates=model.form == "reka")
    tokens = _TOKEN.findall(arrived)
    if model.form == "openai":  # media of tool results arrive behind all results of an answer
        assert _texts_and_media(tokens) == _texts_and_media(said)
    else:
        assert tokens == _moved(messages, said)


def _texts_and_media(tokens: list[str]) -> tuple[list[str], list[str]]:
    return [token for token in tokens if "m" not in token], [token for token in tokens if "m" in token]


def _moved(messages: list[BaseMessage], said: list[str]) -> list[str]:
    """What was said, with each system text in front of the next human text, where Reka has it."""
    order: list[str] = []
    waiting: list[str] = []
    for message in messages:
        tokens = [
            token
            for token in said
            if token in f"{message.content}{getattr(message, 'tool_calls', '')}"
            f"{getattr(message, 'invalid_tool_calls', '')}"
        ]
        if message.type == "system":
            waiting += tokens
        elif message.type == "tool" or _asks(message):
            order += [*waiting, *tokens]
            waiting = []
        else:
            order += tokens
    return [*order, *waiting]


def _asks(message: BaseMessage) -> bool:
    return message.type == "human" or getattr(message, "role", "") == "user"


def _on_v0(body: bytes) -> str:
    accepted = ChatRequest.model_validate_json(body)  # what the server checks: turns alternate, no unknown keys
    return "".join(turn.text for turn in accepted.conversation_history)


def _on_v1(body: bytes, *, alternates: bool) -> str:
    CompletionRequest.model_validate_json(body)  # what the server checks
    messages = json.loads(body)["messages"]
    if alternates:
        assert [message["role"] for message in messages] == (["user", "assistant"] * len(messages))[: len(messages)]
    return "".join(_text_of(message) for message in messages)


def _text_of(message: dict[str, Any]) -> str:
    content = message["content"] or ""
    values = [content] if isinstance(content, str) else [part[part["type"]] for part in content]
    parts = [value["url"] if isinstance(value, dict) else value for value in values]
    return "".join([*parts, *(call["function"]["arguments"] for call in message.get("tool_calls", []))])

"""Conversations of LangChain's messages arrive at each endpoint with alternating roles and all of their text."""

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from reka.testing import FakeReka

from .langchain_support import MakeModel

URL = "https://example.com/cat.png"


IMAGE = {"type": "image", "url": URL}


def text(content: str) -> dict[str, str]:
    return {"type": "text", "text": content}


def human(content: str, **more: str) -> dict[str, str]:
    return {"type": "human", "text": content, **more}


def model(content: str) -> dict[str, str]:
    return {"type": "model", "text": content}


CONVERSATIONS = [
    pytest.param([HumanMessage("Hi")], [human("Hi")], id="one question"),
    pytest.param(
        [HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Name?")],
        [human("Hi"), model("Hello"), human("Name?")],
        id="a conversation",
    ),
    pytest.param([HumanMessage("Once"), AIMessage("upon")], [human("Once"), model("upon")], id="a completion"),
    pytest.param([SystemMessage("S"), HumanMessage("Hi")], [human("S\n\nHi")], id="system first"),
    pytest.param([SystemMessage("S")], [human("S")], id="system alone"),
    pytest.param(
        [HumanMessage("Hi"), AIMessage("Ho"), SystemMessage("A"), SystemMessage("B"), HumanMessage("C")],
        [human("Hi"), model("Ho"), human("A\n\nB\n\nC")],
        id="two system messages later",
    ),
    pytest.param(
        [HumanMessage("Hi"), AIMessage("Ho"), SystemMessage("Sum up.")],
        [human("Hi"), model("Ho"), human("Sum up.")],
        id="system last",
    ),
    pytest.param(
        [HumanMessage("a"), HumanMessage("b"), AIMessage("c"), AIMessage("d"), HumanMessage("e")],
        [human("a\n\nb"), model("c\n\nd"), human("e")],
        id="two in a row",
    ),
    pytest.param(
        [AIMessage("Hello!"), HumanMessage("Hi")],
        [human("(The assistant speaks first.)"), model("Hello!"), human("Hi")],
        id="AI first",
    ),
    pytest.param([HumanMessage(""), AIMessage("a"), AIMessage("")], [human(""), model("a")], id="empty texts"),
    pytest.param(
        [SystemMessage("S"), HumanMessage([text("What is it?"), IMAGE])],
        [human("S\n\nWhat is it?", media_url=URL)],
        id="an image",
    ),
]


@pytest.mark.parametrize(("messages", "turns"), CONVERSATIONS)
def test_on_the_documented_api_messages_are_turns_that_alternate_and_lose_no_text(
    fake: FakeReka, make_model: MakeModel, messages: list[BaseMessage], turns: list[dict[str, str]]
) -> None:
    fake.will_answer(200, {"type": "model", "text": "ok"})

    make_model(api="v0").invoke(messages)

    assert fake.requests[0].json["conversation_history"] == turns


@pytest.mark.parametrize(("messages", "turns"), CONVERSATIONS)
def test_in_the_form_of_2025_the_same_messages_alternate_too(
    fake: FakeReka, make_model: MakeModel, messages: list[BaseMessage], turns: list[dict[str, str]]
) -> None:
    fake.will_answer(200, {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]})

    make_model(api="v1", form="reka").invoke(messages)

    sent = fake.requests[0].json["messages"]
    assert [message["role"] for message in sent] == [
        "user" if turn["type"] == "human" else "assistant" for turn in turns
    ]
    if "media_url" not in turns[0]:
        assert [texts_of(message["content"]) for message in sent] == [turn["text"] for turn in turns]


def test_in_openais_form_messages_keep_their_roles_and_media_are_objects(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_answer(200, {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]})
    called = AIMessage("", tool_calls=[{"name": "look", "args": {"at": "it"}, "id": "c1"}])

    make_model(api="v1", form="openai").invoke(
        [
            SystemMessage("S"),
            SystemMessage("T"),
            AIMessage("Hello!"),
            HumanMessage([text("What is it?"), IMAGE]),
            called,
            ToolMessage("a cat", tool_call_id="c1"),
        ]
    )

    function = {"name": "look", "arguments": '{"at": "it"}'}
    assert fake.requests[0].json["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "system", "content": "T"},
        {"role": "assistant", "content": "Hello!"},
        {
            "role": "user",
            "content": [text("What is it?"), {"type": "image_url", "image_url": {"url": URL}}],
        },
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "content": "a cat", "tool_call_id": "c1"},
    ]


def texts_of(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else "\n\n".join(part["text"] for part in content)

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

import reka
from langchain_reka.messages import message_from_answer, turns_from_messages

PNG = "data:image/png;base64,iVBORw0KGgo="
URL = "https://example.com/cat.png"


def human(text: str, **more: str) -> dict[str, str]:
    return {"type": "human", "text": text, **more}


def model(text: str) -> dict[str, str]:
    return {"type": "model", "text": text}


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([HumanMessage("Hi")], [human("Hi")], id="one question"),
        pytest.param(
            [HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Name?")],
            [human("Hi"), model("Hello"), human("Name?")],
            id="a conversation",
        ),
        pytest.param([HumanMessage("Once"), AIMessage("upon")], [human("Once"), model("upon")], id="a completion"),
        pytest.param(
            [HumanMessage("Hi"), AIMessageChunk(content="Ho")], [human("Hi"), model("Ho")], id="an answer's chunk"
        ),
        pytest.param([SystemMessage("Be brief."), HumanMessage("Hi")], [human("Be brief.\n\nHi")], id="system first"),
        pytest.param([SystemMessage("Be brief.")], [human("Be brief.")], id="system alone"),
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
        pytest.param([HumanMessage(""), AIMessage("a"), AIMessage("")], [human(""), model("a")], id="empty texts"),
        pytest.param(
            [HumanMessage(["Hi, ", {"type": "text", "text": "my name is John."}])],
            [human("Hi, my name is John.")],
            id="text blocks",
        ),
        pytest.param(
            [
                ChatMessage(content="S", role="system"),
                ChatMessage(content="U", role="user"),
                ChatMessage(content="A", role="assistant"),
            ],
            [human("S\n\nU"), model("A")],
            id="roles",
        ),
    ],
)
def test_messages_become_turns_that_alternate_and_lose_no_text(
    messages: list[BaseMessage], turns: list[dict[str, str]]
) -> None:
    assert turns_from_messages(messages) == turns


@pytest.mark.parametrize(
    ("block", "url"),
    [
        pytest.param({"type": "image", "url": URL}, URL, id="image URL"),
        pytest.param({"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}, PNG, id="image bytes"),
        pytest.param({"type": "image_url", "image_url": {"url": URL}}, URL, id="OpenAI image"),
        pytest.param({"type": "image_url", "image_url": {"url": PNG}}, PNG, id="OpenAI image bytes"),
        pytest.param({"type": "image_url", "image_url": URL}, URL, id="Reka image"),
        pytest.param({"type": "video_url", "video_url": "https://e.com/a.mp4"}, "https://e.com/a.mp4", id="Reka video"),
        pytest.param({"type": "pdf_url", "pdf_url": "https://e.com/a.pdf"}, "https://e.com/a.pdf", id="Reka PDF"),
        pytest.param({"type": "video", "url": "https://e.com/a.mp4"}, "https://e.com/a.mp4", id="video"),
        pytest.param(
            {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"},
            "data:audio/wav;base64,UklGRg==",
            id="audio",
        ),
        pytest.param(
            {"type": "file", "base64": "JVBERg==", "mime_type": "application/pdf"},
            "data:application/pdf;base64,JVBERg==",
            id="PDF",
        ),
        pytest.param(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            PNG,
            id="Anthropic image",
        ),
        pytest.param(
            {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "iVBORw0KGgo="},
            PNG,
            id="LangChain's older image",
        ),
    ],
)
def test_media_of_every_form_becomes_the_media_url_of_the_first_turn(block: dict[str, Any], url: str) -> None:
    messages = [SystemMessage("Be brief."), HumanMessage([{"type": "text", "text": "What is it?"}, block])]

    assert turns_from_messages(messages) == [human("Be brief.\n\nWhat is it?", media_url=url)]


IMAGE = {"type": "image", "url": URL}
CALL = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        pytest.param([AIMessage("Hi")], "message 0: got an AI message", id="AI first"),
        pytest.param(
            [HumanMessage("a"), ToolMessage("3", tool_call_id="c1")], "message 1: got a tool message", id="tool result"
        ),
        pytest.param(
            [FunctionMessage(content="3", name="f")], "message 0: got a function message", id="function result"
        ),
        pytest.param([ChatMessage(role="critic", content="x")], "message 0: .* of role 'critic'", id="unknown role"),
        pytest.param([HumanMessage("a"), AIMessage("", tool_calls=[CALL])], "message 1: .*'tool_call'", id="tool call"),
        pytest.param(
            [HumanMessage([{"type": "text", "text": "a"}, {"type": "reasoning", "reasoning": "b"}])],
            "message 0, block 1: got type 'reasoning', want one of text, image",
            id="unknown standard block",
        ),
        pytest.param([HumanMessage([{"type": "hologram"}])], "message 0, block 0: got type 'hologram'", id="foreign"),
        pytest.param([HumanMessage([{"x": "a"}])], "message 0, block 0: got type None", id="no type"),
        pytest.param([HumanMessage([{"type": "text"}])], "message 0, block 0: .*want a string", id="text without text"),
        pytest.param([HumanMessage([IMAGE, IMAGE])], "message 0: has a second piece of media", id="two images"),
        pytest.param(
            [HumanMessage("a"), AIMessage("b"), HumanMessage([IMAGE])], "message 2: has media", id="a later image"
        ),
        pytest.param([HumanMessage("a"), AIMessage([IMAGE])], "message 1: got media", id="the model's image"),
        pytest.param(
            [HumanMessage("a"), ChatMessage(content=[IMAGE], role="assistant")],
            "message 1: got media",
            id="a role's image",
        ),
        pytest.param([SystemMessage([IMAGE])], "message 0: got media in a system message", id="a system image"),
        pytest.param(
            [HumanMessage([{"type": "image", "file_id": "f1"}])], "message 0, block 0: .*file_id", id="file id"
        ),
        pytest.param([HumanMessage([{"type": "image", "base64": "AA=="}])], "block 0: .*mime_type", id="no MIME type"),
        pytest.param(
            [HumanMessage([{"type": "file", "base64": "AA==", "mime_type": "text/csv"}])], "'text/csv'", id="a CSV"
        ),
        pytest.param([HumanMessage([{"type": "image", "url": "/etc/passwd"}])], "no http", id="a path as URL"),
        pytest.param([HumanMessage([{"type": "pdf_url", "pdf_url": 3}])], "'pdf_url' whose URL", id="a number as URL"),
    ],
)
def test_what_cannot_be_sent_is_an_error_that_names_message_and_block(messages: list[BaseMessage], error: str) -> None:
    with pytest.raises(reka.InvalidConversationError, match=error):
        turns_from_messages(messages)


def test_the_messages_that_come_in_are_not_changed() -> None:
    messages = [SystemMessage("Be brief."), HumanMessage([{"type": "text", "text": "What?"}, dict(IMAGE)])]
    before = [message.model_dump() for message in messages]

    turns_from_messages(messages)

    assert [message.model_dump() for message in messages] == before


def test_an_answer_becomes_a_message_with_its_text_and_chunks() -> None:
    answer: reka.ModelTurn = {"type": "model", "text": "A.\n\n", "retrieved_chunks": [{"text": "chunk", "score": 0.5}]}

    message = message_from_answer(answer, "reka-core")

    assert message.text == "A.\n\n"
    assert message.response_metadata == {
        "model_name": "reka-core",
        "model_provider": "reka",
        "retrieved_chunks": [{"text": "chunk", "score": 0.5}],
    }


def test_a_bare_answer_becomes_a_message_without_invented_fields() -> None:
    message = message_from_answer({"type": "model", "text": "A."}, "reka-flash")

    assert message.usage_metadata is None
    assert message.response_metadata == {"model_name": "reka-flash", "model_provider": "reka"}


def test_an_answer_goes_back_into_a_conversation_as_it_is() -> None:
    answer = message_from_answer({"type": "model", "text": "Ho", "retrieved_chunks": [{"text": "c"}]}, "reka-flash")

    assert turns_from_messages([HumanMessage("Hi"), answer]) == [human("Hi"), model("Ho")]

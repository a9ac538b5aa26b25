import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

import reka
from llamaindex_reka.messages import chat_response, completion_response, turns_from_messages

URL = "https://example.com/cat.png"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
PDF = b"%PDF-1.7 \xff\xfe"


def human(text: str, **more: str) -> dict[str, str]:
    return {"type": "human", "text": text, **more}


def model(text: str) -> dict[str, str]:
    return {"type": "model", "text": text}


def said(role: str, *content: Any) -> ChatMessage:
    blocks = [TextBlock(text=item) if isinstance(item, str) else item for item in content]
    return ChatMessage(role=MessageRole(role), blocks=blocks)


def data_url(mime_type: str, content: bytes) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([said("user", "Hi")], [human("Hi")], id="one question"),
        pytest.param(
            [said("user", "Hi"), said("assistant", "Hello"), said("user", "Name?")],
            [human("Hi"), model("Hello"), human("Name?")],
            id="a conversation",
        ),
        pytest.param(
            [said("user", "Once"), said("assistant", "upon")], [human("Once"), model("upon")], id="completion"
        ),
        pytest.param([said("system", "Be brief."), said("user", "Hi")], [human("Be brief.\n\nHi")], id="system first"),
        pytest.param([said("system", "Be brief.")], [human("Be brief.")], id="system alone"),
        pytest.param(
            [said("user", "Hi"), said("model", "Ho"), said("system", "A"), said("developer", "B"), said("user", "C")],
            [human("Hi"), model("Ho"), human("A\n\nB\n\nC")],
            id="two system messages later",
        ),
        pytest.param(
            [said("user", "a"), said("user", "b"), said("assistant", "c"), said("chatbot", "d"), said("user", "e")],
            [human("a\n\nb"), model("c\n\nd"), human("e")],
            id="two in a row",
        ),
        pytest.param([said("user", "Hi,", "I am John.")], [human("Hi,\nI am John.")], id="text blocks"),
        pytest.param([said("user"), said("assistant", "a")], [human(""), model("a")], id="no blocks"),
    ],
)
def test_messages_become_turns_that_alternate_and_lose_no_text(
    messages: list[ChatMessage], turns: list[dict[str, str]]
) -> None:
    assert turns_from_messages(messages) == turns


@pytest.mark.parametrize(
    ("block", "url"),
    [
        pytest.param(ImageBlock(url=URL), URL, id="image URL"),
        pytest.param(ImageBlock(image=PNG), data_url("image/png", PNG), id="image bytes"),
        pytest.param(
            ImageBlock(image=base64.b64encode(PNG)), data_url("image/png", PNG), id="image bytes that are base64"
        ),
        pytest.param(ImageBlock(url=data_url("image/png", PNG)), data_url("image/png", PNG), id="image data URL"),
        pytest.param(VideoBlock(url="https://e.com/a.mp4"), "https://e.com/a.mp4", id="video URL"),
        pytest.param(
            VideoBlock(video=b"\0\1\2", video_mimetype="video/mp4"), data_url("video/mp4", b"\0\1\2"), id="video bytes"
        ),
        pytest.param(AudioBlock(url="https://e.com/a.mp3"), "https://e.com/a.mp3", id="audio URL"),
        pytest.param(AudioBlock(audio=b"\0\1\2", format="mp3"), data_url("audio/mpeg", b"\0\1\2"), id="audio bytes"),
        pytest.param(DocumentBlock(url="https://e.com/a.pdf"), "https://e.com/a.pdf", id="PDF URL"),
        pytest.param(
            DocumentBlock(data=PDF, document_mimetype="application/pdf"),
            data_url("application/pdf", PDF),
            id="PDF bytes",
        ),
    ],
)
def test_media_of_every_form_becomes_the_media_url_of_the_first_turn(block: Any, url: str) -> None:
    messages = [said("system", "Be brief."), said("user", "What is it?", block)]

    assert turns_from_messages(messages) == [human("Be brief.\n\nWhat is it?", media_url=url)]


IMAGE = ImageBlock(url=URL)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        pytest.param([said("assistant", "Hi")], "message 0: got an assistant message", id="assistant first"),
        pytest.param([said("user", "a"), said("tool", "3")], "message 1: got a tool message", id="tool result"),
        pytest.param([said("function", "3")], "message 0: got a function message", id="function result"),
        pytest.param(
            [said("user", "a"), said("assistant", ToolCallBlock(tool_name="add", tool_kwargs={}))],
            "message 1, block 0: got type 'tool_call', want one of text, image",
            id="tool call",
        ),
        pytest.param(
            [said("user", "a"), ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [{}]})],
            "message 1: got tool calls",
            id="tool call of the older form",
        ),
        pytest.param(
            [said("user", "a"), said("assistant", "b", ThinkingBlock(content="hm"))],
            "message 1, block 1: got type 'thinking'",
            id="thinking",
        ),
        pytest.param(
            [said("user", CachePoint(cache_control=CacheControl(type="ephemeral")))], "got type 'cache'", id="cache"
        ),
        pytest.param([said("user", IMAGE, IMAGE)], "message 0: has a second piece of media", id="two images"),
        pytest.param([said("user", IMAGE), said("user", IMAGE)], "message 1: has a second", id="two images in a row"),
        pytest.param(
            [said("user", "a"), said("assistant", "b"), said("user", IMAGE)], "message 2: has media", id="a later image"
        ),
        pytest.param([said("user", "a"), said("assistant", IMAGE)], "message 1: got media", id="the model's image"),
        pytest.param([said("system", IMAGE)], "message 0: got media in a system message", id="a system image"),
        pytest.param([said("user", ImageBlock())], "message 0, block 0: .* neither bytes nor", id="nothing in it"),
        pytest.param([said("user", ImageBlock(path=Path(__file__)))], "read a file into bytes", id="a path"),
        pytest.param([said("user", ImageBlock(image=BytesIO(PNG)))], "neither bytes nor", id="an open file"),
        pytest.param([said("user", ImageBlock(url="ftp://e.com/a.png"))], "no?t?.*http", id="FTP"),
        pytest.param([said("user", ImageBlock(image=b"\0\1"))], "unknown MIME type", id="bytes of no known type"),
        pytest.param([said("user", AudioBlock(audio=b"\0\1"))], "unknown MIME type", id="audio of no known type"),
        pytest.param(
            [said("user", DocumentBlock(data=b"a,b\xff", document_mimetype="text/csv"))], "text/csv, want", id="a CSV"
        ),
    ],
)
def test_what_cannot_be_sent_is_an_error_that_names_message_and_block(messages: list[ChatMessage], error: str) -> None:
    with pytest.raises(reka.InvalidConversationError, match=error):
        turns_from_messages(messages)


def test_the_messages_that_come_in_are_not_changed() -> None:
    messages = [said("system", "Be brief."), said("user", "What?", ImageBlock(image=PNG))]
    before = [message.model_dump() for message in messages]

    turns_from_messages(messages)

    assert [message.model_dump() for message in messages] == before


def test_an_answer_becomes_a_response_with_its_text_and_chunks() -> None:
    answer: reka.ModelTurn = {"type": "model", "text": "A.\n\n", "retrieved_chunks": [{"text": "chunk", "score": 0.5}]}

    chat, completion = chat_response(answer), completion_response(answer)

    assert (chat.message.role, chat.message.content, completion.text) == ("assistant", "A.\n\n", "A.\n\n")
    assert (chat.raw, completion.raw) == (answer, answer)
    assert chat.additional_kwargs == {"retrieved_chunks": [{"text": "chunk", "score": 0.5}]}
    assert completion.additional_kwargs == chat.additional_kwargs


def test_a_bare_answer_becomes_a_response_without_invented_fields() -> None:
    assert chat_response({"type": "model", "text": "A."}).additional_kwargs == {}


def test_an_answer_goes_back_into_a_conversation_as_it_is() -> None:
    answer = chat_response({"type": "model", "text": "Ho", "retrieved_chunks": [{"text": "c"}]}).message

    assert turns_from_messages([said("user", "Hi"), answer]) == [human("Hi"), model("Ho")]

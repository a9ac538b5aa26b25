import base64
import json
from io import BytesIO
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

import reka
from llamaindex_reka.media import read
from llamaindex_reka.messages import messages_for

from .llamaindex_support import MP4, PDF, PNG, URL, WAV, data_url, part, said, text


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([said("user", "Hi")], [("user", [text("Hi")])], id="one question"),
        pytest.param(
            [said("system", "Be brief."), said("developer", "Be kind."), said("user", "Hi")],
            [("system", [text("Be brief.")]), ("system", [text("Be kind.")]), ("user", [text("Hi")])],
            id="system messages",
        ),
        pytest.param(
            [said("assistant", "a"), said("chatbot", "b"), said("model", "c")],
            [("assistant", [text("a")]), ("assistant", [text("b")]), ("assistant", [text("c")])],
            id="names of the assistant",
        ),
        pytest.param([said("user", "Hi,", "I am John.")], [("user", [text("Hi,\nI am John.")])], id="text blocks"),
        pytest.param([said("user")], [("user", "")], id="no blocks"),
        pytest.param(
            [said("user", "a", ImageBlock(url=URL), "b", "c")],
            [("user", [text("a"), part("image_url", URL), text("b\nc")])],
            id="media between texts",
        ),
        pytest.param(
            [said("user", CachePoint(cache_control=CacheControl(type="ephemeral")), "Hi")],
            [("user", [text("Hi")])],
            id="cache points are left out on purpose",
        ),
        pytest.param(
            [said("assistant", ThinkingBlock(content="hm"), "Hello")],
            [("assistant", [text("Hello")])],
            id="thoughts of earlier answers are left out on purpose",
        ),
    ],
)
def test_messages_keep_their_order_roles_and_texts(messages: list[ChatMessage], sent: list[tuple[str, Any]]) -> None:
    assert [(message["role"], message["content"]) for message in messages_for(messages)] == sent


MEDIA = [
    pytest.param(ImageBlock(url=URL), part("image_url", URL), id="image URL"),
    pytest.param(ImageBlock(image=PNG), part("image_url", data_url("image/png", PNG)), id="image bytes"),
    pytest.param(
        ImageBlock(image=base64.b64encode(PNG)), part("image_url", data_url("image/png", PNG)), id="image base64"
    ),
    pytest.param(
        ImageBlock(image=PNG, image_mimetype="application/octet-stream"),
        part("image_url", data_url("image/png", PNG)),
        id="image bytes that say they are something else",
    ),
    pytest.param(ImageBlock(image=BytesIO(PNG)), part("image_url", data_url("image/png", PNG)), id="image file"),
    pytest.param(
        ImageBlock(url=data_url("image/png", PNG)), part("image_url", data_url("image/png", PNG)), id="image data URL"
    ),
    pytest.param(VideoBlock(url="https://e.com/a.mp4"), part("video_url", "https://e.com/a.mp4"), id="video URL"),
    pytest.param(VideoBlock(video=MP4), part("video_url", data_url("video/mp4", MP4)), id="video bytes"),
    pytest.param(AudioBlock(url="https://e.com/a.mp3"), part("audio_url", "https://e.com/a.mp3"), id="audio URL"),
    pytest.param(AudioBlock(audio=WAV), part("audio_url", data_url("audio/x-wav", WAV)), id="audio bytes"),
    pytest.param(
        AudioBlock(audio=b"\0\1\2", format="mp3"),
        part("audio_url", data_url("audio/mpeg", b"\0\1\2")),
        id="audio bytes of a named format",
    ),
    pytest.param(DocumentBlock(url="https://e.com/a.pdf"), part("pdf_url", "https://e.com/a.pdf"), id="PDF URL"),
    pytest.param(DocumentBlock(data=PDF), part("pdf_url", data_url("application/pdf", PDF)), id="PDF bytes"),
    pytest.param(
        DocumentBlock(data=PDF, document_mimetype="text/plain"),
        part("pdf_url", data_url("application/pdf", PDF)),
        id="PDF bytes that say they are something else",
    ),
    pytest.param(DocumentBlock(data=b"Hold the button."), text("Hold the button."), id="text bytes"),
    pytest.param(
        DocumentBlock(data=b"a,b", title="lamps.csv", document_mimetype="text/csv"),
        text("lamps.csv:\na,b"),
        id="text bytes with a title",
    ),
    pytest.param(DocumentBlock(url=data_url("text/plain", b"Hold it.")), text("Hold it."), id="text in a data URL"),
]


@pytest.mark.parametrize("documented_only", [False, True], ids=["v1", "v0"])
@pytest.mark.parametrize(("block", "wanted"), MEDIA)
def test_media_of_every_form_become_parts(block: Any, wanted: dict[str, str], documented_only: bool) -> None:
    messages = read([said("system", "Be brief."), said("user", block)], None)

    assert messages_for(messages, documented_only=documented_only)[1]["content"] == [wanted]


def test_a_tool_call_and_its_result_go_together_by_their_id() -> None:
    call = ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs={"a": 1})
    messages = [
        said("user", "Add."),
        said("assistant", "I add.", call),
        said("tool", "3", ImageBlock(url=URL), tool_call_id="c-1"),
    ]

    assert messages_for(messages)[1:] == [
        {
            "role": "assistant",
            "content": [text("I add.")],
            "tool_calls": [{"id": "c-1", "name": "add", "arguments": '{"a": 1}'}],
        },
        {"role": "tool", "content": [text("3"), part("image_url", URL)], "tool_call_id": "c-1"},
    ]


class OlderCall:
    """Stands for an object of another SDK."""

    def model_dump(self) -> dict[str, Any]:
        return {"id": "c-1", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize("call", [OlderCall(), OlderCall().model_dump()], ids=["object", "dict"])
def test_a_tool_call_of_the_older_form_is_sent(call: Any) -> None:
    messages = [said("user", "Add."), said("assistant", tool_calls=[call]), said("tool", "3", tool_call_id="c-1")]

    assert messages_for(messages)[1]["tool_calls"] == [{"id": "c-1", "name": "add", "arguments": '{"a": 1}'}]


@pytest.mark.parametrize(
    "call",
    [
        {"type": "function_call", "id": "fc-1", "call_id": "c-1", "name": "add", "arguments": '{"a": 1}'},
        {"type": "tool_use", "id": "c-1", "name": "add", "input": {"a": 1}},
    ],
    ids=["OpenAI's responses", "Anthropic"],
)
@pytest.mark.parametrize("name", ["tool_call_id", "call_id"])
def test_a_tool_call_of_another_provider_and_its_result_are_sent(call: Any, name: str) -> None:
    messages = [said("user", "Add."), said("assistant", tool_calls=[call]), said("tool", "3", **{name: "c-1"})]

    _, called, result = messages_for(messages)

    assert called["tool_calls"] == [{"id": "c-1", "name": "add", "arguments": '{"a": 1}'}]
    assert result["tool_call_id"] == "c-1"


def test_what_other_providers_answers_have_besides_is_left_out_with_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    searched = {"type": "web_search_call", "id": "ws-1", "status": "completed"}
    messages = [
        said("user", "Draw a cat.", ThinkingBlock(content="hm")),
        said("assistant", "Here.", IMAGE, tool_calls=[searched]),
        said("assistant", ThinkingBlock(content="hm", additional_information={"signature": "s"}), "Good?"),
    ]

    sent = messages_for(messages)

    assert [message["content"] for message in sent] == [[text("Draw a cat.")], [text("Here.")], [text("Good?")]]
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "image, thinking, web_search_call"
    ]


@pytest.mark.parametrize("written", ['{"a": 1', '{"a": NaN}', "[1]"])
def test_an_invalid_call_of_an_earlier_answer_is_sent_as_json(written: str) -> None:
    call = ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs=written)

    (message,) = messages_for([said("assistant", call)])

    assert json.loads(message["tool_calls"][0]["arguments"]) == {"invalid_arguments": written}


def test_a_tool_call_that_stands_in_both_forms_is_sent_once() -> None:
    call = ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs={"a": 1})

    (message,) = messages_for([said("assistant", call, tool_calls=[OlderCall()])])

    assert len(message["tool_calls"]) == 1


def test_a_citable_block_becomes_its_source_and_content() -> None:
    block = CitableBlock(
        title="Manual", source="https://e.com", content=[TextBlock(text="Hold it."), ImageBlock(url=URL)]
    )

    (message,) = messages_for([said("user", block)])

    assert message["content"] == [text("[Source: Manual <https://e.com>]\nHold it."), part("image_url", URL)]


@pytest.mark.parametrize(
    ("cited", "content"),
    [
        ("Hold it", "Hold it. So I say.\n[Source: Manual <m.txt>]"),
        ("Other", "Hold it. So I say.\n[Source: Manual <m.txt>]\nOther"),
    ],
)
def test_a_citation_names_its_source_and_repeats_no_text(cited: str, content: str) -> None:
    block = CitationBlock(
        cited_content=TextBlock(text=cited), source="m.txt", title="Manual", additional_location_info={}
    )

    (message,) = messages_for([said("assistant", "Hold it. So I say.", block)])

    assert message["content"] == [text(content)]


IMAGE = ImageBlock(url=URL)
CALL = ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs={})


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        pytest.param([said("user", "a"), said("tool", "3")], "message 1: .*tool_call_id", id="result of no call"),
        pytest.param(
            [said("user", "a"), said("tool", "3", tool_call_id="c-9")], "message 1: .*'c-9'", id="of an unknown call"
        ),
        pytest.param(
            [said("tool", "3", tool_call_id="c-1"), said("assistant", CALL)], "message 0: .*'c-1'", id="of a later call"
        ),
        pytest.param([said("user", CALL)], r"message 0, block 0 \(type 'tool_call'\): .*user", id="user's tool call"),
        pytest.param(
            [said("user", "a"), said("assistant", tool_calls=[{}])], r"message 1: .*tool_calls", id="call of no form"
        ),
        pytest.param(
            [said("user", ImageBlock())], r"message 0, block 0 \(type 'image'\): .*neither", id="nothing in it"
        ),
        pytest.param([said("user", ImageBlock(url="ftp://e.com/a.png"))], r"\(type 'image'\): .*http", id="FTP"),
        pytest.param([said("user", ImageBlock(image=b"\0\1"))], r"\(type 'image'\): .*no known type", id="no image"),
        pytest.param([said("user", AudioBlock(audio=b"\0\1"))], r"\(type 'audio'\): .*no known type", id="no audio"),
        pytest.param(
            [said("user", DocumentBlock(data=b"PK\3\4\xff"))], r"\(type 'document'\): .*PDF or text", id="a zip"
        ),
        pytest.param(
            [said("user", DocumentBlock(url="https://e.com/a.csv", document_mimetype="text/csv"))],
            r"\(type 'document'\): .*text/csv, want its bytes",
            id="a CSV's URL",
        ),
        pytest.param([said("user", DocumentBlock(url="a.pdf"))], r"\(type 'document'\): .*http", id="no URL"),
        pytest.param(
            [said("user", CitableBlock(title="t", source="s", content=[ImageBlock()]))],
            r"message 0, block 0 \(type 'image'\)",
            id="inside of a citable",
        ),
    ],
)
@pytest.mark.parametrize("documented_only", [False, True], ids=["v1", "v0"])
def test_what_cannot_be_sent_is_an_error_that_names_message_and_block(
    messages: list[ChatMessage], error: str, documented_only: bool
) -> None:
    with pytest.raises(reka.InvalidConversationError, match=error):
        messages_for(messages, documented_only=documented_only)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        pytest.param([said("user", IMAGE, IMAGE)], "message 0, block 1 .*several media", id="two images"),
        pytest.param([said("user", IMAGE), said("user", IMAGE)], "message 1, block 0 .*several", id="two in a row"),
        pytest.param(
            [said("user", "a"), said("assistant", "b"), said("user", IMAGE)],
            "message 2, block 0 .*media after the first turn",
            id="a later one",
        ),
        pytest.param(
            [said("user", "a"), said("assistant", CALL), said("tool", "3", tool_call_id="c-1")],
            r"message 1, block 0 \(type 'tool_call'\): .*tool calls",
            id="a tool call",
        ),
    ],
)
def test_what_the_documented_endpoint_has_not_is_refused_for_it_alone(messages: list[ChatMessage], error: str) -> None:
    assert len(messages_for(messages)) == len(messages)
    with pytest.raises(reka.InvalidConversationError, match=error):
        messages_for(messages, documented_only=True)


def test_the_messages_that_come_in_are_not_changed() -> None:
    messages = [
        said("system", "Be brief."),
        said("user", "What?", "now", ImageBlock(image=PNG)),
        said("assistant", CALL),
    ]
    before = [message.model_dump() for message in messages]

    messages_for(messages)

    assert [message.model_dump() for message in messages] == before

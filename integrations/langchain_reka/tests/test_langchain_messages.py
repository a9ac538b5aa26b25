"""LangChain's messages become messages of Reka's API."""

import base64
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

import reka
from langchain_reka.messages import media_in, reka_messages, source_indices
from langchain_reka.tool_history import NOT_RUN

URL = "https://example.com/cat.png"
PNG = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"type": "image", "url": URL}
LOOK = {"type": "image_url", "image_url": URL}
CALL: Any = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
SENT_CALL = {"id": "c1", "name": "add", "arguments": '{"a": 1}'}


def text(content: str) -> dict[str, str]:
    return {"type": "text", "text": content}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


@pytest.mark.parametrize(
    ("message", "becomes"),
    [
        pytest.param(HumanMessage("Hi"), user("Hi"), id="human"),
        pytest.param(HumanMessage("Hi", name="Ann"), user("Hi"), id="a name is not sent"),
        pytest.param(HumanMessage(""), user(""), id="empty"),
        pytest.param(HumanMessage([]), user(""), id="no blocks"),
        pytest.param(
            HumanMessage(["Hi, ", text("my name is John.")]), user([text("Hi, my name is John.")]), id="texts"
        ),
        pytest.param(HumanMessage([text("a"), IMAGE, text("b")]), user([text("a"), LOOK, text("b")]), id="order"),
        pytest.param(SystemMessage("S"), {"role": "system", "content": "S"}, id="system"),
        pytest.param(AIMessage("Ho"), assistant("Ho"), id="ai"),
        pytest.param(AIMessageChunk(content="Ho"), assistant("Ho"), id="an answer's chunk"),
        pytest.param(AIMessage("", tool_calls=[CALL]), assistant("", tool_calls=[SENT_CALL]), id="calls and no text"),
        pytest.param(
            AIMessage(
                [text("Hm"), {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}}], tool_calls=[CALL]
            ),
            assistant([text("Hm")], tool_calls=[SENT_CALL]),
            id="Anthropic's tool use is sent once",
        ),
        pytest.param(
            AIMessage([{"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}}]),
            assistant("", tool_calls=[SENT_CALL]),
            id="Anthropic's tool use alone",
        ),
        pytest.param(
            AIMessage(content_blocks=[{"type": "reasoning", "reasoning": "r"}, {"type": "text", "text": "t"}, CALL]),
            assistant([text("t")], tool_calls=[SENT_CALL]),
            id="standard blocks of an answer",
        ),
        pytest.param(
            AIMessage([{"type": "thinking", "thinking": "t", "signature": "s"}, text("a")]),
            assistant([text("a")]),
            id="Anthropic's thinking",
        ),
        pytest.param(
            AIMessage([{**text("Cats purr."), "annotations": [{"type": "citation", "url": URL}]}]),
            assistant([text("Cats purr.")]),
            id="a citation is not sent",
        ),
        pytest.param(
            AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": '{"a": 1}'}}),
            assistant("", tool_calls=[{"id": "f", "name": "f", "arguments": '{"a": 1}'}]),
            id="a function call of old",
        ),
        pytest.param(ChatMessage(role="user", content="U"), user("U"), id="role user"),
        pytest.param(ChatMessage(role="assistant", content="A"), assistant("A"), id="role assistant"),
        pytest.param(ChatMessage(role="developer", content="D"), {"role": "system", "content": "D"}, id="developer"),
    ],
)
def test_each_message_becomes_one_message(message: BaseMessage, becomes: dict[str, Any]) -> None:
    assert reka_messages([message]) == [becomes]


@pytest.mark.parametrize(
    ("message", "content"),
    [
        pytest.param(ToolMessage("3", tool_call_id="c1"), "3", id="text"),
        pytest.param(ToolMessage([text("a"), IMAGE], tool_call_id="c1"), [text("a"), LOOK], id="an image"),
        pytest.param(ToolMessage("no b", tool_call_id="c1", status="error"), "Error: no b", id="error"),
        pytest.param(ToolMessage("Error: no b", tool_call_id="c1", status="error"), "Error: no b", id="error, said"),
        pytest.param(
            ToolMessage([IMAGE], tool_call_id="c1", status="error"), [text("Error: "), LOOK], id="error, an image"
        ),
    ],
)
def test_a_tools_result_names_its_call(message: ToolMessage, content: Any) -> None:
    called = AIMessage("", tool_calls=[CALL])

    assert reka_messages([called, message])[1] == {"role": "tool", "tool_call_id": "c1", "content": content}


def test_an_invalid_call_is_shown_to_the_model_and_has_a_result() -> None:
    invalid: Any = {"type": "invalid_tool_call", "name": "add", "args": "{", "id": "c2", "error": None}
    called = AIMessage("", tool_calls=[CALL], invalid_tool_calls=[invalid])
    shown = {"id": "c2", "name": "add", "arguments": '{"invalid_arguments": "{"}'}
    own = [ToolMessage("3", tool_call_id="c1"), ToolMessage("no", tool_call_id="c2")]

    interrupted, answered = reka_messages([called, own[0]]), reka_messages([called, *own])

    assert interrupted[0] == answered[0] == assistant("", tool_calls=[SENT_CALL, shown])
    assert interrupted[1:] == [
        {"role": "tool", "tool_call_id": "c2", "content": NOT_RUN},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]
    assert [message["content"] for message in answered[1:]] == ["3", "no"]


def test_results_among_a_humans_blocks_are_messages_of_their_own() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    messages = [
        AIMessage([{"type": "tool_use", "id": each, "name": "add", "input": {"a": 1}} for each in ("c1", "c2")]),
        HumanMessage(
            [
                {"type": "tool_result", "tool_use_id": "c1", "content": [text("3"), picture], "is_error": False},
                {"type": "tool_result", "tool_use_id": "c2", "content": "no b", "is_error": True},
                text("And now?"),
                "Tell me.",
            ]
        ),
        HumanMessage([IMAGE]),
    ]

    asked = reka_messages(messages)

    assert asked[1:] == [
        {"role": "tool", "tool_call_id": "c1", "content": [text("3"), {"type": "image_url", "image_url": PNG}]},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: no b"},
        user([text("And now?Tell me.")]),
        user([LOOK]),
    ]
    assert source_indices(messages) == [0, 1, 1, 1, 2]


def test_a_functions_result_names_the_function() -> None:
    called = AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}})

    assert reka_messages([called, FunctionMessage(name="f", content="3")])[1] == {
        "role": "tool",
        "tool_call_id": "f",
        "content": "3",
    }


@pytest.mark.parametrize(
    ("block", "part"),
    [
        pytest.param({"type": "image", "url": URL}, LOOK, id="image URL"),
        pytest.param(
            {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
            {"type": "image_url", "image_url": PNG},
            id="image bytes",
        ),
        pytest.param({"type": "image_url", "image_url": {"url": URL}}, LOOK, id="OpenAI image"),
        pytest.param(
            {"type": "image_url", "image_url": {"url": PNG}}, {"type": "image_url", "image_url": PNG}, id="OpenAI bytes"
        ),
        pytest.param({"type": "image_url", "image_url": URL}, LOOK, id="Reka image"),
        pytest.param({"type": "video_url", "video_url": URL}, {"type": "video_url", "video_url": URL}, id="Reka video"),
        pytest.param({"type": "audio_url", "audio_url": URL}, {"type": "audio_url", "audio_url": URL}, id="Reka audio"),
        pytest.param({"type": "pdf_url", "pdf_url": {"url": URL}}, {"type": "pdf_url", "pdf_url": URL}, id="Reka PDF"),
        pytest.param({"type": "video", "url": URL}, {"type": "video_url", "video_url": URL}, id="video"),
        pytest.param(
            {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"},
            {"type": "audio_url", "audio_url": "data:audio/wav;base64,UklGRg=="},
            id="audio",
        ),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "audio_url", "audio_url": "data:audio/wav;base64,UklGRg=="},
            id="OpenAI audio",
        ),
        pytest.param(
            {"type": "file", "base64": "JVBERg==", "mime_type": "application/pdf"},
            {"type": "pdf_url", "pdf_url": "data:application/pdf;base64,JVBERg=="},
            id="PDF",
        ),
        pytest.param({"type": "file", "url": URL}, {"type": "pdf_url", "pdf_url": URL}, id="PDF URL"),
        pytest.param(
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
            {"type": "pdf_url", "pdf_url": "data:application/pdf;base64,JVBERg=="},
            id="OpenAI file",
        ),
        pytest.param(
            {"type": "file", "url": URL, "mime_type": "video/mp4"},
            {"type": "video_url", "video_url": URL},
            id="a file that is a video",
        ),
        pytest.param(
            {"type": "file", "base64": base64.b64encode("a,b é".encode()).decode(), "mime_type": "text/csv"},
            text("a,b é"),
            id="a file that is text",
        ),
        pytest.param(
            {"type": "text-plain", "text": "body", "title": "Head", "mime_type": "text/plain"},
            text("Head\nbody"),
            id="plain text",
        ),
        pytest.param({"type": "text-plain", "base64": "YQ==", "mime_type": "text/plain"}, text("a"), id="plain bytes"),
        pytest.param(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            {"type": "image_url", "image_url": PNG},
            id="Anthropic image",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "b"}, "title": "Head"},
            text("Head\nb"),
            id="Anthropic text",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
            {"type": "pdf_url", "pdf_url": "data:application/pdf;base64,JVBERg=="},
            id="Anthropic document",
        ),
        pytest.param(
            {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "iVBORw0KGgo="},
            {"type": "image_url", "image_url": PNG},
            id="LangChain's older image",
        ),
        pytest.param(
            {"type": "video", "source_type": "base64", "mime_type": "video/mp4", "data": "AA=="},
            {"type": "video_url", "video_url": "data:video/mp4;base64,AA=="},
            id="LangChain's older video",
        ),
        pytest.param(
            {"type": "file", "source_type": "text", "mime_type": "text/plain", "text": "body"},
            text("body"),
            id="LangChain's older text",
        ),
    ],
)
def test_a_block_of_every_form_becomes_a_part(block: dict[str, Any], part: dict[str, Any]) -> None:
    assert reka_messages([HumanMessage([block])]) == [user([part])]


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        pytest.param(
            [HumanMessage("a"), ToolMessage("3", tool_call_id="c1")],
            "message 1: got a tool message for the call 'c1', which no earlier AI message made",
            id="a result without a call",
        ),
        pytest.param(
            [ToolMessage("3", tool_call_id="c1"), AIMessage("", tool_calls=[CALL])],
            "message 0: got a tool message",
            id="a result before its call",
        ),
        pytest.param([FunctionMessage(content="3", name="f")], "message 0: got a tool message", id="function result"),
        pytest.param([RemoveMessage(id="1")], "message 0: got a remove message", id="no message at all"),
        pytest.param([ChatMessage(role="critic", content="x")], "message 0: .* of role 'critic'", id="unknown role"),
        pytest.param(
            [HumanMessage([text("a"), {"type": "reasoning", "reasoning": "b"}])],
            "message 0, block 1: got type 'reasoning', want one of text, image",
            id="a block for answers",
        ),
        pytest.param([HumanMessage([{"type": "hologram"}])], "message 0, block 0: got type 'hologram'", id="foreign"),
        pytest.param([HumanMessage([{"x": "a"}])], "message 0, block 0: got type None", id="no type"),
        pytest.param([HumanMessage([{"type": "text"}])], "message 0, block 0: .*want a string", id="text without text"),
        pytest.param([HumanMessage([{"type": "image", "file_id": "f"}])], "block 0: .*'image' .*file id", id="file id"),
        pytest.param(
            [HumanMessage([{"type": "file", "file": {"file_id": "f"}}])], "block 0: .*'file' .*file id", id="OpenAI id"
        ),
        pytest.param([HumanMessage([{"type": "image", "base64": "AA=="}])], "block 0: .*mime_type", id="no MIME type"),
        pytest.param(
            [HumanMessage([{"type": "image", "base64": b"PNG", "mime_type": "image/png"}])],
            "block 0: got type 'image' with bytes as its base64",
            id="bytes that are not base64",
        ),
        pytest.param(
            [HumanMessage("a"), HumanMessage([{"type": "image", "source_type": "base64"}])],
            "message 1: got a block in LangChain's legacy form without the key 'data'",
            id="older form in half",
        ),
        pytest.param(
            [HumanMessage("a"), HumanMessage([{"type": "tool_result", "tool_use_id": "c9", "content": "3"}])],
            "message 1: got a tool message for the call 'c9'",
            id="Anthropic's result without a call",
        ),
        pytest.param(
            [HumanMessage([{"type": "file", "base64": "AA==", "mime_type": "font/otf"}])], "'font/otf'", id="a font"
        ),
        pytest.param(
            [HumanMessage([{"type": "file", "base64": "/w==", "mime_type": "text/csv"}])], "not UTF-8", id="no text"
        ),
        pytest.param([HumanMessage([{"type": "text-plain", "url": URL}])], "'text-plain' .*URL", id="a text's URL"),
        pytest.param([HumanMessage([{"type": "image", "url": "/etc/passwd"}])], "not an http", id="a path as URL"),
        pytest.param([HumanMessage([{"type": "pdf_url", "pdf_url": 3}])], "'pdf_url' whose URL", id="a number as URL"),
    ],
)
def test_what_cannot_be_sent_is_an_error_that_names_message_and_block(messages: list[BaseMessage], error: str) -> None:
    with pytest.raises(reka.InvalidConversationError, match=error):
        reka_messages(messages)


ANTHROPICS: list[Any] = [
    {"type": "thinking", "thinking": "Hm", "signature": "s"},
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}},
    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": URL}]},
    {**text("Cats purr."), "citations": [{"type": "char_location", "cited_text": "purr"}]},
]
OPENAIS: list[Any] = [
    {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": "Hm"}]},
    {"type": "web_search_call", "id": "w1", "status": "completed", "action": {"type": "search", "query": "cats"}},
    {"type": "refusal", "refusal": "I cannot say."},
    {"type": "image_generation_call", "id": "i1", "result": "iVBORw0KGgo="},
]
GOOGLES: list[Any] = ["Cats ", {"type": "executable_code", "executable_code": "1", "language": 1}, "purr."]


@pytest.mark.parametrize(
    ("provider", "blocks", "says", "left_out"),
    [
        ("anthropic", ANTHROPICS, [text("Cats purr.")], "'server_tool_use', 'web_search_tool_result'"),
        ("openai", OPENAIS, [text("I cannot say.")], "'image_generation_call', 'web_search_call'"),
        ("google_genai", GOOGLES, [text("Cats purr.")], "'executable_code'"),
        ("groq", [text("Cats purr.")], [text("Cats purr.")], None),
        (None, [{"type": "hologram"}, {"x": 1}, {"type": "text"}], "", "'hologram', 'text', None"),
        (None, [{"type": "image", "file_id": "f"}, text("A cat.")], [text("A cat.")], "'image'"),
        (None, [{"type": "image", "source_type": "base64"}], "", "'image'"),
        (None, [{"type": "non_standard"}, {"type": "non_standard", "value": {"type": "x"}}], "", "'non_standard', 'x'"),
    ],
)
def test_an_answer_of_another_provider_is_sent_without_its_own_blocks_which_are_noted(
    caplog: pytest.LogCaptureFixture, provider: str | None, blocks: list[Any], says: Any, left_out: str | None
) -> None:
    answer = AIMessage(blocks, response_metadata={"model_provider": provider} if provider else {})

    assert reka_messages([HumanMessage("Hi"), answer, answer]) == [user("Hi"), assistant(says), assistant(says)]

    notes = [record.getMessage() for record in caplog.records if record.name == "langchain_reka"]
    assert notes == (
        [] if left_out is None else [f"left out of earlier answers, as Reka's API has no such blocks: {left_out}"]
    )


def test_an_answer_of_standard_blocks_and_a_refusal_are_sent() -> None:
    standard = AIMessage(ANTHROPICS, response_metadata={"model_provider": "anthropic"}).content_blocks
    refused = AIMessage("", additional_kwargs={"refusal": "I cannot say."})

    assert reka_messages([AIMessage(content_blocks=standard), refused]) == [
        assistant([text("Cats purr.")]),
        assistant("I cannot say."),
    ]


def test_a_tools_blocks_of_any_type_are_shown_to_the_model() -> None:
    found = {"type": "search_result", "source": URL, "title": "Cats", "content": [text("Cats purr.")]}
    result = ToolMessage([{"type": "json", "json": {"a": "ü"}}, found], tool_call_id="c1")

    assert reka_messages([AIMessage("", tool_calls=[CALL]), result])[1]["content"] == [
        text(f'{{"type": "json", "json": {{"a": "ü"}}}}Cats\n{URL}\nCats purr.')
    ]


def test_a_mark_for_another_providers_cache_is_no_content() -> None:
    assert reka_messages([HumanMessage([text("a"), {"cachePoint": {"type": "default"}}])]) == [user([text("a")])]


def test_the_messages_that_come_in_are_not_changed() -> None:
    called = AIMessage([{"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}}], tool_calls=[CALL])
    messages = [SystemMessage("Be brief."), HumanMessage([text("What?"), dict(IMAGE)]), called]
    before = [message.model_dump() for message in messages]

    reka_messages(messages)

    assert [message.model_dump() for message in messages] == before


def test_media_are_found_with_their_message() -> None:
    messages = reka_messages([HumanMessage("a"), HumanMessage([IMAGE, text("b"), {"type": "video", "url": URL}])])

    assert media_in(messages) == [(1, "image_url"), (1, "video_url")]

"""Programs for `reka-api` 3 find its clients, types and calls here, beside ours."""

import asyncio
import importlib
import inspect
import json
import pickle
from typing import Any

import pytest
from typing_extensions import assert_type

import reka
from reka import ChatMessage, RekaEnvironment, Tool, ToolOutput, TypedMediaContent, TypedText
from reka.client import Reka
from reka.core import ApiError
from reka.errors import UnprocessableEntityError
from reka.testing import FakeReka, answer
from tests.support.clients import KEY

HI = ChatMessage(role="user", content="Hi")
TOOL = Tool(name="multiply", description="Multiply", parameters={"type": "object", "properties": {}})
ANSWER = {
    "id": "c-1",
    "model": "reka-flash-3",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
CALL = {"id": "t-1", "type": "function", "function": {"name": "multiply", "arguments": '{"a": 6}'}}
NAMES = {
    "reka": (
        *("ChatMessage", "ChatMessageChunk", "ChatMessageChunkContentItem", "ChatMessageInputContentItem"),
        *("ChatMessageOutputContentItem", "ChatResponse", "ChatRole", "ChunkChatResponse", "ChunkMessageResponse"),
        *("Content", "FinishReason", "HttpValidationError", "MediaType", "MessageResponse", "Model"),
        *("RekaEnvironment", "Tool", "ToolCall", "ToolChoice", "ToolOutput", "TypedMediaContent", "TypedText"),
        *("UnprocessableEntityError", "Usage", "ValidationError", "ValidationErrorLocItem", "__version__"),
    ),
    "reka.types": ("ChatMessage", "ChatResponse", "ToolCall", "ToolOutput", "Usage", "Model"),
    "reka.client": ("Reka", "AsyncReka"),
    "reka.errors": ("UnprocessableEntityError",),
    "reka.core": ("ApiError", "RequestOptions"),
    "reka.core.api_error": ("ApiError",),
    "reka.core.request_options": ("RequestOptions",),
    "reka.environment": ("RekaEnvironment",),
}


@pytest.fixture
def sdk(fake: FakeReka) -> Reka:
    return Reka(api_key=KEY, base_url=f"{fake.url}/v1", max_retries=0)


def _stream(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _delta(reason: str | None = None, **delta: object) -> dict[str, Any]:
    return {"id": "c-1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@pytest.mark.parametrize("module", NAMES)
def test_the_modules_have_what_programs_import_from_them(module: str) -> None:
    imported = importlib.import_module(module)

    assert [name for name in NAMES[module] if not hasattr(imported, name)] == []
    assert importlib.import_module("reka.client").AsyncReka is reka.AsyncReka


def test_create_answers_as_reka_api_3_does(sdk: Reka, fake: FakeReka) -> None:
    fake.will_answer(200, ANSWER)

    answer = sdk.chat.create(messages=[HI], model="reka-flash", max_tokens=5, stop=["x"], use_search_engine=True)

    assert fake.paths == ["POST /v1/chat/completions"]
    sent = fake.requests[0].json
    assert (sent["model"], sent["max_tokens"], sent["stop"], sent["use_search_engine"]) == (
        "reka-flash",
        5,
        ["x"],
        True,
    )
    assert answer.responses[0].message.content == "Hello"
    assert (answer.id, answer.model, answer.responses[0].finish_reason) == ("c-1", "reka-flash-3", "stop")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 2)
    assert json.loads(answer.json()) == answer.dict()
    assert answer.dict()["responses"] == [
        {"finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}
    ]


def test_messages_may_be_models_dicts_and_answers_and_content_may_have_parts(sdk: Reka, fake: FakeReka) -> None:
    fake.will_answer(200, ANSWER)
    fake.will_answer(200, ANSWER)
    image = TypedMediaContent(type="image_url", image_url="https://x.example/a.png")
    parts: list[TypedText | TypedMediaContent] = [image, TypedText(type="text", text="What is this?")]
    question = ChatMessage(role="user", content=parts)

    first = sdk.chat.create(messages=[question], model="m").responses[0].message
    sdk.chat.create(messages=[question, first, {"role": "user", "content": "And now?"}], model="m")

    assert fake.requests[0].json["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "text", "text": "What is this?"},
    ]
    assert [message["role"] for message in fake.requests[1].json["messages"]] == ["user", "assistant", "user"]


def test_tools_are_called_and_their_outputs_sent_back(sdk: Reka, fake: FakeReka) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    fake.will_answer(200, {**ANSWER, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    fake.will_answer(200, ANSWER)

    called = sdk.chat.create(messages=[HI], model="m", tools=[TOOL], tool_choice="tool").responses[0].message
    assert called.tool_calls is not None
    outputs = [ToolOutput(tool_call_id=called.tool_calls[0].id, output="42")]
    sdk.chat.create(messages=[HI, called, ChatMessage(role="tool_output", content=outputs)], model="m", tools=[TOOL])

    assert (called.tool_calls[0].name, called.tool_calls[0].parameters) == ("multiply", {"a": 6})
    _, assistant, result = fake.requests[1].json["messages"]
    assert assistant["tool_calls"] == [CALL]
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", "t-1", "42")


def test_a_tool_call_may_be_made_with_parameters_or_arguments() -> None:
    of_sdk = reka.ToolCall(id="t", name="f", parameters={"a": 1})

    assert of_sdk == reka.ToolCall("t", "f", '{"a": 1}')
    assert of_sdk.parameters == {"a": 1}
    assert reka.ToolCall("t", "f", "no json").parameters == {"arguments": "no json"}
    message = ChatMessage(role="assistant", tool_calls=[of_sdk])  # type: ignore[list-item]  # converted
    assert message.dict()["tool_calls"] == [{"id": "t", "name": "f", "parameters": {"a": 1}}]
    assert pickle.loads(pickle.dumps(of_sdk)) == of_sdk


def test_create_stream_gives_the_text_so_far(sdk: Reka, fake: FakeReka) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    events = _stream(_delta(content="Hel"), _delta(content="lo"), _delta("stop"), usage)
    fake.will_answer(200, events, {"Content-Type": "text/event-stream"})

    *chunks, last = list(sdk.chat.create_stream(messages=[HI], model="m"))

    assert [chunk.responses[0].chunk.content for chunk in chunks] == ["Hel", "Hello"]
    assert {chunk.responses[0].finish_reason for chunk in chunks} == {None}
    assert (last.responses[0].chunk.content, last.responses[0].finish_reason) == ("Hello", "stop")
    assert (last.id, last.usage.output_tokens) == ("c-1", 2)


def test_the_async_client_has_the_same(fake: FakeReka) -> None:
    fake.will_answer(200, ANSWER)
    fake.will_answer(200, _stream(_delta(content="Hi"), _delta("stop")), {"Content-Type": "text/event-stream"})
    fake.will_answer(200, ["reka-flash"])

    async def everything() -> tuple[object, list[object], list[str]]:
        async with reka.AsyncReka(KEY, fake.url) as client:
            answer = await client.chat.create(messages=[HI], model="m")
            chunks = [chunk async for chunk in client.chat.create_stream(messages=[HI], model="m")]
            models = [model.id for model in await client.models.get()]
            return answer.responses[0].message.content, [c.responses[0].chunk.content for c in chunks], models

    assert asyncio.run(everything()) == ("Hello", ["Hi", "Hi"], ["reka-flash"])


@pytest.mark.parametrize("method", ["get", "list"])
def test_models_have_ids(sdk: Reka, fake: FakeReka, method: str) -> None:
    fake.will_answer(200, [{"id": "reka-flash"}, "reka-core"])

    assert [model.id for model in getattr(sdk.models, method)()] == ["reka-flash", "reka-core"]


@pytest.mark.parametrize(
    ("status", "kind", "ours"),
    [
        (401, ApiError, reka.AuthError),
        (404, ApiError, reka.NotFoundError),
        (422, UnprocessableEntityError, reka.InvalidRequestError),
        (429, ApiError, reka.RateLimitError),
        (500, ApiError, reka.ServerError),
    ],
)
def test_errors_are_those_of_reka_api_3_and_ours(
    sdk: Reka, fake: FakeReka, status: int, kind: type[ApiError], ours: type[reka.RekaError]
) -> None:
    body = {"detail": [{"loc": ["body", "model"], "msg": "what happened", "type": "x"}]}
    fake.otherwise = answer(status, body)

    for call in (
        lambda: sdk.chat.create(messages=[HI], model="m"),
        lambda: list(sdk.chat.create_stream(messages=[HI], model="m")),
        sdk.models.get,
    ):
        with pytest.raises(kind) as caught:
            call()

        assert isinstance(caught.value, ours)
        assert caught.value.status_code == status
        assert "what happened" in str(caught.value.body)
        assert KEY not in f"{vars(caught.value)}"
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    if status == 422:
        assert caught.value.body.detail[0].loc == ["body", "model"]


def test_what_is_refused_before_it_is_sent_is_an_unprocessable_entity(sdk: Reka, fake: FakeReka) -> None:
    with pytest.raises(UnprocessableEntityError) as caught:
        sdk.chat.create(messages=[], model="m")

    assert (caught.value.status_code, caught.value.body) == (422, "messages: there are none")
    assert isinstance(caught.value, reka.InvalidConversationError)
    assert fake.requests == []


def test_options_of_a_request_hold_for_it_alone(sdk: Reka, fake: FakeReka) -> None:
    fake.will_answer(503)
    fake.will_answer(200, ANSWER)

    sdk.chat.create(
        messages=[HI], model="m", request_options={"max_retries": 1, "additional_body_parameters": {"research": {}}}
    )

    assert fake.requests[1].json["research"] == {}


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ({"httpx_client": object()}, "write session="),
        ({"follow_redirects": False}, "leave it out"),
        ({"request_options": {"additional_headers": {"a": "b"}}}, r"Reka\(headers=...\)"),
        ({"request_options": {"additional_query_parameters": {"a": "b"}}}, "additional_body_parameters"),
    ],
)
def test_what_cannot_be_kept_says_what_to_write_instead(sdk: Reka, options: dict[str, Any], instead: str) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=instead):
        sdk.chat.create(messages=[HI], model="m", **options) if "request_options" in options else Reka(**options)


@pytest.mark.parametrize("call", [Reka, lambda **options: Reka().chat.create(messages=[HI], model="m", **options)])
def test_an_unknown_argument_is_a_type_error(call: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'tempratur'"):
        call(tempratur=1)


def test_an_environment_names_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_BASE_URL", "http://127.0.0.1:9")

    assert "api.reka.ai" in repr(Reka(environment=RekaEnvironment.DEFAULT, follow_redirects=True))  # type: ignore[arg-type]
    assert "127.0.0.1:8" in repr(Reka(environment=RekaEnvironment.DEFAULT, base_url="http://127.0.0.1:8"))  # type: ignore[arg-type]


def test_chat_is_a_method_as_before(sdk: Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"type": "model", "text": "hi"})

    turn = sdk.chat("Hi")

    assert_type(turn, reka.ModelTurn)
    assert turn["text"] == "hi"
    assert inspect.signature(sdk.chat) == inspect.signature(reka.chat)
    assert inspect.isfunction(Reka.chat)
    assert inspect.iscoroutinefunction(reka.AsyncReka().chat)
    assert not inspect.iscoroutinefunction(sdk.chat)

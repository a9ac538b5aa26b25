"""`complete`: what goes out to the completions endpoint, and every form of answer that comes back."""

from typing import Any

import pytest

import reka
from reka.testing import FakeReka
from reka.testing.bodies import DONE, completion
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL

SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
RESEARCH = {"web_search": {"enabled": True, "max_uses": 2}, "parallel_thinking": {"mode": "high"}}


def test_a_message_alone_sends_no_more_than_it_and_the_model(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="Hello"))

    client.complete(HI)

    assert fake.paths == ["POST /v1/chat/completions"]
    assert fake.requests[0].json == {"messages": HI, "model": "reka-flash"}
    assert fake.requests[0].headers["x-api-key"] == "secret-key-f3a9"


@pytest.mark.parametrize(
    ("argument", "value", "sent"),
    [
        ("model", "reka-edge", "reka-edge"),
        ("max_tokens", 1, 1),
        ("temperature", 0.0, 0.0),
        ("top_p", 0.5, 0.5),
        ("top_k", 0, 0),
        ("frequency_penalty", -0.5, -0.5),
        ("presence_penalty", 0.25, 0.25),
        ("seed", 0, 0),
        ("reasoning_effort", "none", "none"),
        ("stop", "END", ["END"]),
        ("stop", ("a", "b"), ["a", "b"]),
        ("tools", [TOOL], [{"type": "function", "function": TOOL}]),
        ("tools", [{"type": "function", "function": TOOL}], [{"type": "function", "function": TOOL}]),
        ("response_format", SCHEMA, SCHEMA),
        ("research", RESEARCH, RESEARCH),
    ],
)
def test_each_parameter_is_in_the_bytes_and_nothing_else_is(
    sync_client: reka.Reka, fake: FakeReka, argument: str, value: Any, sent: Any
) -> None:
    fake.will_answer(200, completion(content="Hello"))

    sync_client.complete(HI, **{argument: value})

    assert fake.requests[0].json == {"messages": HI, "model": "reka-flash", argument: sent}


def test_in_the_form_of_2025_a_named_tool_is_sent_alone_and_must_be_called(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="Hello"))

    with connect(KEY, fake.url, form="reka") as client:
        client.complete(HI, tools=[{"name": "time"}, TOOL], tool_choice="weather")

    assert fake.requests[0].json["tools"] == [TOOL]
    assert fake.requests[0].json["tool_choice"] == "tool"


def test_in_openai_s_form_all_tools_are_sent_and_the_named_one_is_chosen(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="Hello"))

    client.complete(HI, tools=[{"name": "time"}, TOOL], tool_choice="weather")

    assert [tool["function"]["name"] for tool in fake.requests[0].json["tools"]] == ["time", "weather"]
    assert fake.requests[0].json["tools"][1] == {"type": "function", "function": TOOL}
    assert fake.requests[0].json["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


def test_extra_arguments_are_sent_and_override_the_others(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, completion(content="Hello"))

    client.complete(HI, temperature=0.1, extra_request_args={"temperature": 0.9, "new": {"on": True}})

    assert fake.requests[0].json == {"messages": HI, "model": "reka-flash", "temperature": 0.9, "new": {"on": True}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": ""}, "model: got ''"),
        ({"max_tokens": 0}, "max_tokens: got 0"),
        ({"temperature": -1}, "temperature: got -1"),
        ({"top_p": 2}, "top_p: got 2"),
        ({"top_k": 1.5}, "top_k: got 1.5"),
        ({"frequency_penalty": "1"}, "frequency_penalty: got '1'"),
        ({"presence_penalty": True}, "presence_penalty: got True"),
        ({"seed": "7"}, "seed: got '7'"),
        ({"reasoning_effort": "lots"}, "reasoning_effort: got 'lots', want one of 'none', 'minimal', "),
        ({"reasoning_effort": 1}, "reasoning_effort: got 1"),
        ({"length_penalty": "1"}, "length_penalty: got '1'"),
        ({"retrieval_dataset": ""}, "retrieval_dataset: got ''"),
        ({"stop": [1]}, "stop: got [1]"),
        ({"tools": TOOL}, "tools: got an object"),
        ({"tools": [TOOL], "tool_choice": "news"}, "tool_choice: got 'news'"),
        ({"response_format": "json"}, "response_format: got str"),
        ({"research": True}, "research: got bool"),
        ({"extra_request_args": []}, "extra_request_args: got list"),
        ({"extra_request_args": {"x": float("nan")}}, "cannot be written as JSON"),
        ({"timeout": 0}, "timeout: got"),
    ],
)
def test_a_bad_argument_is_named_and_nothing_is_sent(
    sync_client: reka.Reka, fake: FakeReka, arguments: dict[str, Any], message: str
) -> None:
    call: dict[str, Any] = {"messages": HI, **arguments}

    with pytest.raises(reka.InvalidArgumentError) as caught:
        sync_client.complete(**call)

    assert message in str(caught.value)
    assert fake.requests == []


@pytest.mark.parametrize("method", ["complete", "stream_messages"])
def test_a_bad_argument_is_named_at_the_call(client: reka.Reka, fake: FakeReka, method: str) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="top_p: got 2"):
        getattr(client, method)(HI, top_p=2)

    assert fake.requests == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("temprature", "Did you mean 'temperature'?"),
        ("model_name", "Did you mean 'model'?"),
        ("timeout_s", "Did you mean 'timeout'?"),
        ("human", "Want one of extra_request_args, frequency_penalty, length_penalty, "),
    ],
)
@pytest.mark.parametrize("method", ["complete", "stream_messages"])
def test_an_unknown_keyword_is_a_type_error_that_names_the_nearest_one(
    client: reka.Reka, fake: FakeReka, method: str, name: str, hint: str
) -> None:
    with pytest.raises(TypeError) as caught:
        getattr(client, method)(HI, **{name: None})

    assert f"got an unexpected keyword argument '{name}'. {hint}" in str(caught.value)
    assert fake.requests == []


def test_a_type_checker_finds_a_wrong_option(client: reka.Reka) -> None:
    # `make check` fails if one of these comments is not needed.
    with pytest.raises(reka.InvalidArgumentError):
        client.complete(HI, temperature="warm")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(reka.InvalidArgumentError):
        client.stream_messages(HI, model=None)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError):
        client.complete(HI, temprature=1.0)  # type: ignore[call-arg]  # wrong on purpose


def test_options_may_be_kept_in_a_dict(client: reka.Reka, fake: FakeReka) -> None:
    options: reka.CompletionOptions = {"temperature": 0.5, "stop": "END"}
    chat_options: reka.ChatOptions = {"temperature": 0.5, "stop_words": ["END"]}
    fake.will_answer(200, completion(content="Hello"))
    fake.will_answer(200, {"type": "model", "text": "Hello"})

    client.complete(HI, **options)
    client.chat("Hi", **chat_options)

    completions_body, chat_body = (request.json for request in fake.requests)
    assert (completions_body["temperature"], completions_body["stop"]) == (0.5, ["END"])
    assert (chat_body["temperature"], chat_body["stop_words"]) == (0.5, ["END"])
    assert options == {"temperature": 0.5, "stop": "END"}


def test_the_live_hosts_answer_is_read_in_whole(client: reka.Reka, fake: FakeReka) -> None:
    annotations = [
        {"type": "url_citation", "url_citation": {"url": "https://x", "title": "X", "start_index": 1, "end_index": 4}},
        {"type": "url_citation", "url_citation": {"url": "https://y"}},
        {"type": "other", "other": {}},
    ]
    answer = completion("length", content="Cold.", reasoning_content="It is winter.", annotations=annotations)
    fake.will_answer(200, answer, {"x-request-id": "r-1"})

    assert client.complete(HI) == reka.ChatCompletion(
        text="Cold.",
        finish_reason="length",
        usage=reka.Usage(3, 5),
        model="reka-flash",
        id="c-1",
        request_id="r-1",
        reasoning="It is winter.",
        citations=[reka.Citation("https://x", "X", 1, 4), reka.Citation("https://y")],
    )


@pytest.mark.parametrize(
    ("call", "read"),
    [
        pytest.param(
            {"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}},
            reka.ToolCall("t-1", "weather", '{"city":"Ulm"}'),
            id="nested",
        ),
        pytest.param(
            {"id": "t-1", "name": "weather", "parameters": {"city": "Köln"}},
            reka.ToolCall("t-1", "weather", '{"city": "Köln"}'),
            id="flat",
        ),
        pytest.param(
            {"function": {"name": "weather", "arguments": "{broken"}},
            reka.ToolCall("", "weather", "{broken"),
            id="broken",
        ),
        pytest.param({"id": 7, "function": {"name": "now"}}, reka.ToolCall("7", "now", ""), id="bare"),
    ],
)
def test_tool_calls_are_read_in_every_form(
    client: reka.Reka, fake: FakeReka, call: dict[str, Any], read: reka.ToolCall
) -> None:
    fake.will_answer(200, completion("tool_calls", content=None, tool_calls=[call]))

    answer = client.complete(HI, tools=[TOOL])

    assert answer.tool_calls == [read]
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}, reka.Usage(3, 5)),
        ({"input_tokens": 3, "output_tokens": 5}, reka.Usage(3, 5)),
        ({"input_tokens": 0, "output_tokens": 0}, reka.Usage(0, 0)),
        ({"tokens": 8}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_read_under_both_pairs_of_names(
    client: reka.Reka, fake: FakeReka, usage: Any, read: reka.Usage | None
) -> None:
    fake.will_answer(200, completion(content="Hello") | {"usage": usage})

    assert client.complete(HI).usage == read


def test_fields_that_we_do_not_know_are_kept(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(
        200, completion(content="Hello", reasoning_steps=[{"step": 1}], refusal=None) | {"system_fingerprint": "f"}
    )

    assert client.complete(HI).extra == {"system_fingerprint": "f", "reasoning_steps": [{"step": 1}], "refusal": None}


def test_content_may_be_a_list_of_parts(client: reka.Reka, fake: FakeReka) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "image_url", "image_url": "x"}, {"type": "text", "text": "lo"}]
    fake.will_answer(200, completion(content=parts))

    assert client.complete(HI).text == "Hello"


def test_an_answer_of_the_generation_before_is_read_too(client: reka.Reka, fake: FakeReka) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "t", "name": "now", "parameters": {}}]}
    fake.will_answer(
        200,
        {
            "id": "c-1",
            "model": "reka-flash",
            "responses": [{"finish_reason": "tool_calls", "message": message}],
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
    )

    assert client.complete(HI, tools=[TOOL]) == reka.ChatCompletion(
        text="",
        tool_calls=[reka.ToolCall("t", "now", "{}")],
        finish_reason="tool_calls",
        usage=reka.Usage(1, 2),
        model="reka-flash",
        id="c-1",
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"choices": []}, id="no-choice"),
        pytest.param({"id": "c-1"}, id="no-choices"),
        pytest.param({"choices": [{"finish_reason": "stop"}]}, id="no-message"),
        pytest.param({"choices": ["Hello"]}, id="a-choice-that-is-none"),
        pytest.param({"choices": [{"message": "Hello"}]}, id="a-message-that-is-none"),
        pytest.param([1], id="a-list"),
        pytest.param(None, id="null"),
        pytest.param(b"", id="nothing"),
        pytest.param(DONE, id="a-stream"),
    ],
)
def test_an_answer_that_is_no_completion_is_unexpected(client: reka.Reka, fake: FakeReka, body: Any) -> None:
    fake.will_answer(200, body)

    with pytest.raises(reka.UnexpectedResponseError, match="want a chat completion"):
        client.complete(HI)


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": "weather"},
        {"tool_calls": [None, 7]},
        {"annotations": {"url": "x"}},
        {"annotations": [{"type": "url_citation", "url_citation": "x"}]},
        {"reasoning_content": 7},
        {"content": 7},
        {"retrieved_chunks": "x"},
    ],
)
def test_a_field_of_another_shape_than_known_hurts_nothing_but_itself(
    client: reka.Reka, fake: FakeReka, message: dict[str, Any]
) -> None:
    fake.will_answer(200, completion(**{"content": "Hello", **message}))

    answer = client.complete(HI)

    assert answer.text == ("" if "content" in message else "Hello")
    assert (answer.tool_calls, answer.citations, answer.reasoning, answer.retrieved_chunks) == ([], [], "", None)


@pytest.mark.parametrize(
    "options", [{"retrieval_dataset": "alice"}, {"extra_request_args": {"retrieval_dataset": "alice"}}]
)
def test_with_a_dataset_the_documented_endpoint_answers(
    client: reka.Reka, fake: FakeReka, options: reka.CompletionOptions
) -> None:
    fake.will_answer(404)  # GET /: a server that does not say what it can do
    fake.will_answer(200, {"type": "model", "text": "Ulm", "retrieved_chunks": [{"text": "t", "score": 0.5}]})

    answer = client.complete([{"role": "system", "content": "Be brief."}, *HI], **options)

    assert answer.text == "Ulm"
    assert answer.retrieved_chunks == [{"text": "t", "score": 0.5}]
    assert fake.paths == ["GET /", "POST /chat"]
    assert fake.requests[1].json["conversation_history"] == [{"type": "human", "text": "Be brief.\n\nHi"}]
    assert fake.requests[1].json["retrieval_dataset"] == "alice"


def test_a_server_without_v1_is_asked_at_the_documented_endpoint_and_this_is_remembered(
    client: reka.Reka, fake: FakeReka
) -> None:
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(200, {"type": "model", "text": "one"})
    fake.will_answer(200, {"type": "model", "text": "two"})

    answers = [client.complete(HI).text, client.complete(HI).text]

    assert answers == ["one", "two"]
    assert fake.paths == ["POST /v1/chat/completions", "POST /chat", "POST /chat"]


def test_what_only_v1_can_do_is_not_asked_elsewhere(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, {"detail": "Not Found"})

    with pytest.raises(reka.NotFoundError):
        client.complete(HI, tools=[{"name": "look", "parameters": {"type": "object", "properties": {}}}])

    assert fake.paths == ["POST /v1/chat/completions"]

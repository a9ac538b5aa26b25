"""The host of the OpenAI form: what it takes, refuses and answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.protocols import ADD, WEATHER, completion_chunks, deltas, merge_tool_calls, openai_tool
from tests.support.strict_host import CHAT, MODELS, StrictHost
from tests.support.strict_openai import BARE_MODELS, StrictOpenAI
from tests.support.strict_requests import (
    CALL,
    CALLED,
    DATA_URL,
    EDGE,
    FLASH,
    REASONER,
    RESEARCHER,
    RESULT,
    SCHEMA,
    URL,
    USER,
    ask,
    chat,
    choice,
    part,
    refusal,
    text,
)


@pytest.fixture(scope="module")
def host() -> Iterator[StrictHost]:
    with StrictOpenAI() as host:
        yield host


@pytest.mark.parametrize(
    "conversation",
    [
        [{"role": "system", "content": "Be brief."}, USER],
        [USER, USER],
        [{"role": "assistant", "content": "Hello."}, USER],
        [USER, CALLED, RESULT],
        [USER, CALLED | {"tool_calls": [CALL, CALL | {"id": "c-2"}]}, RESULT | {"tool_call_id": "c-2"}, RESULT, USER],
        [USER, CALLED | {"content": "I add.", "reasoning_content": "So."}, RESULT],
        [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, USER],
    ],
)
def test_the_openai_form_takes_its_four_roles_in_any_order(
    host: StrictHost, conversation: list[dict[str, Any]]
) -> None:
    assert text(chat(host, messages=conversation))


@pytest.mark.parametrize(
    "conversation",
    [
        [{"role": "developer", "content": "Be brief."}, USER],
        [USER, CALLED, {"role": "tool", "content": "3"}],
        [USER, RESULT],
        [USER, CALLED, RESULT | {"tool_call_id": "another"}],
        [USER, CALLED, RESULT, RESULT],
        [USER, CALLED, USER],
        [USER, CALLED],
        [USER | {"tool_call_id": "c-1"}],
        [{"role": "system", "content": [part("image_url", {"url": URL})]}, USER],
    ],
    ids=[
        "developer",
        "a result with no tool_call_id",
        "a result of no call",
        "a result of another call",
        "two results of one call",
        "a call that is not answered",
        "a call at the end",
        "a user message with tool_call_id",
        "an image in a system message",
    ],
)
def test_the_openai_form_refuses_other_roles_and_results_that_fit_no_call(
    host: StrictHost, conversation: list[dict[str, Any]]
) -> None:
    assert refusal(chat(host, messages=conversation)) == (400, "validation_error", "messages")


def test_the_openai_form_takes_media_as_objects_with_a_url(host: StrictHost) -> None:
    images = [part("image_url", {"url": url}) for url in (URL, DATA_URL, URL)]

    answer = chat(host, [*images, part("video_url", {"url": URL}), part("text", "What is this?")])

    assert text(answer).startswith("I see 3 images and 1 video.")


@pytest.mark.parametrize(
    ("media", "said"),
    [
        (part("image_url", URL), "image_url"),
        (part("video_url", URL), "video_url"),
        (part("image_url", {"url": "file:///etc/passwd"}), "image_url"),
        (part("image_url", {"url": URL, "size": 3}), "size"),
        (part("audio_url", {"url": URL}), "audio"),
        (part("input_audio", {"data": "aGk=", "format": "wav"}), "audio"),
        (part("pdf_url", {"url": URL}), "pdf"),
        (part("file", {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}), "pdf"),
    ],
)
def test_the_openai_form_refuses_media_as_strings_and_kinds_that_a_model_does_not_take(
    host: StrictHost, media: dict[str, Any], said: str
) -> None:
    answer = chat(host, [media, part("text", "What is this?")])

    assert refusal(answer) == (400, "validation_error", "messages")
    assert said in answer.json()["error"]["message"]


def test_an_image_is_for_models_that_take_images_and_more_than_three_are_too_many(host: StrictHost) -> None:
    image = part("image_url", {"url": URL})

    blind = chat(host, [image], model="qwen3.8-27b")
    many = chat(host, [image, image], "I see.", [image, image])

    assert refusal(blind) == refusal(many) == (400, "validation_error", "messages")
    assert "image" in blind.json()["error"]["message"]
    assert "at most 3" in many.json()["error"]["message"]


def test_a_host_may_take_further_kinds_of_media() -> None:
    parts = [
        part("input_audio", {"data": "aGk=", "format": "wav"}),
        part("audio_url", {"url": URL}),
        part("file", {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}),
        part("pdf_url", {"url": URL}),
    ]
    with StrictOpenAI(modalities=["audio", "pdf"]) as host:
        assert text(chat(host, [*parts, part("text", "Hi")])).startswith("I see 2 audios and 2 pdfs.")
        assert refusal(chat(host, [part("image_url", {"url": URL})]))[0] == 400


def test_the_openai_form_calls_nested_tools(host: StrictHost) -> None:
    answer = choice(chat(host, "Use add with 3 and 4", tools=[openai_tool(ADD), openai_tool(WEATHER)]))
    named = {"type": "function", "function": {"name": "get_weather"}}
    forced = [
        choice(chat(host, tools=[openai_tool(WEATHER)], tool_choice=tool_choice)) for tool_choice in ("required", named)
    ]
    kept = chat(host, "Use add with 3 and 4", tools=[openai_tool(ADD)], tool_choice="none")

    (call,) = answer["message"]["tool_calls"]
    assert (set(call), call["type"], answer["finish_reason"]) == ({"id", "type", "function"}, "function", "tool_calls")
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("add", {"a": 3, "b": 4})
    assert [one["message"]["tool_calls"][0]["function"]["name"] for one in forced] == ["get_weather"] * 2
    assert "tool_calls" not in choice(kept)["message"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tools": [ADD]}, "tools"),
        ({"tools": [openai_tool(ADD | {"parameters": {"type": "object", "properties": []}})]}, "tools"),
        ({"tools": [ADD | {"type": "function"}]}, "tools"),
        ({"tools": []}, "tools"),
        ({"tools": [openai_tool(ADD)], "tool_choice": "tool"}, "tool_choice"),
        ({"tools": [openai_tool(ADD)], "tool_choice": {"name": "add"}}, "tool_choice"),
        (
            {"tools": [openai_tool(ADD)], "tool_choice": {"type": "function", "function": {"name": "sub"}}},
            "tool_choice",
        ),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"usage": True}}, "stream_options"),
        ({"model": "reka-flash-3", "tools": [openai_tool(ADD)]}, "tools"),
        ({"model": RESEARCHER, "tools": [openai_tool(ADD)]}, "tools"),
        ({"model": "qwen3.8-27b", "response_format": SCHEMA}, "response_format"),
        ({"model": "reka-flash-3", "response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_the_openai_form_refuses_what_it_or_the_model_has_not(
    host: StrictHost, fields: dict[str, Any], field: str
) -> None:
    assert refusal(chat(host, **fields)) == (400, "validation_error", field)


@pytest.mark.parametrize("model", ["reka-flash-3", EDGE, REASONER, "deepseek-v4-pro", "glm5.3", "glm5.3-flash"])
def test_an_answer_follows_a_schema(host: StrictHost, model: str) -> None:
    assert json.loads(text(chat(host, "There are 12 people.", model=model, response_format=SCHEMA))) == {"n": 12}


def test_a_reasoning_model_gives_its_thoughts_and_counts_them(host: StrictHost) -> None:
    answer = chat(host, "count to 3", model=REASONER)
    short = chat(host, "count to 3", model=REASONER, max_tokens=2)
    quick = chat(host, "count to 3", model=REASONER, reasoning_effort="none")

    usage = answer.json()["usage"]
    thoughts = len(choice(answer)["message"]["reasoning_content"].split())
    assert usage["reasoning_tokens"] == usage["completion_tokens_details"]["reasoning_tokens"] == thoughts
    assert (text(answer), usage["completion_tokens"]) == ("1 2 3", thoughts + 3)
    assert (text(short), choice(short)["finish_reason"], short.json()["usage"]["completion_tokens"]) == (
        "",
        "length",
        2,
    )
    assert "reasoning_content" not in choice(quick)["message"]


def test_the_openai_form_streams_new_text_and_usage_only_where_the_request_asks_for_it(host: StrictHost) -> None:
    plain = completion_chunks(chat(host, "count to 3", model=REASONER, stream=True))
    options = {"include_usage": True}
    with_usage = completion_chunks(chat(host, "count to 3", model=REASONER, stream=True, stream_options=options))

    assert plain[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [delta["content"] for delta in deltas(plain) if delta.get("content")] == ["1 ", "2 ", "3"]
    thoughts = "".join(delta.get("reasoning_content", "") for delta in deltas(plain))
    assert thoughts == choice(chat(host, "count to 3", model=REASONER))["message"]["reasoning_content"]
    assert plain[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any("usage" in chunk for chunk in plain)
    assert with_usage[-1]["choices"] == []
    assert with_usage[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert not any("usage" in chunk for chunk in with_usage[:-1])


def test_the_openai_form_streams_tool_calls_in_pieces_with_an_index(host: StrictHost) -> None:
    question = "get_weather for 'Paris' and 'Rome' in parallel"

    events = completion_chunks(chat(host, question, tools=[openai_tool(WEATHER)], stream=True))

    pieces = [piece for delta in deltas(events) for piece in delta.get("tool_calls", ())]
    assert {piece["index"] for piece in pieces} == {0, 1}
    assert len(pieces) > 4
    assert [json.loads(call["arguments"]) for call in merge_tool_calls(events)] == [{"city": "Paris"}, {"city": "Rome"}]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_the_openai_form_lists_models_in_full(host: StrictHost) -> None:
    document = ask(host, "GET", "/v1/models").json()

    models = {model["id"]: model for model in document["data"]}
    assert document["object"] == "list"
    assert next(iter(models)) == "reka-flash-3"
    assert FLASH not in models
    edge = models[EDGE]
    assert (edge["context_length"], edge["max_output_length"]) == (16_384, 14_745)
    assert edge["input_modalities"] == ["text", "image", "video"]
    assert set(edge["pricing"]) == {"prompt", "completion", "input_cache_read"}
    assert all(float(price) < 0.001 for price in edge["pricing"].values())
    assert "tools" in edge["supported_features"]
    assert "tools" not in models["reka-flash-3"]["supported_features"]
    assert {"temperature", "top_k", "seed"} <= set(edge["supported_sampling_parameters"])


def test_the_openai_form_has_no_documented_endpoints_and_models_there_only_if_it_is_set() -> None:
    with StrictOpenAI() as host, StrictOpenAI(endpoints=[CHAT, MODELS, BARE_MODELS]) as with_models:
        for method, path in [("POST", "/chat"), ("GET", "/datasets"), ("POST", "/datasets"), ("GET", "/models")]:
            assert refusal(ask(host, method, path)) == (404, "not_found_error", None)
        assert ask(with_models, "GET", "/models").json() == ask(with_models, "GET", "/v1/models").json()

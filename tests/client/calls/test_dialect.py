"""Which endpoint a request goes to, and what happens where a server has only one of them."""

from typing import Any

import pytest

import reka
from reka._wire.dialect import Dialect, dialect
from reka.testing import FakeReka, says
from reka.testing.bodies import completion, texts
from reka.types import Api
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL

V0, V1, ROOT = "POST /chat", "POST /v1/chat/completions", "GET /"
TURN = {"type": "model", "text": "Hello"}
IMAGE = {"type": "image_url", "image_url": "https://x.example/a.png"}
BOTH = {"name": "reka", "version": "1", "features": ["v1_retrieval", "retrieval_top_k"]}
CALLED = [
    *HI,
    {"role": "assistant", "tool_calls": [{"id": "t-1", "name": "weather", "arguments": "{}"}]},
    {"role": "tool", "tool_call_id": "t-1", "content": "4 °C"},
]

NEED_V1 = [
    pytest.param({"tools": [TOOL]}, "tools", id="tools"),
    pytest.param({"response_format": {"type": "json_schema"}}, "response_format", id="structured-output"),
    pytest.param({"research": {"web_search": {"enabled": True}}}, "research", id="research"),
    pytest.param({"extra_request_args": {"research": {"web_search": {}}}}, "research", id="extra"),
    pytest.param({"messages": CALLED}, "tool calls", id="tool-calls"),
    pytest.param({"messages": [{"role": "user", "content": [IMAGE, IMAGE]}]}, "several media", id="several-media"),
    pytest.param(
        {"messages": [*HI, {"role": "assistant", "content": "?"}, {"role": "user", "content": [IMAGE]}]},
        "media after the first turn",
        id="late-media",
    ),
]


@pytest.mark.parametrize(
    ("api", "preferred", "needs", "features", "chosen"),
    [
        ("auto", "v0", [], [], "v0"),
        ("auto", "v1", [], [], "v1"),
        ("auto", "v0", ["tools"], [], "v1"),
        ("auto", "v1", ["retrieval_dataset"], [], "v0"),
        ("auto", "v1", ["length_penalty"], [], "v0"),
        ("auto", "v1", ["retrieval_dataset"], ["v1_retrieval"], "v1"),
        ("auto", "v0", ["retrieval_dataset"], ["v1_retrieval"], "v0"),
        ("auto", "v0", ["retrieval_dataset", "tools"], ["v1_retrieval"], "v1"),
        ("v0", "v1", [], [], "v0"),
        ("v0", "v1", ["retrieval_dataset"], [], "v0"),
        ("v1", "v0", [], [], "v1"),
        ("v1", "v0", ["tools"], [], "v1"),
        ("v1", "v0", ["retrieval_dataset"], ["v1_retrieval"], "v1"),
    ],
)
def test_the_generation_is_chosen_by_what_is_set_what_is_needed_and_what_is_preferred(
    api: Api, preferred: Dialect, needs: list[str], features: list[str], chosen: Dialect
) -> None:
    assert dialect(api, preferred, needs, frozenset(features)) == chosen


@pytest.mark.parametrize(
    ("api", "needs", "features", "message"),
    [
        ("v0", ["tools", "research"], [], 'research, tools: not on the documented endpoint; leave out api="v0"'),
        ("v0", ["tools"], ["v1_retrieval"], "tools: not on the documented endpoint"),
        ("v1", ["retrieval_dataset"], [], "retrieval_dataset: not on this server's v1 endpoint"),
        (
            "auto",
            ["retrieval_dataset", "tools"],
            [],
            "tools and retrieval_dataset: this server takes them at different",
        ),
    ],
)
def test_features_that_clash_are_named(api: Api, needs: list[str], features: list[str], message: str) -> None:
    with pytest.raises(reka.UnsupportedRequestError) as caught:
        dialect(api, "v0", needs, frozenset(features))

    assert message in str(caught.value)


def test_chat_goes_to_the_documented_endpoint_and_messages_to_the_completions(
    client: reka.Reka, fake: FakeReka
) -> None:
    fake.will_answer(200, TURN)
    fake.will_answer(200, completion(content="Hello"))
    fake.will_stream(texts("Hello"))
    fake.will_stream(texts("Hello"))

    client.chat("Hi", "https://x.example/a.png", temperature=0.5)
    client.complete(HI)
    list(client.stream("Hi"))
    list(client.stream_messages(HI))

    assert fake.paths == [V0, V1, V1, V1]


@pytest.mark.parametrize(("api", "paths"), [("v0", [V0, V0, V0, V0]), ("v1", [V1, V1, V1, V1])], ids=["v0", "v1"])
def test_the_caller_may_set_the_generation(connect: Connect, fake: FakeReka, api: str, paths: list[str]) -> None:
    fake.otherwise = says("Hello")

    with connect(KEY, fake.url, api=api) as client:
        assert client.chat("Hi")["text"] == "Hello"
        assert client.complete(HI, temperature=0.5).text == "Hello"
        assert "".join(event.text for event in client.stream("Hi")) == "Hello"
        list(client.stream_messages(HI))

    assert fake.paths == paths
    assert ("temperature" in fake.requests[1].json) is True


def test_the_documented_endpoint_gets_messages_as_turns_and_options_under_its_names(
    connect: Connect, fake: FakeReka
) -> None:
    fake.will_answer(200, TURN)

    with connect(KEY, fake.url, api="v0") as client:
        client.complete(
            [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [IMAGE, {"type": "text", "text": "What?"}]},
                {"role": "assistant", "content": "A cat."},
                {"role": "user", "content": "Sure?"},
            ],
            max_tokens=9,
            seed=7,
            top_k=5,
            top_p=0.9,
            stop="END",
        )

    assert fake.requests[0].json == {
        "conversation_history": [
            {"type": "human", "text": "Be brief.\n\nWhat?", "media_url": "https://x.example/a.png"},
            {"type": "model", "text": "A cat."},
            {"type": "human", "text": "Sure?"},
        ],
        "model_name": "reka-flash",
        "stop_words": ["END"],
        "request_output_len": 9,
        "random_seed": 7,
        "runtime_top_k": 5,
        "runtime_top_p": 0.9,
    }


@pytest.mark.parametrize("api", ["V0", "", None, 1])
def test_any_other_generation_is_refused(connect: Connect, api: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=r"api: got .*want one of 'auto', 'v0', 'v1'"):
        connect(KEY, api=api)


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_server_without_the_documented_endpoint_is_asked_at_the_other_and_that_is_remembered(
    client: reka.Reka, fake: FakeReka, status: int
) -> None:
    fake.will_answer(status, {"detail": "Not Found"})
    fake.will_answer(200, completion(content="Hello"))
    fake.will_answer(200, completion(content="again"))

    assert client.chat("Hi")["text"] == "Hello"
    assert client.chat("Hi")["text"] == "again"
    assert fake.paths == [V0, V1, V1]


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_stream_at_a_server_without_completions_comes_from_the_documented_endpoint(
    client: reka.Reka, fake: FakeReka, status: int
) -> None:
    fake.will_answer(status, {"detail": "Not Found"})
    fake.will_answer(200, TURN)
    fake.will_answer(200, TURN)

    assert [event.text for event in client.stream("Hi")] == ["Hello"]
    assert [event.text for event in client.stream("Hi")] == ["Hello"]
    assert fake.paths == [V1, V0, V0]


def test_what_was_learned_is_shared_with_clients_of_other_limits_and_not_with_other_clients(
    connect: Connect, fake: FakeReka
) -> None:
    fake.will_answer(404)
    fake.will_answer(200, completion(content="Hello"))
    fake.will_answer(200, completion(content="Hello"))
    fake.will_answer(200, TURN)

    with connect(KEY, fake.url) as client, connect(KEY, fake.url) as other:
        client.chat("Hi")
        client.with_options(timeout=5).chat("Hi")
        other.chat("Hi")

    assert fake.paths == [V0, V1, V1, V0]


def test_if_both_endpoints_are_missing_the_first_ones_error_counts_and_nothing_is_remembered(
    client: reka.Reka, fake: FakeReka
) -> None:
    fake.will_answer(404, {"detail": "first"})
    fake.will_answer(404, {"detail": "second"})
    fake.will_answer(200, TURN)

    with pytest.raises(reka.NotFoundError, match="first"):
        client.chat("Hi")
    client.chat("Hi")

    assert fake.paths == [V0, V1, V0]


def test_if_the_other_endpoint_refuses_its_error_counts_and_nothing_is_remembered(
    client: reka.Reka, fake: FakeReka
) -> None:
    fake.will_answer(404, {"detail": "first"})
    fake.will_answer(403, {"detail": "second"})
    fake.will_answer(200, TURN)

    with pytest.raises(reka.PermissionDeniedError, match="second"):
        client.chat("Hi")
    client.chat("Hi")

    assert fake.paths == [V0, V1, V0]


@pytest.mark.parametrize(
    ("arguments", "api", "error", "paths"),
    [
        ({"retrieval_dataset": "alice"}, "auto", reka.RetrievalError, [V0, "GET /datasets"]),
        ({"length_penalty": 1.0}, "auto", reka.NotFoundError, [V0]),
        ({}, "v0", reka.NotFoundError, [V0]),
        ({}, "v1", reka.NotFoundError, [V1]),
    ],
)
def test_there_is_no_falling_back_where_the_other_endpoint_would_not_do(
    connect: Connect,
    fake: FakeReka,
    arguments: dict[str, Any],
    api: str,
    error: type[Exception],
    paths: list[str],
) -> None:
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(200, [])

    with connect(KEY, fake.url, api=api) as client, pytest.raises(error):
        client.chat("Hi", **arguments)

    assert fake.paths == paths


@pytest.mark.parametrize(("arguments", "named"), NEED_V1)
def test_what_the_documented_endpoint_cannot_do_is_named_and_nothing_is_sent(
    fake: FakeReka, arguments: dict[str, Any], named: str
) -> None:
    with (
        reka.Reka(KEY, fake.url, api="v0") as client,
        pytest.raises(reka.UnsupportedRequestError, match=f"^{named}.*not on the documented endpoint"),
    ):
        client.complete(**_asking(arguments))

    assert fake.requests == []


@pytest.mark.parametrize(("arguments", "named"), NEED_V1)
def test_features_of_both_generations_clash_before_the_question_is_sent(
    sync_client: reka.Reka, fake: FakeReka, arguments: dict[str, Any], named: str
) -> None:
    fake.will_answer(404)
    extra = {**arguments.get("extra_request_args", {}), "retrieval_dataset": "alice"}

    with pytest.raises(reka.UnsupportedRequestError, match=f"{named}.* and retrieval_dataset: "):
        sync_client.complete(**_asking(arguments, extra_request_args=extra))

    assert fake.paths == [ROOT]


@pytest.mark.parametrize("method", ["complete", "stream_messages"])
def test_features_clash_by_every_method_before_the_question_is_sent(
    client: reka.Reka, fake: FakeReka, method: str
) -> None:
    fake.will_answer(404)

    with pytest.raises(reka.UnsupportedRequestError, match=r"tools.* and length_penalty: "):
        list(getattr(client, method)(HI, tools=[TOOL], extra_request_args={"length_penalty": 1.0}))

    assert fake.paths == [ROOT]


@pytest.mark.parametrize(("arguments", "named"), NEED_V1)
def test_a_server_that_can_do_both_is_sent_both_at_the_completions_endpoint(
    sync_client: reka.Reka, fake: FakeReka, arguments: dict[str, Any], named: str
) -> None:
    fake.will_answer(200, BOTH)
    fake.will_answer(200, completion(content="Hello", retrieved_chunks=[{"text": "t"}]))
    extra = {**arguments.get("extra_request_args", {}), "retrieval_dataset": "alice"}

    answer = sync_client.complete(**_asking(arguments, extra_request_args=extra))

    assert fake.paths == [ROOT, V1], named
    assert fake.requests[1].json["retrieval_dataset"] == "alice"
    assert answer.retrieved_chunks == [{"text": "t"}]


def test_a_server_that_can_do_both_streams_from_a_dataset_and_is_asked_once_what_it_can_do(
    client: reka.Reka, fake: FakeReka
) -> None:
    fake.will_answer(200, BOTH)
    for _ in range(2):
        fake.will_stream(texts("Hel", "lo"))

    for _ in range(2):
        assert [event.text for event in client.stream("Hi", retrieval_dataset="alice")] == ["Hel", "lo", ""]

    assert fake.paths == [ROOT, V1, V1]


@pytest.mark.parametrize(
    "root",
    [
        pytest.param((404, {"detail": "Not Found"}), id="missing"),
        pytest.param((401, b""), id="closed"),
        pytest.param((200, b"<html>Welcome</html>"), id="html"),
        pytest.param((200, {"features": "all"}), id="another-shape"),
        pytest.param((200, {}), id="no-features"),
    ],
)
def test_a_server_that_does_not_say_what_it_can_do_can_do_what_is_documented(
    client: reka.Reka, fake: FakeReka, root: tuple[int, Any]
) -> None:
    fake.will_answer(*root)
    fake.will_answer(200, TURN)

    assert [event.text for event in client.stream("Hi", retrieval_dataset="alice")] == ["Hello"]
    assert fake.paths == [ROOT, V0]


def test_a_server_too_busy_to_say_what_it_can_do_is_asked_again_the_next_time(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(503)
    fake.will_answer(200, TURN)
    fake.will_answer(200, BOTH)
    fake.will_stream(texts("Hello"))

    with connect(KEY, fake.url, max_retries=0) as client:
        for _ in range(2):
            list(client.stream("Hi", retrieval_dataset="alice"))

    assert fake.paths == [ROOT, V0, ROOT, V1]


def test_a_documented_chat_asks_nobody_what_the_server_can_do(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, TURN | {"retrieved_chunks": []})

    client.chat("Hi", retrieval_dataset="alice", length_penalty=1.0)

    assert fake.paths == [V0]


def _asking(arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Arguments of `complete`, with messages if they name none."""
    return {"messages": HI, **arguments, **more}

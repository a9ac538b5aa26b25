"""The chat model's parameters, errors and life."""

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import Field, SecretStr, ValidationError

import reka
from langchain_reka import ChatReka
from tests.support.fake_reka import FakeReka, answer

from .conftest import KEY, MakeModel

IMAGE = {"type": "image", "url": "https://example.com/cat.png"}
TOOL = {"name": "look", "description": "", "parameters": {"type": "object", "properties": {}}}


def said(text: str = "ok", **more: Any) -> dict[str, Any]:
    """An answer of v1."""
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], **more}


@pytest.fixture
def answers_ok(fake: FakeReka) -> FakeReka:
    """The scripted server, which answers "ok" to everything on both generations of the API."""
    fake.otherwise = answer(200, {"type": "model", "text": "ok", **said()})
    return fake


def test_a_prompt_a_model_and_a_parser_make_a_chain(answers_ok: FakeReka, make_model: MakeModel) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Translate to {language}."), ("human", "{text}")])
    chain = prompt | make_model() | StrOutputParser()

    assert chain.invoke({"language": "French", "text": "Hello"}) == "ok"
    (request,) = answers_ok.requests
    assert request.json["messages"] == [{"role": "user", "content": "Translate to French.\n\nHello"}]
    assert request.headers["x-api-key"] == KEY


VALUES: dict[str, Any] = {
    "model": "reka-core",
    "temperature": 0.0,
    "max_tokens": 10,
    "top_p": 0.5,
    "top_k": 3,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "stop": ["END"],
    "seed": 7,
    "length_penalty": 0.9,
    "retrieval_dataset": "manual",
}
ON_V0 = {
    **{name: name for name in VALUES},
    "model": "model_name",
    "max_tokens": "request_output_len",
    "top_p": "runtime_top_p",
    "top_k": "runtime_top_k",
    "stop": "stop_words",
    "seed": "random_seed",
}
ON_V1 = {name: name for name in VALUES if name not in ("length_penalty", "retrieval_dataset")}


@pytest.mark.parametrize(
    ("api", "name", "field"),
    [("v0", name, field) for name, field in ON_V0.items()] + [("v1", name, field) for name, field in ON_V1.items()],
)
@pytest.mark.parametrize("how", ["constructor", "call", "bind"])
def test_a_parameter_is_sent_under_the_name_that_the_api_has_for_it(
    answers_ok: FakeReka, make_model: MakeModel, how: str, api: str, name: str, field: str
) -> None:
    given = {name: VALUES[name]}

    if how == "constructor":
        make_model(api=api, **given).invoke("Hi")
    elif how == "call":
        make_model(api=api).invoke("Hi", **given)
    else:
        make_model(api=api).bind(**given).invoke("Hi")

    assert answers_ok.requests[-1].json[field] == VALUES[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("research", {"web_search": {"enabled": True}}),
        ("response_format", {"type": "json_object"}),
        ("tools", [TOOL]),
    ],
)
def test_a_call_takes_what_only_calls_have(answers_ok: FakeReka, make_model: MakeModel, name: str, value: Any) -> None:
    make_model().invoke("Hi", **{name: value})

    assert answers_ok.requests[0].json[name] == value


def test_what_is_not_set_is_left_to_the_server(answers_ok: FakeReka, make_model: MakeModel) -> None:
    make_model().invoke("Hi")

    assert answers_ok.requests[0].json == {"messages": [{"role": "user", "content": "Hi"}], "model": "reka-flash"}


def test_model_kwargs_reach_the_request_as_they_are(answers_ok: FakeReka, make_model: MakeModel) -> None:
    make_model(model_kwargs={"min_p": 0.1}).invoke("Hi")

    assert answers_ok.requests[0].json["min_p"] == 0.1


def test_a_call_goes_before_the_constructor(answers_ok: FakeReka, make_model: MakeModel) -> None:
    message = make_model(model="reka-flash", stop=["A"]).invoke("Hi", model="reka-core", stop=["B"])

    assert (answers_ok.requests[0].json["model"], answers_ok.requests[0].json["stop"]) == ("reka-core", ["B"])
    assert message.response_metadata["model_name"] == "reka-core"


def test_the_names_of_the_community_class_are_taken() -> None:
    model = ChatReka(
        model="reka-core",
        max_tokens=256,
        temperature=0.5,
        streaming=False,
        default_request_timeout=5,
        max_retries=2,
        reka_api_key=KEY,
        model_kwargs={"top_p": 0.5},
        token_counter=len,
        client=None,
        async_client=None,
    )

    assert (model.model, model.timeout, model.max_retries) == ("reka-core", 5, 2)
    assert model.api_key == SecretStr(KEY)
    assert model.get_num_tokens("four") == 4


@pytest.mark.parametrize(
    "model",
    [ChatReka("reka-edge"), ChatReka("reka:reka-edge"), ChatReka(model_name="reka-edge"), ChatReka(model="reka-edge")],
)
def test_a_model_is_made_from_a_string(model: ChatReka) -> None:
    assert model.model == "reka-edge"


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [("temprature", "temperature"), ("reka_key", "reka_api_key"), ("modl", "model"), ("maxtokens", "max_tokens")],
)
def test_an_unknown_argument_is_refused_with_the_nearest_that_is_known(
    answers_ok: FakeReka, make_model: MakeModel, unknown: str, nearest: str
) -> None:
    with pytest.raises(
        ValidationError, match=f"{unknown}: ChatReka has no such argument; did you mean {nearest}"
    ) as made:
        make_model(**{unknown: KEY})

    assert KEY not in str(made.value)


def test_a_subclass_may_have_fields_of_its_own_under_another_name() -> None:
    class Moody(ChatReka):
        mood: str = Field(default="", alias="humour")

    mistyped: dict[str, Any] = {"humor": "dry"}

    assert Moody(humour="dry").mood == "dry"
    with pytest.raises(ValidationError, match="humor: Moody has no such argument; did you mean humour"):
        Moody(**mistyped)


def test_an_unknown_parameter_of_a_call_is_refused(answers_ok: FakeReka, make_model: MakeModel) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="temprature: not a parameter of a call; did you mean temperat"):
        make_model().invoke("Hi", temprature=1)
    assert answers_ok.requests == []


def test_a_key_given_as_something_else_does_not_show_in_the_error() -> None:
    with pytest.raises(ValidationError, match="timeout") as caught:
        ChatReka(timeout=KEY)
    assert KEY not in str(caught.value)


def test_without_a_key_the_error_tells_how_to_set_one(fake: FakeReka) -> None:
    with pytest.raises(reka.AuthError, match="REKA_API_KEY"):
        ChatReka(base_url=fake.url).invoke("Hi")
    assert fake.requests == []


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_a_message_that_cannot_be_sent_is_not_sent(fake: FakeReka, make_model: MakeModel, call: str) -> None:
    with pytest.raises(reka.InvalidConversationError, match="message 1, block 0: got type 'hologram'"):
        ask(make_model(), call, [HumanMessage("Hi"), AIMessage([{"type": "hologram"}])])
    assert fake.requests == []


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        pytest.param([HumanMessage([IMAGE, IMAGE])], "message 0: image_url block", id="two media"),
        pytest.param(
            [HumanMessage("a"), AIMessage("b"), HumanMessage([IMAGE])], "message 2: image_url block", id="later media"
        ),
        pytest.param(
            [
                HumanMessage("a"),
                AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]),
                ToolMessage("3", tool_call_id="1"),
            ],
            "message 1: tool_call block",
            id="a tool call",
        ),
    ],
)
def test_what_the_documented_api_cannot_take_is_named_before_anything_is_sent(
    fake: FakeReka, make_model: MakeModel, messages: list[Any], place: str
) -> None:
    with pytest.raises(reka.UnsupportedRequestError, match=place):
        make_model(api="v0").invoke(messages)
    assert fake.requests == []


def test_media_on_a_model_that_takes_none_is_named_before_anything_is_sent(
    answers_ok: FakeReka, make_model: MakeModel
) -> None:
    question = [HumanMessage("Look:"), HumanMessage([IMAGE])]

    with pytest.raises(
        reka.UnsupportedRequestError, match="message 1: got a block of type 'image_url', which reka-flash-3 does not"
    ):
        make_model(model="reka-flash-3").invoke(question)
    with pytest.raises(reka.UnsupportedRequestError, match="reka-flash-research"):
        make_model().invoke(question, model="reka-flash-research")
    assert answers_ok.requests == []

    make_model(model="reka-flash-3", profile={"image_inputs": True}).invoke(question)
    make_model(model="a-model-nobody-knows").invoke(question)
    assert len(answers_ok.requests) == 2


def test_a_tool_whose_schema_is_no_object_is_refused(fake: FakeReka, make_model: MakeModel) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "array"}}}

    with pytest.raises(
        reka.InvalidArgumentError, match="a schema of type 'array' for 'add', want one of type 'object'"
    ):
        make_model().bind_tools([tool]).invoke("Hi")
    assert fake.requests == []


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_a_dataset_that_is_not_there_is_an_error_with_the_commands_that_prepare_it(
    fake: FakeReka, make_model: MakeModel, call: str
) -> None:
    fake.otherwise = answer(404, {"detail": "There is no dataset 'manual'."})

    with pytest.raises(
        reka.RetrievalError, match=r"no dataset 'manual'.*`reka retrieval prepare manual --wait`"
    ) as caught:
        ask(make_model(retrieval_dataset="manual"), call, "Hi")
    assert caught.value.status_code == 404


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_an_error_of_the_server_arrives_with_its_class_and_status(
    fake: FakeReka, make_model: MakeModel, call: str
) -> None:
    fake.will_answer(401, {"detail": "wrong key"})

    with pytest.raises(reka.AuthError, match="wrong key") as caught:
        ask(make_model(), call, "Hi")
    assert (caught.value.status_code, len(fake.requests)) == (401, 1)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("max_retries", "calls"), [(0, 1), (1, 2)])
@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_max_retries_is_how_often_a_failed_call_is_sent_again(
    fake: FakeReka, make_model: MakeModel, call: str, max_retries: int, calls: int
) -> None:
    for _ in range(2):
        fake.will_answer(503, {"detail": "busy"}, {"Retry-After": "0"})

    with pytest.raises(reka.ServerError):
        ask(make_model(max_retries=max_retries), call, "Hi")
    assert len(fake.requests) == calls


def test_a_call_may_have_a_timeout_of_its_own(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_misbehave(lambda handler: handler.connection.recv(1) and None)

    with pytest.raises(reka.APITimeoutError):
        make_model(max_retries=0).invoke("Hi", timeout=0.05)


def test_a_server_without_v1_is_asked_at_the_documented_endpoint(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(200, {"type": "model", "text": "ok", "usage": {"input_tokens": 1, "output_tokens": 2}})

    message = make_model().invoke("Hi")

    assert fake.paths == ["POST /v1/chat/completions", "POST /chat"]
    assert message.usage_metadata == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_an_answer_from_a_dataset_carries_what_was_retrieved(fake: FakeReka, make_model: MakeModel, call: str) -> None:
    chunks = [{"text": "Hold it.", "source": "reset.txt", "score": 1.0}]
    fake.will_answer(404)  # GET /: a server that does not say what it can do
    fake.will_answer(200, {"type": "model", "text": "Hold the button.", "retrieved_chunks": chunks})

    message = ask(make_model(), call, "How do I reset it?", retrieval_dataset="manual")

    assert message.text == "Hold the button."
    assert message.response_metadata["retrieved_chunks"] == chunks
    assert fake.paths[-1] == "POST /chat"


def test_tools_on_a_dataset_fail_by_a_message_that_names_both(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_answer(404)  # GET /

    with pytest.raises(reka.UnsupportedRequestError, match="tools and retrieval_dataset"):
        make_model(retrieval_dataset="manual").bind_tools([TOOL]).invoke("Hi")


@pytest.mark.parametrize("call", ["stream", "astream"])
def test_a_stream_that_is_left_ends_its_connection(fake: FakeReka, make_model: MakeModel, call: str) -> None:
    gone = fake.will_stream(b'data: {"choices": [{"delta": {"content": "one "}}]}\n\n', ends=False)
    model = make_model()

    async def take_one() -> str:
        stream = model.astream("Hi")
        try:
            return str((await anext(stream)).text)
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # LangChain's generator is typed as an iterator

    if call == "stream":
        stream = model.stream("Hi")
        first = str(next(stream).text)
        stream.close()  # type: ignore[attr-defined]  # as above
    else:
        first = asyncio.run(take_one())

    assert first == "one "
    assert gone.wait(10)


@pytest.mark.parametrize("call", ["stream", "astream"])
def test_new_text_comes_as_it_is_written(fake: FakeReka, make_model: MakeModel, call: str) -> None:
    seen = threading.Event()
    fake.will_stream(
        b'data: {"choices": [{"delta": {"content": "one "}}]}\n\n',
        seen,
        b'data: {"choices": [{"delta": {"content": "two"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
    )
    texts: list[str] = []

    def take(text: str) -> None:
        texts.append(text)
        seen.set()  # the server waits for this, so a stream that waits for its end would never end

    async def take_all() -> None:
        async for chunk in make_model().astream("Hi"):
            take(chunk.text)

    if call == "stream":
        for chunk in make_model().stream("Hi"):
            take(chunk.text)
    else:
        asyncio.run(take_all())

    assert texts == ["one ", "two", ""]


def test_token_counts_may_be_left_out_of_streams(fake: FakeReka, make_model: MakeModel) -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
    for _ in range(3):
        fake.will_stream(b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}\n\n', usage)

    told = [
        [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata is not None]
        for chunks in (
            make_model().stream("Hi"),
            make_model(stream_usage=False).stream("Hi"),
            make_model().stream("Hi", stream_usage=False),
        )
    ]

    assert told == [[{"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}], [], []]


# Life: text forms, copies, pickles, threads, event loops.


def test_the_key_shows_in_no_text_form_and_survives_a_pickle(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model(temperature=0.5)
    model.invoke("Hi")

    texts = [repr(model), str(model), dumps(model), model.model_dump_json(), str(model.asdict())]
    copied: ChatReka = pickle.loads(pickle.dumps(model))
    copied.invoke("Hi")
    copied.close()

    assert [text for text in texts if KEY in text] == []
    assert [request.headers["x-api-key"] for request in answers_ok.requests] == [KEY, KEY]
    assert copied == model


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_dumped_model_is_loaded_with_the_key_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel
) -> None:
    model = make_model(temperature=0.5, stop=["END"], model="reka-core", api="v1", timeout=reka.Timeout(connect=1))
    monkeypatch.setenv("REKA_API_KEY", KEY)

    loaded = loads(dumps(model), allowed_objects=[ChatReka], valid_namespaces=["langchain_reka"], secrets_from_env=True)

    assert loaded == model


def test_a_copy_with_another_key_sends_that_key(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()
    model.invoke("Hi")
    other = model.model_copy(update={"api_key": SecretStr("another-key")})
    deep, shallow = copy.deepcopy(model), copy.copy(model)

    for each in (other, model, deep, shallow):
        each.invoke("Hi")
    deep.close()

    keys = [request.headers["x-api-key"] for request in answers_ok.requests]
    assert keys == [KEY, "another-key", KEY, KEY, KEY]


def test_one_model_serves_many_threads_and_many_event_loops(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()

    async def one_after_the_other(number: int) -> list[str]:
        try:
            return [(await model.ainvoke(f"{number}.{each}")).text for each in range(3)]
        finally:
            await model.aclose()

    def in_a_loop_of_its_own(number: int) -> list[str]:
        return [model.invoke(str(number)).text, *asyncio.run(one_after_the_other(number))]

    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(in_a_loop_of_its_own, range(16)))

    assert texts == [["ok"] * 4] * 16
    asked = sorted(request.json["messages"][0]["content"] for request in answers_ok.requests)
    assert asked == sorted(f"{number}{each}" for number in range(16) for each in ("", ".0", ".1", ".2"))


def test_calls_share_one_connection(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()

    for _ in range(5):
        model.bind(temperature=0).invoke("Hi")

    assert answers_ok.connections == 1


def test_a_closed_model_opens_again_when_it_is_called(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()
    first = model.invoke("Hi").text
    model.close()

    assert answers_ok.all_connections_closed()
    assert (first, model.invoke("Hi").text) == ("ok", "ok")


async def test_aclose_ends_the_connections_of_the_running_loop(answers_ok: FakeReka, make_model: MakeModel) -> None:
    model = make_model()
    await model.ainvoke("Hi")

    await model.aclose()

    assert await asyncio.to_thread(answers_ok.all_connections_closed)


def ask(model: ChatReka, call: str, question: Any, **parameters: Any) -> AIMessage:
    """Call a model in one of its four ways; the chunks of a stream are added up."""

    async def streamed() -> AIMessage:
        chunks = [chunk async for chunk in model.astream(question, **parameters)]
        return chunks[0] + chunks[1:]

    ways: dict[str, Callable[[], AIMessage]] = {
        "invoke": lambda: model.invoke(question, **parameters),
        "ainvoke": lambda: asyncio.run(model.ainvoke(question, **parameters)),
        "stream": lambda: (lambda chunks: chunks[0] + chunks[1:])(list(model.stream(question, **parameters))),
        "astream": lambda: asyncio.run(streamed()),
    }
    return ways[call]()

"""The chat model's answers, streams and errors."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

import reka
from langchain_reka import ChatReka
from reka.testing import FakeReka, answer, by_request
from tests.support.clients import KEY

from .langchain_support import IMAGE, TOOL, MakeModel, ask


def test_a_prompt_a_model_and_a_parser_make_a_chain(answers_ok: FakeReka, make_model: MakeModel) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Translate to {language}."), ("human", "{text}")])
    chain = prompt | make_model() | StrOutputParser()

    assert chain.invoke({"language": "French", "text": "Hello"}) == "ok"
    (request,) = answers_ok.requests
    assert request.json["messages"] == [
        {"role": "system", "content": "Translate to French."},
        {"role": "user", "content": "Hello"},
    ]
    assert request.headers["x-api-key"] == KEY


def test_without_a_key_the_error_tells_how_to_set_one(fake: FakeReka) -> None:
    with pytest.raises(reka.AuthError, match="REKA_API_KEY"):
        ChatReka(base_url=fake.url).invoke("Hi")
    assert fake.requests == []


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_a_message_that_cannot_be_sent_is_not_sent(fake: FakeReka, make_model: MakeModel, call: str) -> None:
    with pytest.raises(reka.InvalidConversationError, match="message 1, block 0: got type 'hologram'"):
        ask(make_model(), call, [HumanMessage("Hi"), HumanMessage([{"type": "hologram"}])])
    assert fake.requests == []


@pytest.mark.parametrize(
    ("messages", "feature"),
    [
        pytest.param([HumanMessage([IMAGE, IMAGE])], "several media: not on the documented endpoint", id="two media"),
        pytest.param(
            [HumanMessage("a"), AIMessage("b"), HumanMessage([IMAGE])], "media after the first turn", id="later media"
        ),
        pytest.param(
            [
                HumanMessage("a"),
                AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]),
                ToolMessage("3", tool_call_id="1"),
            ],
            "tool calls: not on",
            id="a tool call",
        ),
    ],
)
def test_what_the_documented_api_cannot_take_is_named_before_anything_is_sent(
    fake: FakeReka, make_model: MakeModel, messages: list[Any], feature: str
) -> None:
    with pytest.raises(reka.UnsupportedRequestError, match=feature):
        make_model(api="v0").invoke(messages)
    assert fake.requests == []


def test_media_on_a_model_that_takes_none_is_named_before_anything_is_sent(
    answers_ok: FakeReka, make_model: MakeModel
) -> None:
    question = [HumanMessage("Look:"), HumanMessage([IMAGE])]

    with pytest.raises(
        reka.UnsupportedRequestError, match="message 1: got 'image_url', which reka-flash-3 does not take"
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

    with pytest.raises(reka.InvalidArgumentError, match="got type 'array' at the top of 'add', want an object"):
        make_model().bind_tools([tool]).invoke("Hi")
    assert fake.requests == []


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_a_dataset_that_is_not_there_is_an_error_with_the_commands_that_prepare_it(
    fake: FakeReka, make_model: MakeModel, call: str
) -> None:
    missing = answer(404, {"detail": "There is no dataset 'manual'."})
    fake.otherwise = by_request(lambda request: answer(200, ["another"]) if request.path == "/datasets" else missing)

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
        fake.will_answer(503, {"detail": "busy"}, {"retry-after-ms": "1"})

    with pytest.raises(reka.ServerError):
        ask(make_model(max_retries=max_retries), call, "Hi")
    assert len(fake.requests) == calls


def test_a_call_may_have_a_timeout_of_its_own(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_give(lambda handler: handler.connection.recv(1) and None)

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

"""Answers of a host over passages that come from elsewhere: the calls, as values, and what becomes of their answers."""

import json
from typing import Any

import pytest

import reka
from reka._calls import flows
from reka._calls.call import Call, StreamCall
from reka._calls.capabilities import ServerCapabilities
from reka._calls.flow import Flow, Local
from reka._calls.local_datasets import AnswerFlow, answer_over_passages
from reka._inputs.chat_request import ChatRequest, chat_request, messages_request
from reka._protocol.prompt import Passage, question_with_passages
from reka._wire.reply import Reply
from reka.testing.bodies import completion, texts
from reka.types import ChatOptions, Finish, Message, RetrievedChunk
from tests.support.completions import TOOL
from tests.support.hostile_texts import HOSTILE

ADDRESS = "local:/a/folder"
CHUNKS: list[RetrievedChunk] = [{"text": "a fact", "source": "a.txt", "score": 1.0}, {"text": "another"}]
PASSAGES = [Passage("a.txt", "a fact"), Passage("", "another")]
IN_A_DATASET: ChatOptions = {"retrieval_dataset": "alice"}
SYSTEM = {"role": "system", "content": "Be kind."}
CALLED = {"role": "assistant", "tool_calls": [{"id": "t-1", "name": "weather", "arguments": "{}"}]}
RESULT = {"role": "tool", "tool_call_id": "t-1", "content": "4 °C"}


FILTER = {"lang": "de"}


def _turns(**options: Any) -> ChatRequest:
    given: Any = IN_A_DATASET | options
    return chat_request("Who?", options=given)


def _messages(*messages: Message, **extra: Any) -> ChatRequest:
    return messages_request(messages, {"tools": [TOOL], "extra_request_args": {"retrieval_dataset": "alice", **extra}})


def _start(request: ChatRequest, answer: AnswerFlow[Any] = flows.chat) -> tuple[Flow[Any], dict[str, Any]]:
    """Start the flow; give it, with the body of what it sends to the embedded server."""
    flow = answer_over_passages(answer, request, "auto", ADDRESS, ServerCapabilities("https://host.example", "reka"))
    step = next(flow)
    assert isinstance(step, Local)
    assert (step.address, step.call.method, step.call.path) == (ADDRESS, "POST", "/chat")
    return flow, _body(step.call)


def _call_of_host(
    request: ChatRequest, answer: AnswerFlow[Any] = flows.chat, chunks: list[RetrievedChunk] = CHUNKS
) -> tuple[Flow[Any], Call[Any]]:
    """Run the flow up to what it sends to the host."""
    flow, _ = _start(request, answer)
    call = flow.send(reka.ChatCompletion("", retrieved_chunks=chunks))
    assert isinstance(call, Call)
    return flow, call


def _body(call: Call[Any]) -> dict[str, Any]:
    assert isinstance(call.body, bytes)
    body: dict[str, Any] = json.loads(call.body)
    return body


def _reply(document: object) -> Reply:
    return Reply(200, {}, json.dumps(document).encode(), "POST /")


@pytest.mark.parametrize(
    "request_with_filter",
    [
        lambda: _turns(retrieval_filter=FILTER),
        lambda: _messages({"role": "user", "content": "Who?"}, retrieval_filter=FILTER),
    ],
)
def test_a_filter_goes_to_the_embedded_server_and_not_to_the_host(request_with_filter: Any) -> None:
    request = request_with_filter()

    _, retrieval = _start(request)
    _, call = _call_of_host(request)

    assert retrieval["retrieval_filter"] == FILTER
    assert "retrieval_filter" not in _body(call)


def test_passages_are_retrieved_for_the_last_human_turn_and_quoted_in_it() -> None:
    history: list[reka.Turn] = [{"type": "human", "text": "First?"}, {"type": "model", "text": "One."}]
    request = chat_request("Second?", conversation_history=history, options=IN_A_DATASET)

    _, retrieval = _start(request)
    _, call = _call_of_host(request)

    assert retrieval["conversation_history"] == [{"type": "human", "text": "Second?"}]
    assert retrieval["retrieval_dataset"] == "alice"
    assert retrieval["request_output_len"] == 1
    assert call.path == "/chat"
    assert _body(call)["conversation_history"] == [
        *history,
        {"type": "human", "text": question_with_passages("Second?", PASSAGES)},
    ]


def test_a_turn_of_the_model_that_is_to_be_continued_stays_the_last() -> None:
    history: list[reka.Turn] = [{"type": "human", "text": "Who?"}, {"type": "model", "text": "It was"}]

    _, call = _call_of_host(chat_request(conversation_history=history, options=IN_A_DATASET))

    quoting, last = _body(call)["conversation_history"]
    assert quoting["text"].endswith("Question: Who?")
    assert last == history[1]


def test_neither_system_text_nor_the_result_of_a_tool_is_searched_for_or_quoted_into() -> None:
    request = _messages(SYSTEM, {"role": "user", "content": "Who?"}, CALLED, RESULT)

    _, retrieval = _start(request, flows.complete)
    _, call = _call_of_host(request, flows.complete)

    assert retrieval["conversation_history"] == [{"type": "human", "text": "Who?"}]
    first, _, result = _body(call)["messages"]
    assert first["content"] == f"Be kind.\n\n{question_with_passages('Who?', PASSAGES)}"
    assert "4 °C" in result["content"]
    assert "a fact" not in result["content"]


def test_media_of_the_question_stay_beside_the_passages() -> None:
    image = {"type": "image_url", "image_url": "https://x.example/a.png"}

    _, call = _call_of_host(_messages({"role": "user", "content": [image, {"type": "text", "text": "Who?"}]}))

    (message,) = _body(call)["messages"]
    assert message["content"] == [image, {"type": "text", "text": question_with_passages("Who?", PASSAGES)}]


@pytest.mark.parametrize(("extra", "k"), [({}, 8), ({"retrieval_top_k": 3}, 3), ({"retrieval_top_k": None}, 8)])
def test_the_number_of_chunks_is_the_callers_or_eight(extra: dict[str, Any], k: int) -> None:
    _, retrieval = _start(_turns(extra_request_args=extra))

    assert retrieval["retrieval_top_k"] == k


@pytest.mark.parametrize("k", [0, 101, "3", True])
def test_a_number_of_chunks_that_cannot_be_is_refused_before_anything_is_sent(k: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="retrieval_top_k: got"):
        _start(_turns(extra_request_args={"retrieval_top_k": k}))


@pytest.mark.parametrize("answer", [flows.chat, flows.complete, flows.stream])
def test_the_host_is_sent_no_dataset_and_every_other_option(answer: AnswerFlow[Any]) -> None:
    given = {"retrieval_top_k": 3, "top_a": 1}

    _, call = _call_of_host(
        _turns(temperature=0.5, model_name="m", stop_words=["END"], extra_request_args=given), answer
    )

    body = _body(call)
    assert body["top_a"] == 1
    assert body["temperature"] == 0.5
    assert body.get("model_name", body.get("model")) == "m"
    assert body.get("stop_words", body.get("stop")) == ["END"]
    assert not {"retrieval_dataset", "retrieval_top_k"} & body.keys()


def test_a_dataset_in_the_extra_arguments_is_the_one_that_counts() -> None:
    _, retrieval = _start(_turns(extra_request_args={"retrieval_dataset": "bob"}))

    assert retrieval["retrieval_dataset"] == "bob"


def test_tools_go_with_passages_to_the_completions_endpoint() -> None:
    flow, call = _call_of_host(_messages({"role": "user", "content": "Who?"}), flows.complete)

    assert call.path == "/v1/chat/completions"
    assert _body(call)["tools"] == [TOOL]
    with pytest.raises(StopIteration) as ended:
        flow.send(call.read(_reply(completion(content="Alice"))))
    assert ended.value.value.text == "Alice"
    assert ended.value.value.retrieved_chunks == CHUNKS


def test_the_passages_go_along_where_the_host_has_the_other_endpoint_alone() -> None:
    flow, _ = _call_of_host(_turns())

    call = flow.throw(reka.NotFoundError("Not Found", 404))

    assert isinstance(call, Call)
    assert call.path == "/v1/chat/completions"
    assert _body(call)["messages"][0]["content"] == question_with_passages("Who?", PASSAGES)
    assert call.read(_reply(completion(content="Alice"))).retrieved_chunks == CHUNKS


def test_the_end_of_a_stream_has_the_chunks() -> None:
    _, call = _call_of_host(_turns(), flows.stream)

    assert isinstance(call, StreamCall)
    decoder = call.decoder(_reply(None))
    events = [*decoder.feed(texts("Al", "ice")), *decoder.finish()]
    assert [type(event) for event in events] == [reka.TextDelta, reka.TextDelta, Finish]
    assert events[-1].retrieved_chunks == CHUNKS
    in_whole = call.read(_reply(completion(content="Alice")))
    assert in_whole[-1].retrieved_chunks == CHUNKS


def test_a_search_that_finds_nothing_is_told_to_the_host_and_to_the_caller() -> None:
    _, call = _call_of_host(_turns(), chunks=[])

    assert "holds no passage" in _body(call)["conversation_history"][0]["text"]
    assert call.read(_reply({"type": "model", "text": "No."})).retrieved_chunks == []


@pytest.mark.parametrize("text", HOSTILE)
def test_no_passage_becomes_a_turn_of_what_the_host_is_sent(text: str) -> None:
    request = _messages(SYSTEM, {"role": "user", "content": "Who?"}, CALLED, RESULT)
    hostile: list[RetrievedChunk] = [{"text": text, "source": text}] * 3
    harmless: list[RetrievedChunk] = [{"text": "a", "source": "b"}] * 3

    _, call = _call_of_host(request, flows.complete, hostile)
    _, other = _call_of_host(request, flows.complete, harmless)

    messages, expected = _body(call)["messages"], _body(other)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1:] == expected[1:]
    assert messages[0]["content"].count("\n") == expected[0]["content"].count("\n")
    assert messages[0]["content"].rpartition("\n</passages>\n\n")[2] == "Question: Who?"
    assert "[Tool result for" not in messages[0]["content"]


def test_a_conversation_without_a_question_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(reka.InvalidConversationError, match="none is the user's"):
        _start(_messages(SYSTEM), flows.complete)

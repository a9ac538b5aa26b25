"""Errors of the server are errors of Reka's client and of LangChain alike."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, SummarizationMiddleware
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.messages import HumanMessage

import reka
from langchain_reka import ChatReka
from langchain_reka.errors import translate_errors
from reka.testing import FakeReka, answer

from .langchain_support import MakeModel


def as_stream(model: ChatReka) -> None:
    list(model.stream("Hi"))


@pytest.mark.parametrize(
    ("status", "ours", "langchains", "is_retryable"),
    [
        (400, reka.InvalidRequestError, ModelInvalidRequestError, False),
        (401, reka.AuthError, ModelAuthenticationError, False),
        (403, reka.PermissionDeniedError, ModelPermissionDeniedError, False),
        (429, reka.RateLimitError, ModelRateLimitError, True),
        (500, reka.ServerError, ModelAPIError, True),
    ],
)
@pytest.mark.parametrize("call", [lambda model: model.invoke("Hi"), as_stream], ids=["invoke", "stream"])
def test_an_error_is_of_rekas_class_and_of_langchains(
    fake: FakeReka,
    make_model: MakeModel,
    call: Callable[[ChatReka], Any],
    status: int,
    ours: type[reka.RekaError],
    langchains: type[ModelError],
    *,
    is_retryable: bool,
) -> None:
    fake.otherwise = answer(status, {"detail": "no"}, {"Retry-After": "7", "x-request-id": "r-7"})

    with pytest.raises(ours, match="no") as caught:
        call(make_model(max_retries=0))

    assert isinstance(caught.value, langchains)
    assert caught.value.is_retryable is is_retryable
    assert (caught.value.status_code, caught.value.request_id, caught.value.retry_after) == (status, "r-7", 7)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (type(copied), str(copied), vars(copied)) == (type(caught.value), str(caught.value), vars(caught.value))


TOO_LONG = [
    {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}},
    {"error": {"message": "This model's maximum context length is 4096 tokens. However, ...", "code": 400}},
    {"error": {"message": "the request exceeds the available context size", "type": "exceed_context_size_error"}},
    {"detail": "The input (5000 tokens) is longer than the model's context length (4096 tokens)."},
]


@pytest.mark.parametrize("body", TOO_LONG)
@pytest.mark.parametrize("call", [lambda model: model.invoke("Hi"), as_stream], ids=["invoke", "stream"])
def test_a_prompt_that_is_too_long_is_langchains_overflow_of_the_context(
    fake: FakeReka, make_model: MakeModel, call: Callable[[ChatReka], Any], body: object
) -> None:
    fake.otherwise = answer(400, body)

    with pytest.raises(ContextOverflowError) as caught:
        call(make_model(max_retries=0))

    assert isinstance(caught.value, reka.InvalidRequestError)
    assert isinstance(caught.value, ModelInvalidRequestError)
    assert caught.value.status_code == 400
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_agents_summary_of_messages_that_are_too_many_is_made_of_fewer(
    fake: FakeReka, make_model: MakeModel
) -> None:
    said = [{"choices": [{"message": {"content": text}, "finish_reason": "stop"}]} for text in ("a summary", "done")]
    fake.will_answer(400, TOO_LONG[1])
    for body in said:
        fake.will_answer(200, body)
    model = make_model(max_retries=0, api="v1")
    summarize = SummarizationMiddleware(model, trigger=("messages", 3), keep=("messages", 1))
    agent: Any = create_agent(model, [], middleware=[summarize])
    conversation = [("human", "Hi " * 2000), ("ai", "Ho"), ("human", "Hey"), ("ai", "Ha"), ("human", "So?")]

    answered = agent.invoke({"messages": conversation})

    assert answered["messages"][-1].text == "done"
    assert "a summary" in str(fake.requests[2].json["messages"])


def test_an_account_without_balance_is_not_asked_again(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_answer(429, {"error": {"message": "Insufficient Balance", "code": "P001"}})

    with pytest.raises(reka.InsufficientBalanceError) as caught:
        make_model(max_retries=0).invoke("Hi")

    assert isinstance(caught.value, ModelError)
    assert not caught.value.is_retryable
    assert caught.value.code == "P001"


def test_nobody_there_and_no_answer_in_time_are_langchains_errors_too(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_give(lambda handler: handler.connection.recv(1) and None)

    with pytest.raises(ModelTimeoutError) as late:
        make_model(max_retries=0).invoke("Hi", timeout=0.05)
    with pytest.raises(ModelConnectionError) as nobody:
        make_model(base_url="http://127.0.0.1:9", max_retries=0).invoke("Hi")

    assert isinstance(late.value, reka.APITimeoutError | TimeoutError)
    assert isinstance(nobody.value, reka.APIConnectionError)
    assert str(pickle.loads(pickle.dumps(late.value))) == str(late.value)


def test_every_error_of_a_call_has_a_class_of_langchain() -> None:
    not_of_a_call = {reka.APIStatusError, reka.DatasetError, reka.WaitTimeoutError, reka.RekaError}
    ours = {value for value in vars(reka).values() if isinstance(value, type) and issubclass(value, reka.RekaError)}
    for kind in ours - not_of_a_call:
        with pytest.raises(kind) as caught, translate_errors():
            raise kind("what happened")
        assert isinstance(caught.value, ModelError)


def test_an_agent_asks_again_only_where_that_can_help(fake: FakeReka, make_model: MakeModel) -> None:
    fake.otherwise = answer(401, {"detail": "wrong key"})
    again = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")
    agent: Any = create_agent(make_model(max_retries=0), [], middleware=[again])

    with pytest.raises(reka.AuthError):
        agent.invoke({"messages": [HumanMessage("Hi")]})
    assert len(fake.requests) == 1

"""Errors of the server are errors of Reka's client and of LangChain alike."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.exceptions import (
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
from tests.support.fake_reka import FakeReka, answer

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


def test_an_account_without_balance_is_not_asked_again(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_answer(429, {"error": {"message": "Insufficient Balance", "code": "P001"}})

    with pytest.raises(reka.InsufficientBalanceError) as caught:
        make_model(max_retries=0).invoke("Hi")

    assert isinstance(caught.value, ModelError)
    assert not caught.value.is_retryable
    assert caught.value.code == "P001"


def test_nobody_there_and_no_answer_in_time_are_langchains_errors_too(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_misbehave(lambda handler: handler.connection.recv(1) and None)

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

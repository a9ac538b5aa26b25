"""Both adapters give the same answer to the same question about a model and its parameters: that of the client."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

import reka
from langchain_reka import ChatReka
from langchain_reka import RekaRetriever as LangChainRetriever
from llamaindex_reka import RekaLLM
from llamaindex_reka import RekaRetriever as LlamaIndexRetriever
from reka._protocol.models import MODELS, REKA_MODELS, model_of
from reka._protocol.sampling import PARAMETERS
from reka.adapters import SAMPLING_PARAMETERS
from reka.server.settings import Settings
from tests.together.test_one_table import VALUES


def _is_refused(make: Callable[..., object], *arguments: object, **options: object) -> bool:
    try:
        make(*arguments, **options)
    except (ValidationError, reka.InvalidArgumentError):
        return True
    return False


@pytest.mark.parametrize("name", SAMPLING_PARAMETERS)
def test_a_value_that_the_client_refuses_is_refused_when_a_model_is_made_and_no_other(name: str) -> None:
    for value in VALUES[PARAMETERS[name].kind]:
        refused = _is_refused(PARAMETERS[name].check, value, name)

        assert _is_refused(ChatReka, **{name: value}) == refused, value
        assert _is_refused(RekaLLM, **{name: value}) == refused, value


@pytest.mark.parametrize("max_retries", [-1, 0, 5, "many"])
def test_a_number_of_retries_is_checked_when_an_object_is_made(max_retries: Any) -> None:
    refused = _is_refused(reka.Reka, max_retries=max_retries)

    assert _is_refused(ChatReka, max_retries=max_retries) == refused
    assert _is_refused(RekaLLM, max_retries=max_retries) == refused
    assert _is_refused(LangChainRetriever, dataset="x", max_retries=max_retries) == refused
    assert _is_refused(LlamaIndexRetriever, "x", max_retries=max_retries) == refused


@pytest.mark.parametrize("value", [-1.0, "long"])
def test_a_length_penalty_of_one_call_is_checked_as_the_clients_own_argument(value: Any) -> None:
    refused = _is_refused(PARAMETERS["length_penalty"].check, value, "length_penalty")
    nowhere: dict[str, Any] = {"api_key": "k", "base_url": "http://127.0.0.1:9", "max_retries": 0}

    asks: list[Callable[..., object]] = [ChatReka(**nowhere).invoke, RekaLLM(**nowhere).complete]
    for ask in asks:
        with pytest.raises(reka.InvalidArgumentError if refused else reka.APIConnectionError):
            ask("Hi", length_penalty=value)


@pytest.mark.parametrize("name", [*MODELS, "reka-flash-20240904", "reka-edge-20240208", "reka-flash-3.1"])
def test_a_known_model_has_one_window_one_longest_answer_and_one_say_on_tools(name: str) -> None:
    known, profile, metadata = model_of(name), ChatReka(name).profile, RekaLLM(model=name).metadata

    assert known is not None
    assert profile is not None
    assert profile.get("max_input_tokens") == metadata.context_window == known.context_length
    assert metadata.num_output <= (profile.get("max_output_tokens") or metadata.context_window)
    assert profile.get("tool_calling", True) == metadata.is_function_calling_model


def test_a_name_with_more_behind_it_is_that_of_the_longest_known_one() -> None:
    assert model_of("reka-flash-20240904") == MODELS["reka-flash"]
    assert model_of("reka-flash-research-2") == MODELS["reka-flash-research"]
    assert model_of("flash") is None


def test_the_server_answers_for_all_of_rekas_models_and_first_for_the_default_one() -> None:
    assert Settings().models == REKA_MODELS
    assert Settings().models[0] == ChatReka().model == RekaLLM().model == "reka-flash"
    assert "reka-flash-research" in Settings().models

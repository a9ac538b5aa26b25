"""LangChain's suite for models that answer, against a server on loopback; streams add up to what is invoked."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final
from uuid import UUID

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_reka import ChatReka

from .sample_media import download

SUITE_MARKS: Final = [
    # Version 3 of streamed events is beta in LangChain.
    pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning"),
    # The suites' timings are not what these tests are for.
    pytest.mark.filterwarnings("ignore::pytest_benchmark.logger.PytestBenchmarkWarning"),
]
"""Marks of a module with one of LangChain's suites."""

_CALL_PARAMETERS = ("tools", "tool_choice", "response_format", "stop", "model")


class Prompts(BaseCallbackHandler):
    """Keeps all that models are asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[BaseMessage], dict[str, Any]]] = []

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        parameters = kwargs["invocation_params"]
        given = {name: parameters[name] for name in _CALL_PARAMETERS if parameters.get(name) is not None}
        self.asked += [(each, given) for each in messages]


class AnswersOnLoopback(ChatModelIntegrationTests):
    """The suite; a class of tests has a fixture `host_url`, and says what its host supports."""

    url: str
    prompts: Prompts
    parameters: ClassVar[dict[str, Any]] = {}
    """Parameters of the model, besides its address and key."""

    @pytest.fixture(autouse=True)
    def _on_loopback(self, host_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Give the suite a server, and media in place of its downloads; then compare streams with invocations."""
        monkeypatch.setattr(httpx, "get", download)
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")
        self.url, self.prompts = host_url, Prompts()
        yield
        asked = list(self.prompts.asked)
        model = ChatReka(**self.chat_model_params)
        for messages, given in asked:
            streamed = sum(model.stream(messages, **given), AIMessageChunk(content=""))
            assert told(streamed) == told(model.invoke(messages, **given))
        model.close()

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatReka

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"api_key": "test", "base_url": self.url, "callbacks": [self.prompts], **self.parameters}

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_video_inputs(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True


def told(message: AIMessage) -> dict[str, Any]:
    """All that a message tells but the ids that the server makes anew for each answer."""
    return {
        "text": message.text,
        "tool_calls": [(call["name"], call["args"]) for call in message.tool_calls],
        "invalid_tool_calls": [(call["name"], call["args"]) for call in message.invalid_tool_calls],
        "usage": message.usage_metadata,
        "metadata": {name: value for name, value in message.response_metadata.items() if name != "request_id"},
        "kwargs": message.additional_kwargs,
    }

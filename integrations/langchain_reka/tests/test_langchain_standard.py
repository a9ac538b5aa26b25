"""LangChain's standard suites, whole, against a server on loopback; and streams add up to what is invoked."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any
from uuid import UUID

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_reka import ChatReka
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.rule_model import RuleModel

from .sample_media import download

pytestmark = [
    # Version 3 of streamed events is beta in LangChain.
    pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning"),
    # The suites' timings are not what these tests are for.
    pytest.mark.filterwarnings("ignore::pytest_benchmark.logger.PytestBenchmarkWarning"),
]

# The package has a function of the same name in its place.
_LOAD = import_module("langchain_core.load.load")
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of our own server, with the rule-based model behind it."""
    with RuleModel() as model:
        folder = tmp_path_factory.mktemp("served")
        server = BackgroundServer(Settings(port=0, data_dir=folder, upstream=model.url, upstream_model="rules-1"))
        yield server.url
        server.stop()


class TestAnswers(ChatModelIntegrationTests):
    """The suite for models that answer."""

    url: str
    prompts: Prompts

    @pytest.fixture(autouse=True)
    def _on_loopback(self, served: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Give the suite a server, and media in place of its downloads; then compare streams with invocations."""
        monkeypatch.setattr(httpx, "get", download)
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")
        self.url, self.prompts = served, Prompts()
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
        return {"api_key": "test", "base_url": self.url, "api": "auto", "callbacks": [self.prompts]}

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return True

    @property
    def supports_video_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "reka-core"


class TestUnits(ChatModelUnitTests):
    """The suite for models that are only built."""

    @pytest.fixture(autouse=True)
    def _in_the_table_of_langchain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the class where `test_serdes` looks: it loads classes of LangChain's own table alone."""
        path = tuple(ChatReka.lc_id())
        monkeypatch.setitem(_LOAD.ALL_SERIALIZABLE_MAPPINGS, path, path)
        monkeypatch.setattr(_LOAD, "_default_class_paths_cache", {})

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatReka

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"api": "auto"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"REKA_API_KEY": "from the environment"}, {}, {}


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

"""LangChain's standard suites, whole, against our own server on loopback."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_reka import ChatReka
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.rule_model import RuleModel

from .standard_suite import SUITE_MARKS, AnswersOnLoopback

pytestmark = SUITE_MARKS

# The package has a function of the same name in its place.
_LOAD = import_module("langchain_core.load.load")


@pytest.fixture(scope="module")
def host_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of our own server, with the rule-based model behind it."""
    with RuleModel() as model:
        folder = tmp_path_factory.mktemp("served")
        server = BackgroundServer(Settings(port=0, data_dir=folder, upstream=model.url, upstream_model="rules-1"))
        yield server.url
        server.stop()


class TestAnswers(AnswersOnLoopback):
    """The suite for models that answer."""

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

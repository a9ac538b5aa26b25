"""LangChain's standard suite against hosts that take one form of the completions endpoint, and nothing else."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka

from .standard_suite import SUITE_MARKS, AnswersOnLoopback

pytestmark = SUITE_MARKS


@pytest.fixture(scope="module")
def openai_url() -> Iterator[str]:
    """The address of a host of OpenAI's form."""
    with StrictOpenAI(modalities=("image", "video", "audio", "pdf")) as host:
        yield host.url


@pytest.fixture(scope="module")
def reka_url() -> Iterator[str]:
    """The address of a host of the form of 2025."""
    with StrictReka() as host:
        yield host.url


class TestOnOpenAI(AnswersOnLoopback):
    """The host takes media in messages of the user alone, and enforces schemas; JSON without one is a schema, too."""

    parameters: ClassVar = {"model": "reka-edge-2603", "api": "v1"}

    @pytest.fixture
    def host_url(self, openai_url: str) -> str:
        return openai_url

    @property
    def model_override_value(self) -> str:
        return "deepseek4-flash"


class TestOnReka(AnswersOnLoopback):
    """The host takes media of every kind, and enforces no JSON."""

    parameters: ClassVar = {"model": "reka-flash", "api": "v1"}

    @pytest.fixture
    def host_url(self, reka_url: str) -> str:
        return reka_url

    @property
    def supports_json_mode(self) -> bool:
        return False

    @property
    def model_override_value(self) -> str:
        return "reka-core"


class TestOnOpenAIOfItself(TestOnOpenAI):
    """The same with the API that the client chooses."""

    parameters: ClassVar = {"model": "reka-edge-2603", "api": "auto"}


class TestOnRekaOfItself(TestOnReka):
    """The same with the API that the client chooses."""

    parameters: ClassVar = {"model": "reka-flash", "api": "auto"}

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings

from llamaindex_reka import RekaLLM
from tests.support.fake_reka import FakeReka
from tests.support.rule_model import RuleModel

KEY = "a-secret-key"

MakeLLM = Callable[..., RekaLLM]


@pytest.fixture
def fake() -> Iterator[FakeReka]:
    server = FakeReka()
    yield server
    server.close()


@pytest.fixture
def llm(fake: FakeReka) -> Iterator[MakeLLM]:
    """Makes models that speak to the fake server, unless they are told another one."""
    models: list[RekaLLM] = []

    def make(*arguments: Any, **parameters: Any) -> RekaLLM:
        if len(arguments) < 2:
            parameters = {"api_key": KEY, **parameters}
        models.append(RekaLLM(*arguments, **{"base_url": fake.url, **parameters}))
        return models[-1]

    yield make
    for model in models:
        model.close()


@pytest.fixture(scope="session")
def rules() -> Iterator[RuleModel]:
    """A language model that answers by rules, at an address that speaks the completions endpoint alone."""
    with RuleModel() as model:
        yield model


@pytest.fixture(scope="session")
def served(rules: RuleModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `reka serve` process with that model behind it."""
    folder = tmp_path_factory.mktemp("served")
    upstream = ["--upstream", f"{rules.url}/v1", "--upstream-model", "rules-1"]
    command = [sys.executable, "-m", "reka.cli", "serve", "--port", "0", "--data-dir", str(folder), *upstream]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The embedded server's address, with a data folder of its own."""
    return f"local:{tmp_path_factory.mktemp('local')}"


@pytest.fixture(scope="session", autouse=True)
def no_event_loop_outside_asynchronous_tests() -> None:
    # LlamaIndex's synchronous methods ask for the thread's event loop, which makes one that nobody closes. When they
    # are told that there is none, they run a loop of their own to its end.
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def settings_as_they_were() -> Iterator[None]:
    yield
    Settings._llm = None


def completion(text: str = "Hello!", finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A whole answer of the completions endpoint, as the live host writes it."""
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "reka-flash",
        "choices": [
            {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def events(*documents: Any) -> bytes:
    """The body of a streamed answer."""
    return b"".join(f"data: {json.dumps(document)}\n\n".encode() for document in documents) + b"data: [DONE]\n\n"


def chunk(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """A piece of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "reka-flash", "choices": [choice]}


def tool_call(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def sent(fake: FakeReka, index: int = -1) -> Any:
    """The body of a request, by its place; the last one's if no place is given."""
    return fake.requests[index].json


def texts_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    return folder

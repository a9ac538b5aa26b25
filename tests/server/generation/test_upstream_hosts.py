"""A server in front of hosts that take one form of the API and refuse all else."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from reka.testing import FakeReka
from tests.support.caller import Caller
from tests.support.protocols import (
    ADD,
    WEATHER,
    completion_chunks,
    completion_text,
    deltas,
    merge_tool_calls,
    messages,
    openai_tool,
    post_v1_chat,
    v1_chat_events,
)
from tests.support.servers import open_caller, run_server
from tests.support.strict_host import CHAT, StrictHost
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka
from tests.support.strict_requests import DATA_URL, EDGE, FLASH, REASONER, RESEARCHER, SEARCH, URL

KEY = "upstream-key-77aa"
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@dataclass
class Proxied:
    """A host, and a caller of the server in front of it."""

    host: StrictHost
    api: Caller
    model: str
    """A model of the host that has tools and takes images."""

    def ask(self, *sent: Any, **fields: Any) -> Any:
        """Send messages to the server's `/v1/chat/completions`."""
        body = {"model": self.model, "messages": sent, **fields}
        return self.api.ask("POST", "/v1/chat/completions", json=body)

    def chats(self) -> int:
        """Number of chats that the host was sent."""
        return self.host.paths.count(CHAT)


@pytest.fixture(scope="module", params=[StrictOpenAI, StrictReka], ids=["openai", "reka"])
def shared_host(request: pytest.FixtureRequest) -> Iterator[StrictHost]:
    with request.param(key=KEY, key_headers=["authorization"]) as host:
        yield host


@pytest.fixture(scope="module")
def host_url(shared_host: StrictHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("THE_KEY", KEY)
        given = {"upstream": shared_host.url, "upstream_key_env": "THE_KEY", "upstream_retries": 0}
        with run_server(tmp_path_factory.mktemp("host"), **given) as server:
            yield server.url


@pytest.fixture
def proxied(shared_host: StrictHost, host_url: str) -> Iterator[Proxied]:
    shared_host.requests.clear()
    with open_caller(host_url) as caller:
        yield Proxied(shared_host, caller, EDGE if isinstance(shared_host, StrictOpenAI) else FLASH)


@STREAMED
def test_any_conversation_is_answered(proxied: Proxied, stream: bool) -> None:
    conversation = [
        {"role": "system", "content": "My name is Ann."},
        *messages("I like owls."),
        *messages("And hens.", "Good.", "What is my name?"),
    ]

    assert completion_text(proxied.ask(*conversation, stream=stream), stream) == ("Your name is Ann.", "stop")


def test_the_older_families_are_answered(proxied: Proxied) -> None:
    asked = ["My name is John.", "Hi.", "What is my name?"]

    whole = post_v1_chat(proxied.api, *asked).json()
    streamed = v1_chat_events(post_v1_chat(proxied.api, *asked, stream=True))

    assert proxied.api.chat("Repeat: one").json()["text"] == "one"
    assert whole["responses"][0]["message"]["content"] == "Your name is John."
    assert streamed[-1]["responses"][0]["chunk"]["content"] == "Your name is John."


@STREAMED
@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "add"}}], ids=str)
def test_a_tool_is_called_and_its_result_answered_with(proxied: Proxied, choice: Any, stream: bool) -> None:
    fields = {"tools": [openai_tool(ADD), openai_tool(WEATHER)], "stream": stream}

    answer = proxied.ask(*messages("Please add 2 and 3"), **fields, tool_choice=choice)
    if stream:
        (call,) = merge_tool_calls(completion_chunks(answer))
    else:
        (whole,) = answer.json()["choices"][0]["message"]["tool_calls"]
        call = {"id": whole["id"], **whole["function"]}
    sent_back = {"id": call["id"], "type": "function", "function": {"name": "add", "arguments": call["arguments"]}}
    after = proxied.ask(
        *messages("Please add 2 and 3"),
        {"role": "assistant", "content": None, "tool_calls": [sent_back]},
        {"role": "tool", "tool_call_id": call["id"], "content": "5"},
        **fields,
    )

    assert (call["name"], json.loads(call["arguments"])) == ("add", {"a": 2, "b": 3})
    assert completion_text(after, stream) == ("The result is 5.", "stop")


@STREAMED
@pytest.mark.parametrize("form", [lambda url: url, lambda url: {"url": url}], ids=["text", "object"])
def test_images_are_seen(proxied: Proxied, form: Any, stream: bool) -> None:
    parts = [{"type": "image_url", "image_url": form(url)} for url in (URL, DATA_URL)]
    asked = {"role": "user", "content": [*parts, {"type": "text", "text": "What is this?"}]}

    text, _ = completion_text(proxied.ask(asked, stream=stream), stream)

    assert text.startswith("I see 2 images.")


@STREAMED
def test_an_answer_follows_a_schema(proxied: Proxied, stream: bool) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    system = {"role": "system", "content": "Be brief."}

    answer = proxied.ask(system, *messages('Describe "Ann"'), model=RESEARCHER, response_format=wanted, stream=stream)

    assert json.loads(completion_text(answer, stream)[0]) == {"name": "Ann"}


@STREAMED
def test_what_research_brings_comes_back(proxied: Proxied, stream: bool) -> None:
    answer = proxied.ask(*messages("What is new?"), model=RESEARCHER, research=SEARCH, stream=stream)

    sent = deltas(completion_chunks(answer)) if stream else [answer.json()["choices"][0]["message"]]
    assert "".join(delta.get("reasoning_content", "") for delta in sent).startswith("The user says")
    assert [delta["annotations"][0]["type"] for delta in sent if "annotations" in delta] == ["url_citation"]
    assert stream or answer.json()["reasoning_steps"]


@STREAMED
def test_usage_has_its_details(proxied: Proxied, stream: bool) -> None:
    answer = proxied.ask(*messages("My name is John.", "Hi.", "What is my name?"), stream=stream)

    usage = (completion_chunks(answer)[-1] if stream else answer.json())["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > 0
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 0}


def test_what_the_host_refuses_is_refused_with_its_words(proxied: Proxied) -> None:
    answer = proxied.ask(*messages("Hi"), user="somebody")

    assert answer.status_code == 400
    assert "user: Extra inputs are not permitted" in answer.json()["error"]["message"]


def test_a_form_that_showed_with_tools_is_used_from_then_on(proxied: Proxied) -> None:
    tools = {"tools": [openai_tool(ADD)]}
    assert proxied.ask(*messages("add 1 and 2"), **tools).ok
    before = proxied.chats()

    assert proxied.ask(*messages("add 3 and 4"), **tools).ok
    assert proxied.chats() == before + 1


def test_the_hosts_models_are_listed(proxied: Proxied) -> None:
    listed = {model["id"]: model for model in proxied.api.ask("GET", "/v1/models").json()["data"]}

    assert list(listed) == list(proxied.host.models)
    if isinstance(proxied.host, StrictOpenAI):
        assert listed[REASONER] == proxied.host.models[REASONER].details
    else:
        assert listed[RESEARCHER]["context_length"] == 65_536  # known, though the host does not say it


def test_a_key_is_sent_to_rekas_own_host_in_both_headers(
    fake: FakeReka, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", fake.url)
    monkeypatch.setenv("THE_KEY", KEY)
    fake.will_answer(200, [{"id": "reka-flash-3"}])
    given = {"upstream": "http://api.reka.ai", "upstream_key_env": "THE_KEY"}

    with run_server(tmp_path, **given) as server, open_caller(server.url) as caller:
        assert caller.ask("GET", "/models").json() == ["reka-flash-3"]

    (request,) = fake.requests
    assert request.path == "http://api.reka.ai/v1/models"
    assert (request.headers["authorization"], request.headers["x-api-key"]) == (f"Bearer {KEY}", KEY)

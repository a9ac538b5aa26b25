"""The eight methods that ask a model: answers, streams, callbacks and errors."""

import asyncio
import inspect
import json
from collections.abc import Iterator
from typing import Any

import llama_index_instrumentation as instrument
import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import LLM, ChatMessage, ImageBlock, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM

import reka
from llamaindex_reka import RekaLLM
from reka.testing import FakeReka
from reka.testing.bodies import chunk
from tests.support.clients import KEY

from .llamaindex_support import HI, WAYS, MakeLLM, ask, completion, events, sent, text_of, will_say_hello

V1 = "POST /v1/chat/completions"


def test_the_class_is_what_llamaindex_asks_of_an_integration() -> None:
    bases = [base.__name__ for base in RekaLLM.__mro__]

    assert {BaseLLM.__name__, LLM.__name__, FunctionCallingLLM.__name__} <= set(bases)
    assert RekaLLM.class_name() == "RekaLLM"
    assert not RekaLLM.__abstractmethods__


@pytest.mark.parametrize("way", ["chat", "complete", "stream_chat", "stream_complete"])
def test_a_twin_takes_what_the_other_takes(way: str) -> None:
    own, twin = inspect.signature(getattr(RekaLLM, way)), inspect.signature(getattr(RekaLLM, f"a{way}"))

    assert list(own.parameters.values()) == list(twin.parameters.values())


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_of_asking_sends_one_request_and_gives_text_and_token_counts(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    will_say_hello(fake, way)
    model = llm()

    answer = await ask(model, way)
    await model.aclose()

    assert text_of(answer[-1]) == "Hello!"
    if "stream" in way:
        assert [(item.delta, text_of(item)) for item in answer] == [("Hel", "Hel"), ("lo!", "Hello!"), ("", "Hello!")]
    assert answer[-1].additional_kwargs == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "finish_reason": "stop",
    }
    assert answer[-1].raw["usage"] == completion()["usage"]
    assert fake.paths == [V1]
    assert sent(fake)["messages"] == [{"role": "user", "content": "Hi"}]
    assert fake.requests[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize(("formatted", "text"), [(False, "Q: Hi"), (True, "Hi")])
@pytest.mark.parametrize("way", ["complete", "stream_complete"])
async def test_completion_to_prompt_is_applied_unless_it_has_been(
    fake: FakeReka, llm: MakeLLM, way: str, formatted: bool, text: str
) -> None:
    will_say_hello(fake, way)

    await ask(llm(completion_to_prompt=lambda prompt: f"Q: {prompt}"), way, formatted=formatted)

    assert sent(fake)["messages"] == [{"role": "user", "content": text}]


def test_predict_fills_a_prompt_and_puts_the_system_prompt_before_it(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion("Bonjour"))

    answer = llm(system_prompt="Be brief.").predict(PromptTemplate("Translate: {text}"), text="Hello")

    assert answer == "Bonjour"
    assert sent(fake)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Translate: Hello"},
    ]


async def test_a_file_is_read_for_the_asynchronous_methods_too(fake: FakeReka, llm: MakeLLM, tmp_path: Any) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    fake.will_answer(200, completion())
    fake.will_stream(events(chunk(content="Hi"), chunk("stop")))
    model, asked = llm(media_root=tmp_path), [ChatMessage(role=MessageRole.USER, blocks=[ImageBlock(path=path)])]

    await model.achat(asked)
    [item async for item in await model.astream_chat(asked)]
    await model.aclose()

    for request in (sent(fake, 0), sent(fake, 1)):
        assert request["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("way", WAYS)
async def test_callbacks_see_each_call_once_and_count_the_servers_tokens(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    will_say_hello(fake, way)
    seen = LlamaDebugHandler(print_trace_on_end=False)
    counted = TokenCountingHandler(tokenizer=lambda text: [])
    model = llm(callback_manager=CallbackManager([seen, counted]))

    await ask(model, way)
    await model.aclose()

    assert len(seen.get_event_pairs(CBEventType.LLM)) == 1
    assert KEY not in str(seen.get_event_pairs(CBEventType.LLM))
    assert (counted.prompt_llm_token_count, counted.completion_llm_token_count) == (5, 2)


class Recorder(BaseEventHandler):
    names: list[str]
    texts: list[str]

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.names.append(event.class_name())
        self.texts.append(event.model_dump_json())


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    dispatcher, recorder = instrument.get_dispatcher(), Recorder(names=[], texts=[])
    dispatcher.add_event_handler(recorder)
    yield recorder
    dispatcher.event_handlers.remove(recorder)


@pytest.mark.parametrize("way", WAYS)
async def test_instrumentation_sees_start_progress_and_end_without_the_key(
    fake: FakeReka, llm: MakeLLM, recorder: Recorder, way: str
) -> None:
    will_say_hello(fake, way)
    model = llm()

    await ask(model, way)
    await model.aclose()

    kind = "LLMCompletion" if "complete" in way else "LLMChat"
    progress = [f"{kind}InProgressEvent"] * 3 if "stream" in way else []
    assert recorder.names == [f"{kind}StartEvent", *progress, f"{kind}EndEvent"]
    assert [text for text in recorder.texts if KEY in text] == []
    assert '"total_tokens":7' in recorder.texts[-1]


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_of_the_server_arrives_with_its_class_status_and_request_id(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    fake.will_answer(401, {"detail": "wrong key"}, headers={"x-request-id": "r-7"})
    seen = LlamaDebugHandler(print_trace_on_end=False)
    model = llm(callback_manager=CallbackManager([seen]))

    with pytest.raises(reka.AuthError, match="wrong key") as caught:
        await ask(model, way)
    await model.aclose()

    assert (caught.value.status_code, caught.value.request_id, len(fake.requests)) == (401, "r-7", 1)
    assert KEY not in str(caught.value)
    assert len(seen.get_event_pairs(CBEventType.LLM)) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_dataset_that_is_not_there_is_an_error_that_names_what_prepares_it(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    fake.will_answer(200, {"features": []})
    fake.will_answer(404, {"detail": "no dataset 'manual'"})
    model = llm(retrieval_dataset="manual")

    with pytest.raises(reka.RetrievalError, match=r"no dataset 'manual'\. .*RekaIndex\.from_documents") as caught:
        await ask(model, way)
    await model.aclose()

    assert caught.value.status_code == 404


@pytest.mark.parametrize("way", WAYS)
async def test_what_cannot_be_sent_is_refused_at_the_call_and_not_at_the_first_item(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    model = llm()

    async def call() -> object:
        answer = getattr(model, way)("Hi" if "complete" in way else HI, temperature=-1)
        return await answer if inspect.isawaitable(answer) else answer

    with pytest.raises(reka.InvalidArgumentError, match="temperature"):
        await call()
    assert fake.requests == []


def test_a_stream_that_breaks_off_raises_and_has_the_text_so_far(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_stream(f"data: {json.dumps(chunk(content='Hel'))}\n\n".encode())

    with pytest.raises(reka.StreamInterruptedError) as caught:
        list(llm(max_retries=0).stream_chat(HI))
    assert caught.value.partial_text == "Hel"


def test_a_stream_that_is_left_closes_its_connection(fake: FakeReka, llm: MakeLLM) -> None:
    gone = fake.will_stream(f"data: {json.dumps(chunk(content='Hel'))}\n\n".encode(), ends=False)
    stream = llm().stream_chat(HI)

    assert next(stream).delta == "Hel"
    stream.close()

    assert gone.wait(10)


async def test_an_asynchronous_stream_that_is_left_closes_its_connection(fake: FakeReka, llm: MakeLLM) -> None:
    gone = fake.will_stream(f"data: {json.dumps(chunk(content='Hel'))}\n\n".encode(), ends=False)
    model = llm()
    stream = await model.astream_chat(HI)

    assert (await anext(stream)).delta == "Hel"
    await stream.aclose()
    del stream

    assert await asyncio.to_thread(gone.wait, 10)
    await model.aclose()


@pytest.mark.parametrize(("max_retries", "calls"), [(0, 1), (1, 2)])
def test_max_retries_is_how_often_a_failed_call_is_sent_again(
    fake: FakeReka, llm: MakeLLM, max_retries: int, calls: int
) -> None:
    for _ in range(2):
        fake.will_answer(503, {"detail": "busy"}, headers={"retry-after-ms": "1"})

    with pytest.raises(reka.ServerError):
        llm(max_retries=max_retries).chat(HI)
    assert len(fake.requests) == calls


def test_a_call_may_have_a_timeout_of_its_own(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_give(lambda handler: handler.connection.recv(1))

    with pytest.raises(reka.APITimeoutError):
        llm(max_retries=0, timeout=reka.Timeout(read=60)).chat(HI, timeout=0.05)


def test_without_a_key_the_error_tells_how_to_set_one(fake: FakeReka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REKA_API_KEY", raising=False)

    with pytest.raises(reka.AuthError, match="REKA_API_KEY"):
        RekaLLM(base_url=fake.url).chat(HI)

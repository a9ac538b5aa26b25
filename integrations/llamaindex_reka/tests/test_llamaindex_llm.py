import asyncio
import copy
import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llama_index_instrumentation as instrument
import pytest
from llama_index.core import PromptTemplate, Settings
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import LLM, ChatMessage, ImageBlock, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import SecretStr, ValidationError

import reka
from llamaindex_reka import RekaLLM
from tests.support.fake_reka import FakeReka
from tests.support.peers import LLAMAINDEX_PEER, peer_environment

from .conftest import KEY, MakeLLM, chunk, completion, events, sent

HI = [ChatMessage(content="Hi")]
V0, V1 = "POST /chat", "POST /v1/chat/completions"
WAYS = ["chat", "complete", "stream_chat", "stream_complete", "achat", "acomplete", "astream_chat", "astream_complete"]


async def ask(model: RekaLLM, way: str, **parameters: Any) -> list[Any]:
    """Ask in one of the eight ways; all items of the answer."""
    answer = getattr(model, way)("Hi" if "complete" in way else HI, **parameters)
    if inspect.isawaitable(answer):
        answer = await answer
    if hasattr(answer, "__aiter__"):
        return [item async for item in answer]
    return list(answer) if isinstance(answer, Iterator) else [answer]


def text_of(item: Any) -> str:
    return str(item.text if hasattr(item, "text") else item.message.content)


def will_say(fake: FakeReka, way: str) -> None:
    if "stream" in way:
        fake.will_stream(
            events(chunk(content="Hel"), chunk(content="lo!"), chunk("stop") | {"usage": completion()["usage"]})
        )
    else:
        fake.will_answer(200, completion("Hello!"))


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
    will_say(fake, way)
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "reka-core"),
        ("temperature", 0.0),
        ("max_tokens", 10),
        ("top_p", 0.5),
        ("top_k", 3),
        ("frequency_penalty", 0.1),
        ("presence_penalty", 0.2),
        ("stop", ["END"]),
        ("seed", 7),
        ("research", {"web_search": {"enabled": True}}),
    ],
)
@pytest.mark.parametrize("how", ["constructor", "call", "additional_kwargs", "additional_kwargs of the call"])
async def test_a_parameter_is_sent_however_it_is_given(
    fake: FakeReka, llm: MakeLLM, how: str, name: str, value: Any
) -> None:
    fake.will_answer(200, completion())

    given = {"additional_kwargs": {name: value}} if how.startswith("additional") else {name: value}
    if how in ("constructor", "additional_kwargs"):
        llm(**given).chat(HI)
    else:
        llm().complete("Hi", **given)

    assert sent(fake)[name] == value


@pytest.mark.parametrize(("name", "value"), [("retrieval_dataset", "manual"), ("length_penalty", 0.9)])
@pytest.mark.parametrize("in_call", [False, True])
@pytest.mark.parametrize("way", WAYS)
async def test_what_the_documented_endpoint_alone_has_sends_the_request_there(
    fake: FakeReka, llm: MakeLLM, way: str, in_call: bool, name: str, value: Any
) -> None:
    fake.will_answer(200, {"features": []})
    fake.will_answer(200, {"type": "model", "text": "Hello!", "retrieved_chunks": [{"text": "chunk"}]})
    model = llm() if in_call else llm(**{name: value})

    answer = await ask(model, way, **({name: value} if in_call else {}))
    await model.aclose()

    assert fake.paths == ["GET /", V0]
    assert sent(fake)[name] == value
    assert sent(fake)["conversation_history"] == [{"type": "human", "text": "Hi"}]
    assert text_of(answer[-1]) == "Hello!"
    assert answer[-1].additional_kwargs["retrieved_chunks"] == [{"text": "chunk"}]


def test_a_parameter_of_a_call_goes_before_the_models_own(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())

    llm(temperature=0.5, seed=3, additional_kwargs={"seed": 4, "extra": 1}).chat(
        HI, temperature=0.1, max_tokens=None, additional_kwargs={"extra": 2}
    )

    assert (sent(fake)["temperature"], sent(fake)["seed"], sent(fake)["extra"]) == (0.1, 4, 2)


def test_what_is_not_set_is_left_to_the_server(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())

    llm(additional_kwargs=None).chat(HI)

    assert sent(fake) == {"messages": [{"role": "user", "content": "Hi"}], "model": "reka-flash"}


@pytest.mark.parametrize(("api", "path"), [("v0", V0), ("v1", V1), ("auto", V1)])
def test_api_says_where_a_request_goes(fake: FakeReka, llm: MakeLLM, api: str, path: str) -> None:
    fake.will_answer(200, {"type": "model", "text": "Hello!"} if api == "v0" else completion("Hello!"))

    assert llm(api=api).complete("Hi").text == "Hello!"
    assert fake.paths == [path]


def test_a_server_that_has_the_documented_endpoint_alone_is_asked_there(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(404)
    fake.will_answer(200, {"type": "model", "text": "Hello!"})
    fake.will_answer(200, {"type": "model", "text": "again"})
    model = llm()

    assert [model.complete("Hi").text, model.complete("Hi").text] == ["Hello!", "again"]
    assert fake.paths == [V1, V0, V0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"max_tokens": 0},
        {"top_p": 1.5},
        {"top_k": -1},
        {"stop": [""]},
        {"api": "v2"},
        {"max_retries": -1},
        {"stop": 3},
    ],
)
def test_a_value_out_of_bounds_is_refused_when_the_model_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RekaLLM(**wrong)


def test_an_unknown_parameter_is_refused_and_the_nearest_known_one_named(fake: FakeReka, llm: MakeLLM) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=r"temprature: .*did you mean 'temperature'"):
        llm(temprature=1)
    with pytest.raises(reka.InvalidArgumentError, match=r"max_token: .*did you mean 'max_tokens'"):
        llm().chat(HI, max_token=1)
    with pytest.raises(reka.InvalidArgumentError, match=r"zzz: .*want one of model, "):
        llm().chat(HI, zzz=1)
    assert fake.requests == []


@pytest.mark.parametrize("name", ["api_kee", "timeout"])
def test_a_key_given_under_a_wrong_name_does_not_show_in_the_error(name: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        RekaLLM(**{name: KEY})  # type: ignore[arg-type]  # it is wrong on purpose
    assert KEY not in str(caught.value)


PEERS_ARGUMENTS = """
import inspect, json
from llama_index.llms.reka import RekaLLM
print(json.dumps(list(inspect.signature(RekaLLM.__init__).parameters)))
"""


def test_the_constructor_takes_what_the_earlier_package_takes_in_the_same_order() -> None:
    python = peer_environment(*LLAMAINDEX_PEER)
    done = subprocess.run([str(python), "-I", "-c", PEERS_ARGUMENTS], capture_output=True, text=True, check=True)

    theirs = json.loads(done.stdout)
    assert list(inspect.signature(RekaLLM.__init__).parameters)[: len(theirs)] == theirs
    manager = CallbackManager([])
    model = RekaLLM("reka-core", "a-key", 0.1, 512, {"seed": 7}, manager)
    assert (model.model, model.temperature, model.max_tokens) == ("reka-core", 0.1, 512)
    assert (model.additional_kwargs, model.callback_manager) == ({"seed": 7}, manager)
    assert model.api_key == SecretStr("a-key")


PEERS_PROGRAM = """
import asyncio
from {module} import RekaLLM
from llama_index.core.base.llms.types import ChatMessage, MessageRole

QUESTION = "My name is John. What is my name?"
reka_llm = RekaLLM(model="reka-flash", api_key="a-key")
{address}
messages = [
    ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
    ChatMessage(role=MessageRole.USER, content=QUESTION),
]


async def main():
    print((await reka_llm.achat(messages)).message.content)
    print((await reka_llm.acomplete(QUESTION)).text)
    print("".join([chunk.delta async for chunk in await reka_llm.astream_chat(messages)]))
    print("".join([chunk.delta async for chunk in await reka_llm.astream_complete(QUESTION)]))


print(reka_llm.chat(messages).message.content)
print(reka_llm.complete(QUESTION).text)
print("".join(chunk.delta for chunk in reka_llm.stream_chat(messages)))
print("".join(chunk.delta for chunk in reka_llm.stream_complete(QUESTION)))
asyncio.run(main())
"""


def test_a_program_for_the_earlier_package_gives_the_same_with_another_import(served: str) -> None:
    theirs = PEERS_PROGRAM.format(
        module="llama_index.llms.reka",
        # It has no address to set.
        address=f"from reka.client import AsyncReka, Reka\n"
        f"reka_llm._client = Reka(api_key='a-key', base_url='{served}/v1')\n"
        f"reka_llm._aclient = AsyncReka(api_key='a-key', base_url='{served}/v1')",
    )
    ours = PEERS_PROGRAM.format(module="llamaindex_reka", address="")

    printed = [
        subprocess.run(
            [str(python), "-c", program], capture_output=True, text=True, check=True, env=env, cwd="/"
        ).stdout
        for python, program, env in (
            (peer_environment(*LLAMAINDEX_PEER), theirs, {}),
            (sys.executable, ours, {"REKA_BASE_URL": served}),
        )
    ]

    assert printed == ["Your name is John.\n" * 8] * 2


@pytest.mark.parametrize(("formatted", "text"), [(False, "Q: Hi"), (True, "Hi")])
@pytest.mark.parametrize("way", ["complete", "stream_complete"])
async def test_completion_to_prompt_is_applied_unless_it_has_been(
    fake: FakeReka, llm: MakeLLM, way: str, formatted: bool, text: str
) -> None:
    will_say(fake, way)

    await ask(llm(completion_to_prompt=lambda prompt: f"Q: {prompt}"), way, formatted=formatted)

    assert sent(fake)["messages"] == [{"role": "user", "content": text}]


def test_predict_fills_a_prompt_and_puts_the_system_prompt_before_it(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion("Bonjour"))

    answer = llm(system_prompt="Be brief.").predict(PromptTemplate("Translate: {text}"), text="Hello")

    assert answer == "Bonjour"
    assert sent(fake)["messages"] == [{"role": "user", "content": "Be brief.\n\nTranslate: Hello"}]


async def test_a_file_is_read_for_the_asynchronous_methods_too(fake: FakeReka, llm: MakeLLM, tmp_path: Any) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    fake.will_answer(200, completion())
    fake.will_stream(events(chunk(content="Hi"), chunk("stop")))
    model, asked = llm(), [ChatMessage(role=MessageRole.USER, blocks=[ImageBlock(path=path)])]

    await model.achat(asked)
    [item async for item in await model.astream_chat(asked)]
    await model.aclose()

    for request in (sent(fake, 0), sent(fake, 1)):
        assert request["messages"][0]["content"][0]["image_url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("way", WAYS)
async def test_callbacks_see_each_call_once_and_count_the_servers_tokens(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    will_say(fake, way)
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
    will_say(fake, way)
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
        fake.will_answer(503, {"detail": "busy"}, headers={"Retry-After": "0"})

    with pytest.raises(reka.ServerError):
        llm(max_retries=max_retries).chat(HI)
    assert len(fake.requests) == calls


def test_a_call_may_have_a_timeout_of_its_own(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_misbehave(lambda handler: handler.connection.recv(1))

    with pytest.raises(reka.APITimeoutError):
        llm(max_retries=0, timeout=reka.Timeout(read=60)).chat(HI, timeout=0.05)


def test_without_a_key_the_error_tells_how_to_set_one(fake: FakeReka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REKA_API_KEY", raising=False)

    with pytest.raises(reka.AuthError, match="REKA_API_KEY"):
        RekaLLM(base_url=fake.url).chat(HI)


def test_the_key_shows_in_no_text_form_and_survives_a_pickle(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())
    fake.will_answer(200, completion())
    model = llm(temperature=0.5, timeout=reka.Timeout(read=5))
    model.chat(HI)

    texts = [repr(model), str(model), model.to_json(), str(model.to_dict()), json.dumps(model.to_payload())]
    copied: RekaLLM = pickle.loads(pickle.dumps(model))
    copied.chat(HI)
    copied.close()

    assert [text for text in texts if KEY in text] == []
    assert [request.headers["x-api-key"] for request in fake.requests] == [KEY, KEY]
    assert copied.to_dict() == model.to_dict()


def test_a_model_comes_back_from_its_dict_without_the_key(llm: MakeLLM) -> None:
    model = llm(
        temperature=0.5, stop="END", model="reka-core", additional_kwargs={"a": 1}, timeout=reka.Timeout(read=5)
    )

    again = RekaLLM.from_dict(model.to_dict())

    assert again.to_dict() == model.to_dict()
    assert (again.api_key, again.stop, again.timeout) == (None, ["END"], reka.Timeout(read=5))


def test_a_copy_with_another_key_sends_that_key_and_a_deep_copy_works(fake: FakeReka, llm: MakeLLM) -> None:
    for _ in range(4):
        fake.will_answer(200, completion())
    model = llm()
    model.chat(HI)
    other = model.model_copy(update={"api_key": SecretStr("another-key")})
    deep = copy.deepcopy(model)

    for each in (other, model, deep):
        each.chat(HI)
    deep.close()

    assert [request.headers["x-api-key"] for request in fake.requests] == [KEY, "another-key", KEY, KEY]


def test_one_model_serves_many_threads(fake: FakeReka, llm: MakeLLM) -> None:
    for _ in range(32):
        fake.will_answer(200, completion("ok"))
    model = llm()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: model.complete(f"Question {number}").text, range(32)))

    asked = sorted(request.json["messages"][0]["content"] for request in fake.requests)
    assert answers == ["ok"] * 32
    assert asked == sorted(f"Question {number}" for number in range(32))


def test_one_model_serves_event_loops_one_after_the_other_and_at_once(fake: FakeReka, llm: MakeLLM) -> None:
    for _ in range(8):
        fake.will_answer(200, completion("ok"))
    model = llm()

    def ask_in_a_loop(_: int) -> str:
        return str(asyncio.run(model.acomplete("Hi")).text)

    with ThreadPoolExecutor(4) as threads:
        assert [ask_in_a_loop(0), *threads.map(ask_in_a_loop, range(7))] == ["ok"] * 8


@pytest.mark.parametrize(
    ("parameters", "window", "output", "calls_tools"),
    [
        ({}, 65_536, 1024, True),
        ({"model": "reka-edge", "max_tokens": 50}, 16_384, 50, True),
        ({"model": "a-model-of-tomorrow"}, 16_384, 1024, True),
        ({"model": "a-model-of-tomorrow", "context_window": 9000}, 9000, 1024, True),
        ({"is_function_calling_model": False}, 65_536, 1024, False),
        ({"api": "v0"}, 65_536, 1024, False),
    ],
)
def test_metadata_is_there_for_every_model(
    parameters: dict[str, Any], window: int, output: int, calls_tools: bool
) -> None:
    metadata = RekaLLM(**parameters).metadata

    assert (metadata.context_window, metadata.num_output) == (window, output)
    assert (metadata.is_chat_model, metadata.is_function_calling_model) == (True, calls_tools)
    assert metadata.model_name == parameters.get("model", "reka-flash")


def test_the_model_can_be_the_frameworks_default(llm: MakeLLM) -> None:
    model = llm()
    Settings.llm = model

    assert Settings.llm is model

import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core import PromptTemplate, Settings
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.memory import ChatMemoryBuffer
from pydantic import SecretStr, ValidationError

import reka
from llamaindex_reka import RekaLLM

KEY = "a-secret-key"
HI = [ChatMessage(content="Hi")]
HI_TURN = {"type": "human", "text": "Hi"}


@pytest.fixture
def llm(server: Any) -> Iterator[Callable[..., RekaLLM]]:
    models: list[RekaLLM] = []

    def build(**parameters: Any) -> RekaLLM:
        models.append(RekaLLM(**{"api_key": KEY, "base_url": server.url, **parameters}))
        return models[-1]

    yield build
    for model in models:
        model.close()


def memory() -> ChatMemoryBuffer:
    # The engine's default memory leaves its in-memory database open, which warns when it is collected.
    return ChatMemoryBuffer.from_defaults(token_limit=4000)


def test_chat_and_complete_ask_once_each_and_give_the_answer(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("Hello!")
    server.will_say("Hello again!")
    model = llm()

    assert model.chat(HI).message.content == "Hello!"
    assert model.complete("Hi").text == "Hello again!"
    assert [chat["conversation_history"] for chat in server.chats] == [[HI_TURN], [HI_TURN]]
    assert server.requests[0].key == KEY


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("model", "reka-core", "model_name"),
        ("temperature", 0.0, "temperature"),
        ("max_tokens", 10, "request_output_len"),
        ("top_p", 0.5, "runtime_top_p"),
        ("top_k", 3, "runtime_top_k"),
        ("frequency_penalty", 0.1, "frequency_penalty"),
        ("presence_penalty", 0.2, "presence_penalty"),
        ("length_penalty", 0.9, "length_penalty"),
        ("stop", ["END"], "stop_words"),
        ("seed", 7, "random_seed"),
        ("retrieval_dataset", "manual", "retrieval_dataset"),
    ],
)
@pytest.mark.parametrize("how", ["constructor", "chat", "complete"])
def test_a_parameter_is_sent_under_its_documented_name(
    server: Any, llm: Callable[..., RekaLLM], how: str, name: str, value: Any, field: str
) -> None:
    server.will_say("ok")

    if how == "constructor":
        llm(**{name: value}).chat(HI)
    elif how == "chat":
        llm().chat(HI, **{name: value})
    else:
        llm().complete("Hi", **{name: value})

    assert server.chats[0][field] == value


def test_what_is_not_set_is_left_to_the_server(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("ok")

    llm(additional_kwargs=None).chat(HI)

    sent = {name: value for name, value in server.chats[0].items() if value}
    assert sent == {"conversation_history": [HI_TURN], "model_name": "reka-flash"}


def test_additional_kwargs_reach_the_request_as_they_are(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("ok")

    llm(additional_kwargs={"retrieval_top_k": 3}).chat(HI)

    assert server.chats[0]["retrieval_top_k"] == 3


def test_an_unknown_parameter_is_refused(server: Any, llm: Callable[..., RekaLLM]) -> None:
    with pytest.raises(ValidationError, match="temprature"):
        llm(temprature=1)
    with pytest.raises(reka.InvalidArgumentError, match="tools: not a parameter"):
        llm().chat(HI, tools=[])
    assert server.requests == []


@pytest.mark.parametrize("name", ["api_kee", "timeout"])
def test_a_key_given_under_a_wrong_name_does_not_show_in_the_error(name: str) -> None:
    with pytest.raises(ValidationError, match=name) as caught:
        RekaLLM(**{name: KEY})
    assert KEY not in str(caught.value)


def test_a_stream_is_the_whole_answer_as_one_delta(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("Hello!")
    server.will_say("Hello!")
    model = llm()

    chat, completion = list(model.stream_chat(HI)), list(model.stream_complete("Hi"))

    assert [(item.delta, item.message.content) for item in chat] == [("Hello!", "Hello!")]
    assert [(item.delta, item.text) for item in completion] == [("Hello!", "Hello!")]


async def test_the_asynchronous_methods_give_what_the_others_give(server: Any, llm: Callable[..., RekaLLM]) -> None:
    for _ in range(4):
        server.will_say("Hello!")
    model = llm()

    assert (await model.achat(HI)).message.content == "Hello!"
    assert (await model.acomplete("Hi")).text == "Hello!"
    assert [item.delta async for item in await model.astream_chat(HI)] == ["Hello!"]
    assert [item.delta async for item in await model.astream_complete("Hi")] == ["Hello!"]
    assert [chat["conversation_history"] for chat in server.chats] == [[HI_TURN]] * 4


@pytest.mark.parametrize(("formatted", "text"), [(False, "Q: Hi"), (True, "Hi")])
def test_completion_to_prompt_is_applied_unless_it_has_been(
    server: Any, llm: Callable[..., RekaLLM], formatted: bool, text: str
) -> None:
    server.will_say("ok")

    llm(completion_to_prompt=lambda prompt: f"Q: {prompt}").complete("Hi", formatted=formatted)

    assert server.chats[0]["conversation_history"] == [{"type": "human", "text": text}]


def test_predict_fills_a_prompt_and_puts_the_system_prompt_before_it(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("Bonjour")

    answer = llm(system_prompt="Be brief.").predict(PromptTemplate("Translate: {text}"), text="Hello")

    assert answer == "Bonjour"
    assert server.chats[0]["conversation_history"] == [{"type": "human", "text": "Be brief.\n\nTranslate: Hello"}]


def test_a_chat_engine_keeps_the_conversation(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("Hello, John.")
    server.will_say("John.")
    engine = SimpleChatEngine.from_defaults(llm=llm(), memory=memory(), system_prompt="Be brief.")

    engine.chat("Hi, my name is John.")
    answer = engine.chat("What is my name?")

    assert str(answer) == "John."
    assert server.chats[1]["conversation_history"] == [
        {"type": "human", "text": "Be brief.\n\nHi, my name is John."},
        {"type": "model", "text": "Hello, John."},
        {"type": "human", "text": "What is my name?"},
    ]


def test_a_chat_engine_that_streams_gets_the_answer(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("Hello, John.")

    answer = SimpleChatEngine.from_defaults(llm=llm(), memory=memory()).stream_chat("Hi, my name is John.")

    assert "".join(answer.response_gen) == "Hello, John."


def test_callbacks_see_each_call_once(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("ok")
    seen = LlamaDebugHandler(print_trace_on_end=False)

    llm(callback_manager=CallbackManager([seen])).chat(HI)

    assert len(seen.get_event_pairs(CBEventType.LLM)) == 1
    assert KEY not in str(seen.get_event_pairs(CBEventType.LLM))


def test_a_message_that_cannot_be_sent_is_not_sent(server: Any, llm: Callable[..., RekaLLM]) -> None:
    with pytest.raises(reka.InvalidConversationError, match="message 0: got a tool message"):
        llm().chat([ChatMessage(role=MessageRole.TOOL, content="3")])
    assert server.requests == []


@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_of_the_server_arrives_with_its_class_and_status(
    server: Any, llm: Callable[..., RekaLLM], streamed: bool
) -> None:
    server.will_answer({"detail": "wrong key"}, status=401)
    model = llm()

    with pytest.raises(reka.AuthError, match="wrong key") as caught:
        list(model.stream_chat(HI)) if streamed else model.chat(HI)
    assert (caught.value.status_code, len(server.chats)) == (401, 1)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("max_retries", "calls"), [(0, 1), (1, 2)])
def test_max_retries_is_how_often_a_failed_call_is_sent_again(
    server: Any, llm: Callable[..., RekaLLM], max_retries: int, calls: int
) -> None:
    for _ in range(2):
        server.will_answer({"detail": "busy"}, status=503)

    with pytest.raises(reka.ServerError):
        llm(max_retries=max_retries).chat(HI)
    assert len(server.chats) == calls


def test_without_a_key_the_error_tells_how_to_set_one(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REKA_API_KEY", raising=False)

    with pytest.raises(reka.AuthError, match="REKA_API_KEY"):
        RekaLLM(base_url=server.url).chat(HI)


def test_the_key_shows_in_no_text_form_and_survives_a_pickle(server: Any, llm: Callable[..., RekaLLM]) -> None:
    server.will_say("ok")
    server.will_say("ok")
    model = llm(temperature=0.5)
    model.chat(HI)

    texts = [repr(model), str(model), model.to_json(), str(model.to_dict()), json.dumps(model.to_payload())]
    copied: RekaLLM = pickle.loads(pickle.dumps(model))
    copied.chat(HI)
    copied.close()

    assert [text for text in texts if KEY in text] == []
    assert [request.key for request in server.requests] == [KEY, KEY]
    assert copied.to_dict() == model.to_dict()


def test_a_model_comes_back_from_its_dict_without_the_key(llm: Callable[..., RekaLLM]) -> None:
    model = llm(temperature=0.5, stop="END", model="reka-core", additional_kwargs={"a": 1})

    again = RekaLLM.from_dict(model.to_dict())

    assert again.to_dict() == model.to_dict()
    assert (again.api_key, again.stop, again.class_name()) == (None, ["END"], "RekaLLM")


def test_a_copy_with_another_key_sends_that_key(server: Any, llm: Callable[..., RekaLLM]) -> None:
    for _ in range(3):
        server.will_say("ok")
    model = llm()
    model.chat(HI)
    other = model.model_copy(update={"api_key": SecretStr("another-key")})

    other.chat(HI)
    model.chat(HI)

    assert [request.key for request in server.requests] == [KEY, "another-key", KEY]


def test_one_model_serves_many_threads(server: Any, llm: Callable[..., RekaLLM]) -> None:
    for _ in range(32):
        server.will_say("ok")
    model = llm()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: model.complete(f"Question {number}").text, range(32)))

    asked = sorted(chat["conversation_history"][0]["text"] for chat in server.chats)
    assert answers == ["ok"] * 32
    assert asked == sorted(f"Question {number}" for number in range(32))


@pytest.mark.parametrize(
    ("parameters", "window", "output"),
    [
        ({}, 65_536, 1024),
        ({"model": "reka-edge", "max_tokens": 50}, 16_384, 50),
        ({"model": "a-model-of-tomorrow"}, 16_384, 1024),
    ],
)
def test_metadata_is_there_for_every_model(parameters: dict[str, Any], window: int, output: int) -> None:
    metadata = RekaLLM(**parameters).metadata

    assert (metadata.context_window, metadata.num_output) == (window, output)
    assert (metadata.is_chat_model, metadata.is_function_calling_model) == (True, False)
    assert metadata.model_name == parameters.get("model", "reka-flash")


def test_the_model_can_be_the_frameworks_default(llm: Callable[..., RekaLLM]) -> None:
    model = llm()
    Settings.llm = model
    try:
        assert Settings.llm is model
    finally:
        Settings._llm = None


def test_the_model_name_may_come_first() -> None:
    assert RekaLLM("reka-edge").model == "reka-edge"

import copy
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField
from pydantic import SecretStr, ValidationError

import reka
from langchain_reka import ChatReka

KEY = "a-secret-key"


@pytest.fixture
def chat_reka(server: Any) -> Iterator[Callable[..., ChatReka]]:
    models: list[ChatReka] = []

    def build(**parameters: Any) -> ChatReka:
        models.append(ChatReka(**{"api_key": KEY, "base_url": server.url, **parameters}))
        return models[-1]

    yield build
    for model in models:
        model.close()


def test_a_prompt_a_model_and_a_parser_make_a_chain(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("Bonjour")
    prompt = ChatPromptTemplate.from_messages([("system", "Translate to {language}."), ("human", "{text}")])
    chain = prompt | chat_reka() | StrOutputParser()

    assert chain.invoke({"language": "French", "text": "Hello"}) == "Bonjour"
    assert server.chats[0]["conversation_history"] == [{"type": "human", "text": "Translate to French.\n\nHello"}]
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
@pytest.mark.parametrize("how", ["constructor", "call", "bind"])
def test_a_parameter_is_sent_under_its_documented_name(
    server: Any, chat_reka: Callable[..., ChatReka], how: str, name: str, value: Any, field: str
) -> None:
    server.will_say("ok")
    given = {name: value}

    if how == "constructor":
        chat_reka(**given).invoke("Hi")
    elif how == "call":
        chat_reka().invoke("Hi", **given)
    else:
        chat_reka().bind(**given).invoke("Hi")

    assert server.chats[0][field] == value


def test_what_is_not_set_is_left_to_the_server(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("ok")

    chat_reka().invoke("Hi")

    history = [{"type": "human", "text": "Hi"}]
    assert {name: value for name, value in server.chats[0].items() if value} == {
        "conversation_history": history,
        "model_name": "reka-flash",
    }


def test_model_kwargs_reach_the_request_as_they_are(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("ok")

    chat_reka(model_kwargs={"retrieval_top_k": 3}).invoke("Hi")

    assert server.chats[0]["retrieval_top_k"] == 3


def test_a_call_goes_before_the_constructor(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("ok")

    answer = chat_reka(model="reka-flash", stop=["A"]).invoke("Hi", model="reka-core", stop=["B"])

    assert (server.chats[0]["model_name"], server.chats[0]["stop_words"]) == ("reka-core", ["B"])
    assert answer.response_metadata["model_name"] == "reka-core"


def test_the_names_of_the_community_class_are_taken() -> None:
    model = ChatReka(model_name="reka-core", reka_api_key=KEY, default_request_timeout=5, stop_sequences="END")

    assert (model.model, model.timeout, model.stop) == ("reka-core", 5, ["END"])
    assert model.api_key == SecretStr(KEY)
    assert ChatReka("reka-edge").model == "reka-edge"


def test_an_unknown_parameter_is_refused(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    with pytest.raises(ValidationError, match="temprature"):
        chat_reka(temprature=1)
    with pytest.raises(reka.InvalidArgumentError, match="tools: not a parameter"):
        chat_reka().invoke("Hi", tools=[])
    assert server.requests == []


@pytest.mark.parametrize("name", ["api_kee", "timeout"])
def test_a_key_given_under_a_wrong_name_does_not_show_in_the_error(name: str) -> None:
    with pytest.raises(ValidationError, match=name) as caught:
        ChatReka(**{name: KEY})
    assert KEY not in str(caught.value)


def test_a_parameter_can_be_chosen_when_the_chain_runs(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("ok")
    chain = chat_reka(max_tokens=9).configurable_fields(temperature=ConfigurableField(id="heat"))

    chain.invoke("Hi", {"configurable": {"heat": 0.5}})

    assert (server.chats[0]["temperature"], server.chats[0]["request_output_len"]) == (0.5, 9)


def test_an_answer_carries_what_was_retrieved(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("Hold the button.", retrieved_chunks=[{"text": "Hold it.", "source": "reset.txt", "score": 1.0}])

    answer = chat_reka(retrieval_dataset="manual").invoke("How do I reset it?")

    assert answer.response_metadata["retrieved_chunks"] == [{"text": "Hold it.", "source": "reset.txt", "score": 1.0}]
    assert answer.response_metadata["model_provider"] == "reka"


async def test_asynchronous_and_streamed_calls_give_the_whole_answer_once(
    server: Any, chat_reka: Callable[..., ChatReka]
) -> None:
    model = chat_reka()
    for _ in range(4):
        server.will_say("Hello!")

    assert (await model.ainvoke("Hi")).text == "Hello!"
    assert "".join([chunk.text for chunk in model.stream("Hi")]) == "Hello!"
    assert "".join([chunk.text async for chunk in model.astream("Hi")]) == "Hello!"
    assert [answer.text for answer in await model.abatch(["Hi"])] == ["Hello!"]
    assert len(server.chats) == 4


def test_a_message_that_cannot_be_sent_is_not_sent(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    with pytest.raises(reka.InvalidConversationError, match="message 1, block 0: got type 'hologram'"):
        chat_reka().invoke([HumanMessage("Hi"), AIMessage([{"type": "hologram"}])])
    assert server.requests == []


def test_an_error_of_the_server_arrives_with_its_class_and_status(
    server: Any, chat_reka: Callable[..., ChatReka]
) -> None:
    server.will_answer({"detail": "wrong key"}, status=401)

    with pytest.raises(reka.AuthError, match="wrong key") as caught:
        chat_reka().invoke("Hi")
    assert (caught.value.status_code, len(server.chats)) == (401, 1)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("max_retries", "calls"), [(0, 1), (1, 2)])
def test_max_retries_is_how_often_a_failed_call_is_sent_again(
    server: Any, chat_reka: Callable[..., ChatReka], max_retries: int, calls: int
) -> None:
    for _ in range(2):
        server.will_answer({"detail": "busy"}, status=503)

    with pytest.raises(reka.ServerError):
        chat_reka(max_retries=max_retries).invoke("Hi")
    assert len(server.chats) == calls


def test_without_a_key_the_error_tells_how_to_set_one(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REKA_API_KEY", raising=False)

    with pytest.raises(reka.AuthError, match="REKA_API_KEY"):
        ChatReka(base_url=server.url).invoke("Hi")


def test_the_key_shows_in_no_text_form_and_survives_a_pickle(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("ok")
    server.will_say("ok")
    model = chat_reka(temperature=0.5)
    model.invoke("Hi")

    texts = [repr(model), str(model), dumps(model), model.model_dump_json(), str(model.asdict())]
    copied: ChatReka = pickle.loads(pickle.dumps(model))
    copied.invoke("Hi")
    copied.close()

    assert [text for text in texts if KEY in text] == []
    assert [request.key for request in server.requests] == [KEY, KEY]
    assert copied == model


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_dumped_model_is_loaded_with_the_key_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: Any, chat_reka: Callable[..., ChatReka]
) -> None:
    model = chat_reka(temperature=0.5, stop=["END"], model="reka-core")
    monkeypatch.setenv("REKA_API_KEY", KEY)

    loaded = loads(dumps(model), allowed_objects=[ChatReka], valid_namespaces=["langchain_reka"], secrets_from_env=True)

    assert loaded == model


def test_a_copy_with_another_key_sends_that_key(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    for _ in range(4):
        server.will_say("ok")
    model = chat_reka()
    model.invoke("Hi")
    other = model.model_copy(update={"api_key": SecretStr("another-key")})
    deep = copy.deepcopy(model)

    other.invoke("Hi")
    model.invoke("Hi")
    deep.invoke("Hi")
    deep.close()

    assert [request.key for request in server.requests] == [KEY, "another-key", KEY, KEY]


def test_one_model_serves_many_threads(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    for _ in range(32):
        server.will_say("ok")
    model = chat_reka()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: model.invoke(f"Question {number}").text, range(32)))

    asked = sorted(chat["conversation_history"][0]["text"] for chat in server.chats)
    assert answers == ["ok"] * 32
    assert asked == sorted(f"Question {number}" for number in range(32))


def test_a_closed_model_opens_again_when_it_is_called(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    server.will_say("one")
    server.will_say("two")
    model = chat_reka()

    first = model.invoke("Hi").text
    model.close()

    assert (first, model.invoke("Hi").text) == ("one", "two")


def test_traces_name_provider_and_model(server: Any, chat_reka: Callable[..., ChatReka]) -> None:
    params = chat_reka(model="reka-core", temperature=0.5, max_tokens=9)._get_ls_params(stop=["END"])

    assert params == {
        "ls_provider": "reka",
        "ls_model_name": "reka-core",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
        "ls_stop": ["END"],
    }

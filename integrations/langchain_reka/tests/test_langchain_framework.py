"""What LangChain expects of a first-class model."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableConfig, RunnableLambda
from langchain_core.tracers.context import collect_runs

import reka
from langchain_reka import ChatReka
from reka.adapters import background_loop
from reka.testing import FakeReka
from tests.support.rule_model import RuleModel

from .langchain_support import MakeModel


class Seen(BaseCallbackHandler):
    """Keeps what it is told, with the thread that told it."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.tokens: list[str] = []
        self.ended: list[str] = []
        self.errors: list[BaseException] = []

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[Any]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self.started.append(messages[0][0].text)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.ended.append(response.generations[0][0].text)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.errors.append(error)


# Batches.


def test_a_batch_runs_on_one_loop_and_gives_answers_in_the_order_of_its_inputs(
    rules: RuleModel, rule_model: MakeModel
) -> None:
    threads: set[str] = set()

    class Where(AsyncCallbackHandler):
        async def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            threads.add(threading.current_thread().name)

    questions = [f"Repeat: {number}" for number in range(50)]

    answers = rule_model(callbacks=[Where()]).batch(list(questions))

    assert [answer.text for answer in answers] == [str(number) for number in range(50)]
    assert threads == {"reka-background"}


def test_a_batch_calls_back_once_for_each_input_and_takes_a_config_for_each(rule_model: MakeModel) -> None:
    handlers = [Seen() for _ in range(3)]
    configs = [RunnableConfig(callbacks=[handler]) for handler in handlers]

    rule_model().batch(["Repeat: a", "Repeat: b", "Repeat: c"], configs)

    assert [handler.started for handler in handlers] == [["Repeat: a"], ["Repeat: b"], ["Repeat: c"]]
    assert [handler.ended for handler in handlers] == [["a"], ["b"], ["c"]]


def test_a_chain_in_a_batch_traces_the_model_below_the_chain(rule_model: MakeModel) -> None:
    chain = ChatPromptTemplate.from_template("Repeat: {x}") | rule_model() | StrOutputParser()

    with collect_runs() as runs:
        texts = chain.batch([{"x": "a"}, {"x": "b"}])

    assert texts == ["a", "b"]
    assert [[child.run_type for child in run.child_runs] for run in runs.traced_runs] == [
        ["prompt", "llm", "parser"]
    ] * 2


async def test_a_batch_works_from_inside_a_running_loop(rule_model: MakeModel) -> None:
    answers = rule_model().batch(["Repeat: a", "Repeat: b"])

    assert [answer.text for answer in answers] == ["a", "b"]


def test_a_batch_inside_a_batch_is_no_deadlock(rule_model: MakeModel) -> None:
    model = rule_model()

    async def nested(text: str) -> list[str]:
        return [answer.text for answer in model.batch([f"Repeat: {text}", "Repeat: x"])]

    assert background_loop.run(nested("a")) == ["a", "x"]


def test_many_batches_may_run_at_a_time(rule_model: MakeModel) -> None:
    model = rule_model()

    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda n: model.batch([f"Repeat: {n}", f"Repeat: {n + 1}"]), range(8)))

    assert [[answer.text for answer in batch] for batch in batches] == [[str(n), str(n + 1)] for n in range(8)]


def test_a_batch_gives_its_errors_back_or_raises_the_first(rule_model: MakeModel) -> None:
    model = rule_model()
    inputs: list[Any] = ["Repeat: a", [HumanMessage([{"type": "hologram"}])]]

    answers = model.batch(inputs, return_exceptions=True)

    assert answers[0].text == "a"
    assert isinstance(answers[1], reka.InvalidConversationError)
    with pytest.raises(reka.InvalidConversationError):
        model.batch(inputs)


@pytest.mark.parametrize(("config", "most"), [({"max_concurrency": 3}, 3), (None, 64)])
def test_a_batch_keeps_to_its_concurrency(rule_model: MakeModel, config: Any, most: int) -> None:
    under_way, peak = 0, 0

    class Count(AsyncCallbackHandler):
        async def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            nonlocal under_way, peak
            under_way += 1
            peak = max(peak, under_way)

        async def on_llm_end(self, *_: Any, **__: Any) -> None:
            nonlocal under_way
            under_way -= 1

    rule_model(callbacks=[Count()]).batch(["Hi"] * 100, config)

    assert 1 < peak <= most


# Callbacks, tokens, traces.


@pytest.mark.parametrize("asynchronous", [False, True])
def test_each_new_piece_is_a_token_also_when_a_streaming_model_is_invoked(
    rule_model: MakeModel, *, asynchronous: bool
) -> None:
    seen = Seen()
    model, config = rule_model(streaming=True), RunnableConfig(callbacks=[seen])

    message = asyncio.run(model.ainvoke("Count to 3", config)) if asynchronous else model.invoke("Count to 3", config)

    assert message.text == "1 2 3"
    assert seen.tokens[:3] == ["1 ", "2 ", "3"]
    assert seen.ended == ["1 2 3"]


@pytest.mark.parametrize("disabled", [True, "tool_calling"])
def test_streaming_can_be_disabled(rules: RuleModel, rule_model: MakeModel, disabled: Any) -> None:
    model = rule_model(disable_streaming=disabled)
    tool = {"name": "add", "parameters": {"type": "object", "properties": {}}}

    assert len(list(model.bind_tools([tool]).stream("Count to 3"))) == 1
    assert not any(request.get("stream") for request in rules.requests)


def test_an_error_is_called_back(rules: RuleModel, rule_model: MakeModel) -> None:
    seen = Seen()

    with pytest.raises(reka.InvalidConversationError):
        rule_model().invoke([HumanMessage([{"type": "hologram"}])], {"callbacks": [seen]})

    assert [isinstance(error, reka.InvalidConversationError) for error in seen.errors] == [True]


def test_usage_can_be_counted_over_many_calls(rule_model: MakeModel) -> None:
    counter = UsageMetadataCallbackHandler()

    rule_model().batch(["Count to 3"] * 4, {"callbacks": [counter]})

    assert counter.usage_metadata["reka-flash"]["output_tokens"] == 12


def test_traces_name_provider_and_model() -> None:
    params = ChatReka("reka-core", temperature=0.5, max_tokens=9, stop=["END"])._get_ls_params()

    assert params == {
        "ls_provider": "reka",
        "ls_model_name": "reka-core",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
        "ls_stop": ["END"],
    }


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_events_of_a_chain_tell_each_piece_of_text(rule_model: MakeModel) -> None:
    chain = ChatPromptTemplate.from_template("{x}") | rule_model() | StrOutputParser()

    events: list[Any] = [event async for event in chain.astream_events({"x": "Count to 3"}, version="v2")]

    pieces = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(pieces) == "1 2 3"
    assert len(pieces) >= 3
    (end,) = [event for event in events if event["event"] == "on_chat_model_end"]
    assert end["data"]["output"].usage_metadata["output_tokens"] == 3


async def test_a_call_that_nobody_listens_to_gives_the_same_as_one_that_somebody_listens_to(
    rule_model: MakeModel,
) -> None:
    model, attended = rule_model(), RunnableConfig(callbacks=[Seen()])

    whole = [await model.ainvoke("Count to 3", config) for config in (None, attended)]
    unheard = [chunk async for chunk in model.astream("Count to 3")]
    heard = [chunk async for chunk in model.astream("Count to 3", attended)]
    unheard_too, heard_too = list(model.stream("Count to 3")), list(model.stream("Count to 3", attended))

    assert fields(whole[0]) == fields(whole[1])
    told = [list(map(fields, chunks)) for chunks in (unheard, unheard_too, heard, heard_too)]
    assert told[1:] == told[:1] * 3
    assert {chunk.id for chunk in unheard} == {unheard[0].id}
    assert all(str(message.id).startswith("lc_run--") for message in (*whole, unheard[0], heard[0]))


async def test_a_message_has_the_id_of_its_run(rule_model: MakeModel) -> None:
    run_id = UUID("01a20bec-a4d5-73f8-af74-c8be51f9b12e")

    message = await rule_model().ainvoke("Hi", RunnableConfig(run_id=run_id))

    assert message.id == f"lc_run--{run_id}-0"


async def test_the_first_error_of_an_abatch_ends_the_other_calls(rules: RuleModel, rule_model: MakeModel) -> None:
    inputs: list[Any] = [[HumanMessage([{"type": "hologram"}])], *["Hi"] * 20]

    with pytest.raises(reka.InvalidConversationError):
        await rule_model().abatch(inputs, {"max_concurrency": 1})

    assert rules.requests == []
    assert await rule_model().abatch([]) == []


def fields(message: AIMessage) -> dict[str, Any]:
    return message.model_dump(exclude={"id"})


# Composition.


def test_a_cached_answer_is_not_asked_for_again(rules: RuleModel, rule_model: MakeModel) -> None:
    model = rule_model(cache=InMemoryCache())

    texts = [model.invoke("Count to 3").text for _ in range(2)]
    model.invoke("Count to 3", temperature=0.5)

    assert texts == ["1 2 3"] * 2
    assert len(rules.requests) == 2


def test_a_rate_limiter_is_asked_before_each_call(rule_model: MakeModel) -> None:
    class Limiter(BaseRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.asked += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            return self.acquire()

    limiter = Limiter()
    model = rule_model(rate_limiter=limiter)

    model.invoke("Hi")
    model.batch(["Hi", "Hi"])
    list(model.stream("Hi"))

    assert limiter.asked == 4


def test_with_retry_asks_again_after_an_error_of_ours(fake: FakeReka, make_model: MakeModel) -> None:
    fake.will_answer(503, {"detail": "busy"})
    fake.will_answer(200, {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]})
    model = make_model(max_retries=0).with_retry(
        retry_if_exception_type=(reka.ServerError,), wait_exponential_jitter=False, stop_after_attempt=2
    )

    assert model.invoke("Hi").text == "ok"


def test_a_fallback_answers_for_a_model_that_fails(
    fake: FakeReka, make_model: MakeModel, rule_model: MakeModel
) -> None:
    fake.will_answer(429, {"error": {"message": "Insufficient Balance", "code": "P001"}})
    model = make_model(max_retries=0).with_fallbacks([rule_model()], exceptions_to_handle=(reka.RekaError,))

    assert model.invoke("Count to 3").text == "1 2 3"
    assert len(fake.requests) == 1


def test_parameters_and_alternatives_can_be_chosen_when_a_chain_runs(rules: RuleModel, rule_model: MakeModel) -> None:
    model = rule_model(max_tokens=9).configurable_fields(temperature=ConfigurableField(id="heat"))
    either = rule_model().configurable_alternatives(
        ConfigurableField(id="which"), default_key="model", shout=RunnableLambda(lambda _: AIMessage("HO"))
    )

    model.invoke("Hi", {"configurable": {"heat": 0.5}})
    shouted = either.invoke("Hi", {"configurable": {"which": "shout"}})

    assert (rules.requests[0]["temperature"], rules.requests[0]["max_tokens"]) == (0.5, 9)
    assert shouted.text == "HO"


def test_a_model_that_is_chosen_when_a_chain_runs_takes_the_media_that_it_takes(rule_model: MakeModel) -> None:
    question = [HumanMessage([{"type": "image", "url": "https://example.com/cat.png"}, "What is it?"])]
    reads_alone, sees = (
        rule_model(model=name).configurable_fields(model=ConfigurableField(id="model"))
        for name in ("reka-flash-3", "reka-flash")
    )
    renamed = rule_model(model="reka-flash-3").model_copy(update={"model": "reka-flash"})
    other = RunnableConfig(configurable={"model": "reka-flash"})

    assert "I see 1 image" in reads_alone.invoke(question, other).text
    assert "I see 1 image" in renamed.invoke(question).text
    with pytest.raises(reka.UnsupportedRequestError, match="which reka-flash-3 does not take"):
        sees.invoke(question, {"configurable": {"model": "reka-flash-3"}})


@pytest.mark.parametrize(
    ("model", "tells"),
    [
        ("reka-flash", {"image_inputs": True, "audio_inputs": True, "tool_calling": True, "structured_output": False}),
        ("reka-flash-3", {"image_inputs": False, "max_input_tokens": 65_536}),
        ("reka-flash-research", {"structured_output": True, "reasoning_output": True}),
        ("reka-edge-2603", {"image_inputs": True, "max_input_tokens": 16_384}),
    ],
)
def test_a_profile_tells_what_a_model_can_do(model: str, tells: dict[str, Any]) -> None:
    profile = ChatReka(model).profile

    assert profile is not None
    assert {name: profile.get(name) for name in tells} == tells
    assert profile.get("name") == model
    assert ChatReka("another").profile is None


def test_tokens_are_estimated_without_a_download_or_counted_by_a_counter() -> None:
    model = ChatReka()
    messages = [SystemMessage("Be brief."), HumanMessage("Hello, how are you?")]
    tool = {"name": "look", "description": "", "parameters": {"type": "object", "properties": {}}}

    assert 2 <= model.get_num_tokens("Hello, how are you?") <= 8
    assert model.get_num_tokens(messages[1]) <= model.get_num_tokens(messages)
    assert model.get_num_tokens_from_messages(messages) < model.get_num_tokens_from_messages(messages, [tool])
    assert ChatReka(custom_get_token_ids=lambda text: [0] * len(text)).get_num_tokens_from_messages(messages) == 28

"""Decisions that make the adapters cheap, against the ways of LangChain and LlamaIndex themselves."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from llama_index.core.base.llms.types import ChatMessage, ChatResponse

import reka
from bench.constant_server import constant_server
from bench.contestants import KEY, QUESTION
from bench.decisions.measure import Decision, Round, inside, replaced, timed
from langchain_reka import ChatReka
from llamaindex_reka import RekaLLM, llm
from llamaindex_reka.answers import Answer, chat_item

CALLS: Final = 20
BATCH: Final = 512
CHUNKS: Final = 1000

DIRECT: Final = "calls bypass LangChain's listeners where none are set"


def calls(call: Callable[[], Awaitable[object]]) -> Round:
    """Make a round of calls, one after the other."""

    async def work() -> None:
        for _ in range(CALLS):
            await call()

    return timed(work, CALLS)


def batch(run: Callable[[list[Any]], object]) -> Round:
    """Make a round of one batch; it blocks the event loop, as in a program without one."""

    async def work() -> None:
        run([QUESTION] * BATCH)

    return timed(work, BATCH)


def abatch(run: Callable[[list[Any]], Awaitable[object]]) -> Round:
    """Async twin of `batch`."""
    return timed(lambda: run([QUESTION] * BATCH), BATCH)


def chunks(stream: Callable[[], Iterable[object]]) -> Round:
    """Make a round of one stream."""

    async def work() -> None:
        for _ in stream():
            pass

    return timed(work, CHUNKS)


def chunks_async(stream: Callable[[], Any]) -> Round:
    """Async twin of `chunks`."""

    async def work() -> None:
        async for _ in stream():
            pass

    return timed(work, CHUNKS)


class ItemsFromAllEvents:
    """Stands in for `chat_item`: builds each item from all events so far."""

    def __init__(self) -> None:
        self._events: list[reka.StreamEvent] = []

    def __call__(self, _: Answer, event: reka.StreamEvent) -> ChatResponse | None:
        answer = Answer()
        for earlier in self._events:
            answer.add(earlier)
        self._events.append(event)
        return chat_item(answer, event)


async def decisions() -> AsyncGenerator[Decision, None]:
    """Yield the decisions about both adapters."""
    with constant_server(CHUNKS) as url:
        model = ChatReka(api_key=KEY, base_url=url)
        for decision in _of_langchain(model):
            yield decision
        await model.aclose()
        llm_model = RekaLLM(api_key=KEY, base_url=url)
        for decision in _of_llamaindex(llm_model):
            yield decision
        await llm_model.aclose()


def _of_langchain(model: ChatReka) -> Iterator[Decision]:
    plain: Any = BaseChatModel  # its methods, called with our model
    yield Decision(
        DIRECT,
        "a call of ainvoke",
        calls(lambda: plain.ainvoke(model, QUESTION)),
        calls(lambda: model.ainvoke(QUESTION)),
    )
    yield Decision(
        DIRECT,
        "a chunk of stream",
        chunks(lambda: plain.stream(model, QUESTION)),
        chunks(lambda: model.stream(QUESTION)),
    )
    yield Decision(
        DIRECT,
        "a chunk of astream",
        chunks_async(lambda: plain.astream(model, QUESTION)),
        chunks_async(lambda: model.astream(QUESTION)),
    )
    yield Decision(
        "batch runs on the background loop",
        f"a call of a batch of {BATCH}",
        batch(partial(plain.batch, model)),
        batch(model.batch),
        rounds=15,
    )
    config = RunnableConfig(max_concurrency=64)
    yield Decision(
        "abatch starts as many tasks as calls can be in flight",
        f"a call of an abatch of {BATCH}, 64 in flight",
        abatch(lambda inputs: plain.abatch(model, inputs, config)),
        abatch(lambda inputs: model.abatch(inputs, config)),
        rounds=31,
    )


def _of_llamaindex(model: RekaLLM) -> Iterator[Decision]:
    messages = [ChatMessage(role="user", content=QUESTION)]
    stream = chunks(lambda: model.stream_chat(messages))
    yield Decision(
        "a stream keeps one Answer",
        f"a chunk of stream_chat, of {CHUNKS}",
        inside(lambda: replaced(llm, chat_item=ItemsFromAllEvents()), stream),
        stream,
        rounds=15,
    )

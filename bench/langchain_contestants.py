"""What `bench.langchain` compares; `bench.adapter_contestant` runs it, with the packages of one contestant alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import import_module
from time import perf_counter
from typing import Any, Final

QUESTION: Final = "Hi, my name is John."
KEY: Final = "a-key-of-the-benchmark"
ANSWER: Final = "Hello John, how can I help you today? " * 5
CHUNKS: Final = 2000


def ours(url: str) -> Any:
    """This project's model."""
    return import_module("langchain_reka").ChatReka(api_key=KEY, base_url=url)


def community(url: str) -> Any:
    """LangChain community's model; it has no address to set, so its clients are replaced."""
    model = import_module("langchain_community.chat_models").ChatReka(reka_api_key=KEY)
    library = import_module("reka.client")
    model.client = library.Reka(api_key=KEY, base_url=f"{url}/v1")
    model.async_client = library.AsyncReka(api_key=KEY, base_url=f"{url}/v1")
    return model


def floor(_url: str) -> Any:
    """LangChain's own cost: a model that asks nobody and always answers the same."""
    messages, outputs = import_module("langchain_core.messages"), import_module("langchain_core.outputs")

    def answer() -> Any:
        return outputs.ChatResult(generations=[outputs.ChatGeneration(message=messages.AIMessage(content=ANSWER))])

    def chunk() -> Any:
        return outputs.ChatGenerationChunk(message=messages.AIMessageChunk(content="word "))

    class Constant(import_module("langchain_core.language_models").BaseChatModel):  # type: ignore[misc]  # by name
        @property
        def _llm_type(self) -> str:
            return "constant"

        def _generate(self, *_: Any, **__: Any) -> Any:
            return answer()

        async def _agenerate(self, *_: Any, **__: Any) -> Any:
            return answer()

        def _stream(self, *_: Any, **__: Any) -> Iterator[Any]:
            for _each in range(CHUNKS):
                yield chunk()

        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            for _each in range(CHUNKS):
                yield chunk()

    return Constant()


class BareAiohttp:
    """The library below our asynchronous client: one session, JSON in and out."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1/chat/completions"

    async def abatch(self, questions: list[str], config: dict[str, int]) -> list[str]:
        aiohttp = import_module("aiohttp")
        places = asyncio.Semaphore(config["max_concurrency"])
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers={"X-Api-Key": KEY}) as session:

            async def ask(question: str) -> str:
                body = {"messages": [{"role": "user", "content": question}], "model": "reka-flash"}
                async with places, session.post(self.url, json=body) as response:
                    return str((await response.json())["choices"][0]["message"]["content"])

            return await asyncio.gather(*(ask(question) for question in questions))


class BareClient:
    """Our client without LangChain."""

    def __init__(self, url: str) -> None:
        reka = import_module("reka")
        self.client = reka.Reka(api_key=KEY, base_url=url)
        self.async_client = reka.AsyncReka(api_key=KEY, base_url=url)
        self.question = [{"role": "user", "content": QUESTION}]

    def stream(self, _question: str) -> Iterator[Any]:
        yield from self.client.stream_messages(self.question)

    async def astream(self, _question: str) -> AsyncIterator[Any]:
        async for event in self.async_client.stream_messages(self.question):
            yield event


CONTESTANTS: Final[dict[str, Callable[[str], Any]]] = {
    "ours": ours,
    "community": community,
    "floor": floor,
    "bare aiohttp": BareAiohttp,
    "bare client": BareClient,
}


async def abatch(model: Any, calls: int, in_flight: int) -> float:
    """Seconds for so many calls, asynchronously."""
    questions = [QUESTION] * calls
    started = perf_counter()
    answers = await model.abatch(questions, {"max_concurrency": in_flight})
    seconds = perf_counter() - started
    assert len(answers) == calls
    return seconds


async def batch(model: Any, calls: int) -> float:
    """Seconds for so many calls, of a program that knows no async, with LangChain's own defaults."""
    started = perf_counter()
    answers = await asyncio.to_thread(model.batch, [QUESTION] * calls)
    seconds = perf_counter() - started
    assert all(answer.content == ANSWER for answer in answers)
    return seconds


async def stream(model: Any, streams: int) -> float:
    """Seconds for a streamed answer of `CHUNKS` chunks, one after the other."""
    started = perf_counter()
    counts = [sum(1 for _ in model.stream(QUESTION)) for _each in range(streams)]
    seconds = perf_counter() - started
    assert min(counts) >= CHUNKS
    return seconds / streams


async def astream(model: Any, streams: int) -> float:
    """The same, asynchronously."""
    started = perf_counter()
    count = 0
    for _each in range(streams):
        async for _ in model.astream(QUESTION):
            count += 1
    seconds = perf_counter() - started
    assert count >= CHUNKS * streams
    return seconds / streams


MEASUREMENTS: Final[dict[str, Callable[..., Awaitable[float]]]] = {
    "abatch": abatch,
    "batch": batch,
    "stream": stream,
    "astream": astream,
}

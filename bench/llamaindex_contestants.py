"""What `bench.llamaindex` compares; `bench.adapter_contestant` runs it, with the packages of one contestant alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from time import perf_counter
from typing import Any, Final

QUESTION: Final = "Hi, my name is John."
KEY: Final = "a-key-of-the-benchmark"
ANSWER: Final = "Hello John, how can I help you today? " * 5
CHUNKS: Final = 2000
LONGER: Final = 4
"""How many times as long the stream is that shows whether a chunk's cost grows."""


def ours(url: str) -> Any:
    """This project's model."""
    return import_module("llamaindex_reka").RekaLLM(api_key=KEY, base_url=url)


def vendor(url: str) -> Any:
    """The class of `llama-index-llms-reka`; it has no address to set, so its clients are replaced."""
    model = import_module("llama_index.llms.reka").RekaLLM(api_key=KEY)
    library = import_module("reka.client")
    model._client = library.Reka(api_key=KEY, base_url=f"{url}/v1")  # noqa: SLF001  # see above
    model._aclient = library.AsyncReka(api_key=KEY, base_url=f"{url}/v1")  # noqa: SLF001  # see above
    return model


def floor(_url: str) -> Any:
    """LlamaIndex's own cost: a model that asks nobody and always answers the same."""
    types = import_module("llama_index.core.base.llms.types")
    callbacks = import_module("llama_index.core.llms.callbacks")

    def response(text: str, delta: str | None = None) -> Any:
        return types.ChatResponse(message=types.ChatMessage(role="assistant", content=text), delta=delta)

    class Constant(import_module("llama_index.core.llms").MockLLM):  # type: ignore[misc]  # by name
        @callbacks.llm_chat_callback()  # type: ignore[untyped-decorator]  # by name
        def chat(self, messages: Any, **_: Any) -> Any:
            return response(ANSWER)

        @callbacks.llm_chat_callback()  # type: ignore[untyped-decorator]  # by name
        async def achat(self, messages: Any, **_: Any) -> Any:
            return response(ANSWER)

        @callbacks.llm_chat_callback()  # type: ignore[untyped-decorator]  # by name
        def stream_chat(self, messages: Any, **_: Any) -> Any:
            def items() -> Iterator[Any]:
                text = ""
                for _each in range(CHUNKS):
                    text += "word "
                    yield response(text, "word ")

            return items()

    return Constant()


class BareAiohttp:
    """The library below our asynchronous client: one session, JSON in and out."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1/chat/completions"
        self.session: Any = None

    async def achat(self, _messages: Any) -> str:
        if self.session is None:
            aiohttp = import_module("aiohttp")
            connector = aiohttp.TCPConnector(limit=0)
            self.session = aiohttp.ClientSession(connector=connector, headers={"X-Api-Key": KEY})
        body = {"messages": [{"role": "user", "content": QUESTION}], "model": "reka-flash"}
        async with self.session.post(self.url, json=body) as response:
            return str((await response.json())["choices"][0]["message"]["content"])

    async def aclose(self) -> None:
        if self.session is not None:
            await self.session.close()


def least(url: str) -> Any:
    """The least that an adapter can do: bare aiohttp in LlamaIndex's own frame, with nothing checked or converted.

    It took longer than the floor and bare aiohttp together wherever it was measured; why, is not known.
    """
    types = import_module("llama_index.core.base.llms.types")
    callbacks = import_module("llama_index.core.llms.callbacks")

    class Least(import_module("llama_index.core.llms").MockLLM):  # type: ignore[misc]  # by name
        @callbacks.llm_chat_callback()  # type: ignore[untyped-decorator]  # by name
        async def achat(self, messages: Any, **_: Any) -> Any:
            return types.ChatResponse(message=types.ChatMessage(role="assistant", content=await bare.achat(messages)))

        async def aclose(self) -> None:
            await bare.aclose()

    bare = BareAiohttp(url)
    return Least()


CONTESTANTS: Final[dict[str, Callable[[str], Any]]] = {
    "ours": ours,
    "llms-reka": vendor,
    "floor": floor,
    "bare aiohttp": BareAiohttp,
    "least": least,
}


def _asked(model: Any) -> list[Any]:
    if isinstance(model, BareAiohttp):
        return []
    return [import_module("llama_index.core.base.llms.types").ChatMessage(role="user", content=QUESTION)]


async def achat(model: Any, calls: int, in_flight: int) -> float:
    """Seconds for so many calls, asynchronously: as many workers as calls may be under way, each with one at a time."""
    messages, left = _asked(model), iter(range(calls))

    async def work() -> None:
        for _ in left:
            assert ANSWER in str(await model.achat(messages))

    started = perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return perf_counter() - started


async def chat(model: Any, calls: int) -> float:
    """Seconds for so many calls, one after the other."""
    messages = _asked(model)
    started = perf_counter()
    answers = [model.chat(messages) for _ in range(calls)]
    seconds = perf_counter() - started
    assert all(ANSWER in str(answer) for answer in answers)
    return seconds


async def stream_chat(model: Any, streams: int, chunks: int = CHUNKS) -> float:
    """Seconds for a streamed answer of so many chunks, one after the other."""
    messages = _asked(model)
    started = perf_counter()
    counts = [sum(1 for _ in model.stream_chat(messages)) for _each in range(streams)]
    seconds = perf_counter() - started
    assert min(counts) >= chunks
    return seconds / streams


MEASUREMENTS: Final[dict[str, Callable[..., Awaitable[float]]]] = {
    "achat": achat,
    "chat": chat,
    "stream_chat": stream_chat,
}

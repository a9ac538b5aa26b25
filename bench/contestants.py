"""What is compared: the same calls, as a user of each library would write them, timed in a process of its own.

Run by the Python of the environment that holds the library, `python bench/contestants.py NAME URL`; it then takes
measurements to make as lines of JSON on its input and gives figures as lines of JSON. Libraries are imported by name,
because one environment holds one of them, and two of them share our import name.
"""

import asyncio
import importlib
import json
import resource
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from time import perf_counter
from typing import Any, Final

QUESTION: Final = "Hi, my name is John."
MODEL: Final = "reka-flash"
KEY: Final = "a-key-of-the-benchmark"
LOST_AFTER_SECONDS: Final = 30
"""A call in a thread that has not ended by then counts as lost."""


def library(name: str) -> Any:
    """Import what only the environment of one contestant has."""
    return importlib.import_module(name)


class Contestant:
    """A library. What it cannot do is not defined by its class, and not measured."""

    chat: Callable[[], str]
    chat_async: Callable[[], Awaitable[str]]
    stream: Callable[[], Iterator[str]]
    stream_async: Callable[[], AsyncIterator[str]]

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self) -> None:
        """Make what belongs to an event loop."""

    async def close(self) -> None:
        """Close it."""


class Ours(Contestant):
    """This project's client."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reka = library("reka")
        self.client = self.reka.Reka(api_key=KEY, base_url=url)
        self.async_client = self.reka.AsyncReka(api_key=KEY, base_url=url)

    def chat(self) -> str:
        return str(self.client.chat(QUESTION)["text"])

    async def chat_async(self) -> str:
        return str((await self.async_client.chat(QUESTION))["text"])

    def stream(self) -> Iterator[str]:
        for event in self.client.stream(QUESTION):
            yield event.text

    async def stream_async(self) -> AsyncIterator[str]:
        async for event in self.async_client.stream(QUESTION):
            yield event.text

    async def close(self) -> None:
        await self.async_client.close()


class RawRequests(Contestant):
    """The library below our synchronous client, bare: one pooled session."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        requests = library("requests")
        self.session = requests.Session()
        self.session.headers["X-Api-Key"] = KEY
        adapter = library("requests.adapters").HTTPAdapter(pool_maxsize=64)
        self.session.mount("http://", adapter)

    def chat(self) -> str:
        return str(self.session.post(f"{self.url}/chat", json=turns()).json()["text"])

    def stream(self) -> Iterator[str]:
        with self.session.post(f"{self.url}/v1/chat/completions", json=messages(), stream=True) as response:
            for line in response.iter_lines():
                if line.startswith(b"data: ") and line != b"data: [DONE]":
                    yield json.loads(line[6:])["choices"][0]["delta"].get("content", "")


class RawAiohttp(Contestant):
    """The library below our asynchronous client, bare: one session, as many connections as there are calls."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.aiohttp = library("aiohttp")

    async def open(self) -> None:
        self.session = self.aiohttp.ClientSession(
            connector=self.aiohttp.TCPConnector(limit=0), headers={"X-Api-Key": KEY}
        )

    async def close(self) -> None:
        await self.session.close()

    async def chat_async(self) -> str:
        async with self.session.post(f"{self.url}/chat", json=turns()) as response:
            return str((await response.json())["text"])

    async def stream_async(self) -> AsyncIterator[str]:
        async with self.session.post(f"{self.url}/v1/chat/completions", json=messages()) as response:
            async for line in response.content:
                if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                    yield json.loads(line[6:])["choices"][0]["delta"].get("content", "")


class Vendor2(Contestant):
    """The vendor's client for the documented API. Its address is an attribute that only looks private."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reka = library("reka")
        self.reka.API_KEY = KEY
        self.reka._SERVER = url  # noqa: SLF001  # there is no public name for it

    def chat(self) -> str:
        return str(self.reka.chat(QUESTION)["text"])


class Vendor3(Contestant):
    """The vendor's client for the generation after it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        vendor = library("reka.client")
        self.client = vendor.Reka(api_key=KEY, base_url=f"{url}/v1")
        self.async_client = vendor.AsyncReka(api_key=KEY, base_url=f"{url}/v1")
        self.question = {
            "messages": [library("reka").ChatMessage(role="user", content=QUESTION)],
            "model": MODEL,
        }

    def chat(self) -> str:
        return str(self.client.chat.create(**self.question).responses[0].message.content)

    async def chat_async(self) -> str:
        return str((await self.async_client.chat.create(**self.question)).responses[0].message.content)

    def stream(self) -> Iterator[str]:
        for chunk in self.client.chat.create_stream(**self.question):
            yield chunk.responses[0].chunk.content

    async def stream_async(self) -> AsyncIterator[str]:
        async for chunk in self.async_client.chat.create_stream(**self.question):
            yield chunk.responses[0].chunk.content


class OpenAi(Contestant):
    """The OpenAI SDK, at the endpoint that speaks its protocol."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        openai = library("openai")
        self.client = openai.OpenAI(api_key=KEY, base_url=f"{url}/v1")
        self.async_client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1")
        self.question = {"messages": [{"role": "user", "content": QUESTION}], "model": MODEL}

    def chat(self) -> str:
        return str(self.client.chat.completions.create(**self.question).choices[0].message.content)

    async def chat_async(self) -> str:
        return str((await self.async_client.chat.completions.create(**self.question)).choices[0].message.content)

    def stream(self) -> Iterator[str]:
        for chunk in self.client.chat.completions.create(**self.question, stream=True):
            yield chunk.choices[0].delta.content or ""

    async def stream_async(self) -> AsyncIterator[str]:
        async for chunk in await self.async_client.chat.completions.create(**self.question, stream=True):
            yield chunk.choices[0].delta.content or ""


CONTESTANTS: Final[dict[str, type[Contestant]]] = {
    "ours": Ours,
    "raw requests": RawRequests,
    "raw aiohttp": RawAiohttp,
    "reka-api 2.0.0": Vendor2,
    "reka-api 3.2.0": Vendor3,
    "openai": OpenAi,
}


def turns() -> dict[str, Any]:
    """The body of a question at the documented endpoint."""
    turn = {"type": "human", "text": QUESTION}
    return {"conversation_history": [turn], "model_name": MODEL, "stop_words": []}


def messages() -> dict[str, Any]:
    """The body of a question at the completions endpoint, streamed."""
    return {"messages": [{"role": "user", "content": QUESTION}], "model": MODEL, "stream": True}


async def chat_once(contestant: Contestant, calls: int) -> dict[str, float]:
    """Seconds a call, one after the other."""
    started = perf_counter()
    for _ in range(calls):
        contestant.chat()
    return {"seconds": (perf_counter() - started) / calls}


async def chat_at_once(contestant: Contestant, calls: int, in_flight: int) -> dict[str, float]:
    """Seconds a call, so many in flight at any time. All connections are there when the clock starts."""

    async def work(left: Iterator[int]) -> None:
        for _ in left:
            await contestant.chat_async()

    await asyncio.gather(*(contestant.chat_async() for _ in range(in_flight)))
    left = iter(range(calls))
    started = perf_counter()
    await asyncio.gather(*(work(left) for _ in range(in_flight)))
    return {"seconds": (perf_counter() - started) / calls}


async def stream(contestant: Contestant) -> dict[str, float]:
    """Seconds until the first chunk, seconds a chunk, and how many there were."""
    chunks, first = 0, 0.0
    started = perf_counter()
    for text in contestant.stream():
        first = first or perf_counter() - started
        chunks += bool(text)
    return {"first": first, "seconds": (perf_counter() - started) / chunks, "chunks": chunks}


async def stream_async(contestant: Contestant) -> dict[str, float]:
    """Async twin of `stream`."""
    chunks, first = 0, 0.0
    started = perf_counter()
    async for text in contestant.stream_async():
        first = first or perf_counter() - started
        chunks += bool(text)
    return {"first": first, "seconds": (perf_counter() - started) / chunks, "chunks": chunks}


async def chat_in_threads(contestant: Contestant, calls: int, threads: int) -> dict[str, float]:
    """How many of the calls that threads make on one client get no answer."""
    begin = threading.Barrier(threads)

    def work() -> int:
        begin.wait()
        return sum(_answers(contestant.chat) for _ in range(calls // threads))

    pool = ThreadPoolExecutor(threads)
    started = perf_counter()
    done, _ = wait([pool.submit(work) for _ in range(threads)], timeout=LOST_AFTER_SECONDS)
    seconds = (perf_counter() - started) / calls
    pool.shutdown(wait=False)
    return {"lost": calls - sum(future.result() for future in done), "seconds": seconds}


def _answers(chat: Callable[[], str]) -> bool:
    try:
        return chat().startswith("Hello John")
    except Exception:  # noqa: BLE001  # whatever a library raises, the call is lost
        return False


MEASUREMENTS: Final[dict[str, Callable[..., Awaitable[dict[str, float]]]]] = {
    "chat_once": chat_once,
    "chat_at_once": chat_at_once,
    "stream": stream,
    "stream_async": stream_async,
    "chat_in_threads": chat_in_threads,
}


async def serve(name: str, url: str) -> None:
    """Make the measurements asked for on the standard input, until it ends."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    contestant = CONTESTANTS[name](url)
    await contestant.open()
    for line in sys.stdin:
        asked = json.loads(line)
        figures = await MEASUREMENTS[asked.pop("measure")](contestant, **asked)
        print(json.dumps(figures), flush=True)
    await contestant.close()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))

"""Whoever overrides or replaces a method of LangChain's sees every call, and each run of a failing batch ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

import reka
from langchain_reka import ChatReka
from reka.testing import FakeReka, say_nothing
from tests.support.clients import KEY
from tests.support.rule_model import RuleModel

from .langchain_support import MakeModel

CALLS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda model: model.invoke("Hi"),
    "ainvoke": lambda model: asyncio.run(model.ainvoke("Hi")),
    "stream": lambda model: list(model.stream("Hi")),
    "astream": lambda model: asyncio.run(_streamed(model)),
    "batch": lambda model: model.batch(["Hi", "Hi"]),
    "abatch": lambda model: asyncio.run(model.abatch(["Hi", "Hi"])),
    "generate": lambda model: model.generate([[HumanMessage("Hi")]]),
}


async def _streamed(model: Any) -> list[Any]:
    return [chunk async for chunk in model.astream("Hi")]


class Noting(ChatReka):
    """Notes the calls of the methods of one kind."""

    def __init__(self, notes: list[str], rules: RuleModel) -> None:
        super().__init__(api_key=KEY, base_url=rules.url)
        self._notes = notes


class Synchronous(Noting):
    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self._notes.append("_generate")
        return super()._generate(*args, **kwargs)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        self._notes.append("_stream")
        yield from super()._stream(*args, **kwargs)


class Asynchronous(Synchronous):
    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self._notes.append("_agenerate")
        return await super()._agenerate(*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        self._notes.append("_astream")
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk


@pytest.mark.parametrize(
    ("kind", "call", "notes"),
    [
        *((Synchronous, call, ["_generate"]) for call in ("invoke", "ainvoke", "generate")),
        *((Synchronous, call, ["_stream"]) for call in ("stream", "astream")),
        *((Synchronous, call, ["_generate"] * 2) for call in ("batch", "abatch")),
        (Asynchronous, "ainvoke", ["_agenerate"]),
        (Asynchronous, "astream", ["_astream"]),
        (Asynchronous, "abatch", ["_agenerate"] * 2),
        (Asynchronous, "invoke", ["_generate"]),
        (Asynchronous, "stream", ["_stream"]),
    ],
)
def test_the_methods_of_a_subclass_are_called_from_every_entry_point(
    rules: RuleModel, kind: type[Noting], call: str, notes: list[str]
) -> None:
    noted: list[str] = []
    model = kind(noted, rules)

    CALLS[call](model)
    model.close()

    assert noted == notes


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of LangChain's methods that are called; a tracer replaces them like this, while models exist."""
    names: list[str] = []

    def replace(name: str) -> None:
        original = getattr(BaseChatModel, name)

        @wraps(original)
        def traced_method(*args: Any, **kwargs: Any) -> Any:
            names.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(BaseChatModel, name, traced_method)

    for name in ("invoke", "ainvoke", "stream", "astream", "generate", "agenerate"):
        replace(name)
    return names


@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("invoke", ["invoke", "generate"]),
        ("ainvoke", ["ainvoke", "agenerate"]),
        ("stream", ["stream"]),
        ("astream", ["astream"]),
        ("batch", ["generate", "generate", "invoke", "invoke"]),
        ("abatch", ["agenerate", "agenerate", "ainvoke", "ainvoke"]),
    ],
)
def test_a_tracer_that_replaces_langchains_methods_sees_every_call(
    rule_model: MakeModel, traced: list[str], call: str, names: list[str]
) -> None:
    CALLS[call](rule_model())

    assert (sorted(traced) if len(names) > 2 else traced) == names


class Runs(AsyncCallbackHandler):
    """Which runs began, and which ended and how."""

    def __init__(self) -> None:
        self.started: set[UUID] = set()
        self.ended: set[UUID] = set()
        self.errors: dict[UUID, BaseException] = {}

    async def on_chat_model_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.started.add(run_id)

    async def on_llm_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.ended.add(run_id)

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self.errors[run_id] = error


@pytest.mark.parametrize("call", ["batch", "abatch"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_failing_batch_ends_every_run_that_it_began(
    fake: FakeReka, make_model: MakeModel, call: str, *, streaming: bool
) -> None:
    fake.otherwise = say_nothing
    runs = Runs()
    model = make_model(callbacks=[runs], streaming=streaming)
    inputs: list[Any] = [*["Hi"] * 4, [HumanMessage([{"type": "hologram"}])], *["Hi"] * 100]

    with pytest.raises(reka.InvalidConversationError):
        model.batch(inputs) if call == "batch" else asyncio.run(model.abatch(inputs, {"max_concurrency": 8}))

    assert len(runs.started) >= 5
    assert runs.started == runs.ended | set(runs.errors)
    assert sum(isinstance(error, reka.InvalidConversationError) for error in runs.errors.values()) == 1


async def test_a_batch_that_is_cancelled_ends_every_run_that_it_began(fake: FakeReka, make_model: MakeModel) -> None:
    fake.otherwise = say_nothing
    runs = Runs()

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(make_model(callbacks=[runs]).abatch(["Hi"] * 4), 0.3)

    assert len(runs.started) == 4
    assert runs.started == set(runs.errors)


async def test_a_batch_that_is_over_ends_no_call_that_began_in_it(rule_model: MakeModel) -> None:
    later: list[asyncio.Task[Any]] = []
    begin = asyncio.Event()

    class Later(AsyncCallbackHandler):
        async def on_llm_error(self, *_: Any, **__: Any) -> None:
            later.append(asyncio.create_task(ask()))

    async def ask() -> str:
        await begin.wait()
        return (await rule_model().ainvoke("Repeat: a")).text

    with pytest.raises(reka.InvalidConversationError):
        await rule_model(callbacks=[Later()]).abatch([[HumanMessage([{"type": "hologram"}])]])
    begin.set()

    assert [await task for task in later] == ["a"]

"""The same few programs on hosts that take one form of the completions endpoint, and nothing else."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import (
    AudioBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    VideoBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

import reka
from llamaindex_reka import RekaLLM
from reka.testing import FakeReka
from reka.testing.bodies import call_pieces, chunk
from tests.support.strict_host import StrictHost
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka

from .llamaindex_support import HI, WAYS, MakeLLM, ask, events, items

# LlamaIndex's agents and structured LLMs use what pydantic and its own workflows have deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called:DeprecationWarning"),
]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
MEDIA: dict[str, list[ContentBlock]] = {
    "image": [ImageBlock(image=PNG), ImageBlock(url="https://e.com/a.png")],
    "video": [VideoBlock(video=b"\0\0\0\x18ftypmp42" + bytes(16)), VideoBlock(url="https://e.com/a.mp4")],
    "audio": [AudioBlock(audio=b"\0\1\2", format="mp3"), AudioBlock(url="https://e.com/a.wav")],
    "pdf": [DocumentBlock(data=b"%PDF-1.4\n"), DocumentBlock(url="https://e.com/a.pdf")],
}
"""Blocks of each kind of media: bytes, and an address."""


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


class Song(BaseModel):
    """A song."""

    title: str
    seconds: int


TOOLS = [FunctionTool.from_defaults(add), FunctionTool.from_defaults(multiply)]
SONG = Song(title="Carey", seconds=180)
AS_JSON = json.dumps(SONG.model_dump())


@dataclass(frozen=True)
class Host:
    """A running host, with a model of it that has tools and sees."""

    url: str
    model: str


@pytest.fixture(scope="module", params=[StrictOpenAI, StrictReka])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    start: Callable[..., StrictHost] = request.param
    with start(modalities=MEDIA) as running:
        yield Host(running.url, "reka-edge-2603" if start is StrictOpenAI else "reka-flash")


@pytest.fixture(params=["auto", "v1"])
def model(request: pytest.FixtureRequest, host: Host, llm: MakeLLM) -> RekaLLM:
    return llm(base_url=host.url, model=host.model, api=request.param)


@pytest.mark.parametrize("way", ["chat_with_tools", "achat_with_tools", "stream_chat_with_tools"])
async def test_a_tool_is_called_and_its_result_answered(model: RekaLLM, way: str) -> None:
    asked = ChatMessage(content="Add 3 and 4.")
    system = ChatMessage(role=MessageRole.SYSTEM, content="Be brief.")

    *_, called = await items(getattr(model, way)(TOOLS, asked, [system]))
    (selection,) = model.get_tool_calls_from_response(called)
    result = ChatMessage(role=MessageRole.TOOL, content="7", additional_kwargs={"tool_call_id": selection.tool_id})
    answer = await model.achat([system, asked, called.message, result])
    await model.aclose()

    assert (selection.tool_name, selection.tool_kwargs) == ("add", {"a": 3, "b": 4})
    assert answer.message.content == "The result is 7."


async def test_parallel_calls_keep_apart_and_a_named_tool_is_the_one_called(model: RekaLLM) -> None:
    asked = "At once: add 3 and 4, and multiply 5 and 6."

    *_, parallel = await items(model.stream_chat_with_tools(TOOLS, asked, allow_parallel_tool_calls=True))
    named = model.chat_with_tools(TOOLS, "Hello.", tool_choice="multiply")

    selections = model.get_tool_calls_from_response(parallel)
    assert [call.tool_name for call in selections[:2]] == ["add", "multiply"]
    assert len({call.tool_id for call in selections}) == len(selections)
    assert [call.tool_name for call in model.get_tool_calls_from_response(named)] == ["multiply"]


async def test_structured_output_is_an_object_whole_and_streamed(model: RekaLLM) -> None:
    prompt = PromptTemplate("{text}")

    whole = model.structured_predict(Song, prompt, text=AS_JSON)
    *_, streamed = await items(model.stream_structured_predict(Song, prompt, text=AS_JSON))

    assert whole == streamed == SONG


@pytest.mark.parametrize("way", ["chat", "astream_chat"])
@pytest.mark.parametrize("kind", MEDIA)
async def test_media_of_every_kind_are_seen_after_a_system_message(model: RekaLLM, kind: str, way: str) -> None:
    asked = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
        ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="What is it?"), *MEDIA[kind]]),
    ]

    *_, answer = await items(getattr(model, way)(asked))
    await model.aclose()

    assert f"I see 2 {kind}s" in answer.message.content


@pytest.mark.parametrize("way", ["chat", "astream_chat"])
async def test_a_picture_in_a_tools_result_is_seen(model: RekaLLM, way: str) -> None:
    asked = ChatMessage(content="At once: add 3 and 4, and multiply 5 and 6.")
    called = model.chat_with_tools(TOOLS, asked, allow_parallel_tool_calls=True)
    results = [
        ChatMessage(
            role=MessageRole.TOOL,
            blocks=[TextBlock(text="a lamp"), ImageBlock(image=PNG)],
            additional_kwargs={"tool_call_id": call.tool_id},
        )
        for call in model.get_tool_calls_from_response(called)[:3]
    ]

    *_, answer = await items(getattr(model, way)([asked, called.message, *results]))
    await model.aclose()

    assert f"I see {len(results)} image" in answer.message.content


async def test_a_stream_brings_text_and_token_counts(model: RekaLLM) -> None:
    streamed = await items(await model.astream_chat([ChatMessage(content="Count to 5")]))
    await model.aclose()

    assert "".join(item.delta for item in streamed) == "1 2 3 4 5"
    assert streamed[-1].additional_kwargs["completion_tokens"] == 5
    assert streamed[-1].additional_kwargs["finish_reason"] == "stop"


@pytest.mark.parametrize("way", WAYS)
async def test_llamaindexs_counter_has_the_hosts_counts_and_thoughts_are_a_block(llm: MakeLLM, way: str) -> None:
    counter = TokenCountingHandler(tokenizer=lambda text: [])
    with StrictOpenAI() as host:
        model = llm(base_url=host.url, model="reka-flash-3", callback_manager=CallbackManager([counter]))
        *_, last = await ask(model, way)
        await model.aclose()

    (counted,) = counter.llm_token_counts
    counts = last.additional_kwargs
    assert (counted.prompt_token_count, counted.completion_token_count) == (
        counts["prompt_tokens"],
        counts["completion_tokens"],
    )
    assert 0 < counts["completion_tokens_details"]["reasoning_tokens"] < counts["completion_tokens"]
    assert counts["prompt_tokens_details"] == {"cached_tokens": 0}
    if "chat" in way:
        assert last.message.blocks[0] == ThinkingBlock(content="The user says: Hi")


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", [FunctionAgent, ReActAgent])
async def test_an_agent_calls_tools_until_it_can_answer(
    model: RekaLLM, kind: type[FunctionAgent] | type[ReActAgent], streaming: bool
) -> None:
    agent = kind(tools=[*TOOLS], llm=model, streaming=streaming, system_prompt="Be brief.")
    memory = ChatMemoryBuffer.from_defaults(token_limit=8000)

    answer = await agent.run("Add 3 and 4, then multiply the result by 5.", memory=memory)
    await model.aclose()

    assert "35" in str(answer)


async def test_a_workflow_of_agents_tells_its_calls_and_streams_its_answer(model: RekaLLM) -> None:
    workflow = AgentWorkflow.from_tools_or_functions([*TOOLS], llm=model, system_prompt="Be brief.")
    memory = ChatMemoryBuffer.from_defaults(token_limit=8000)

    running = workflow.run("Add 3 and 4, then multiply the result by 5.", memory=memory)
    seen = [event async for event in running.stream_events()]
    answer = await running
    await model.aclose()

    calls = [event.tool_kwargs for event in seen if isinstance(event, ToolCallResult)]
    assert calls == [{"a": 3, "b": 4}, {"a": 7, "b": 5}]
    assert "".join(event.delta for event in seen if isinstance(event, AgentStream)) == str(answer)
    assert "35" in str(answer)


@pytest.mark.parametrize("way", ["stream_chat_with_tools", "astream_chat_with_tools"])
async def test_calls_that_come_in_pieces_add_up(fake: FakeReka, llm: MakeLLM, way: str) -> None:
    first, second = (
        call_pieces(0, "c1", "add", '{"a": 1', ', "b": 2}'),
        call_pieces(1, "c2", "add", '{"a"', ': 3, "b": 4}'),
    )
    in_turn = [each for pair in zip(first, second, strict=True) for each in pair]
    fake.will_stream(events(*in_turn, chunk("tool_calls")))
    model = llm()

    streamed = await items(getattr(model, way)(TOOLS, HI[0], allow_parallel_tool_calls=True))
    await model.aclose()

    selections = model.get_tool_calls_from_response(streamed[-1])
    assert [(call.tool_id, call.tool_name, call.tool_kwargs) for call in selections] == [
        ("c1", "add", {"a": 1, "b": 2}),
        ("c2", "add", {"a": 3, "b": 4}),
    ]


@pytest.mark.parametrize("arguments", [(), ('{"a": 1',), ('{"a": 1', ', "b"')])
def test_a_streamed_call_that_the_token_limit_cuts_off_is_an_error(
    fake: FakeReka, llm: MakeLLM, arguments: tuple[str, ...]
) -> None:
    fake.will_stream(events(*call_pieces(0, "c1", "add", *arguments), chunk("length")))
    model = llm()

    *_, last = model.stream_chat_with_tools(TOOLS, HI[0])

    with pytest.raises(reka.UnexpectedResponseError, match="tool call 'add'"):
        model.get_tool_calls_from_response(last)

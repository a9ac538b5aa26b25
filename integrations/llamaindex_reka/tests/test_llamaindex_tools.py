"""Tools, structured output and agents, with a model that follows rules behind the completions endpoint."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCall,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatResponse, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool, ToolOutput
from llama_index.core.tools.calling import call_tool_with_selection
from pydantic import BaseModel, Field

import reka
from llamaindex_reka import RekaLLM
from reka.testing import FakeReka
from reka.testing.bodies import tool_call
from tests.support.clients import KEY
from tests.support.rule_model import RuleModel

from .llamaindex_support import MakeLLM, completion, sent

# LlamaIndex's agents and structured LLMs use what pydantic and its own workflows have deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called:DeprecationWarning"),
]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def photograph(what: str) -> list[Any]:
    """Take a picture."""
    return [TextBlock(text=f"a {what}"), ImageBlock(image=PNG)]


TOOLS = [FunctionTool.from_defaults(add), FunctionTool.from_defaults(multiply)]
ADD_AND_MULTIPLY = "Add 3 and 4, then multiply the result by 5."
WAYS = ["chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools"]


class Song(BaseModel):
    title: str
    seconds: int


class Album(BaseModel):
    """A record with songs on it."""

    name: str
    best: Song
    songs: list[Song] = Field(min_length=1)


ASK_FOR_ALBUM = PromptTemplate("Write down an album: {album}")
ALBUM = {"name": "Blue", "best": {"title": "Carey", "seconds": 180}, "songs": [{"title": "Carey", "seconds": 180}]}
AS_JSON = json.dumps(ALBUM)


@pytest.fixture
def clever(rules: RuleModel, llm: MakeLLM) -> RekaLLM:
    return llm(base_url=rules.url)


@pytest.fixture
def no_memory() -> ChatMemoryBuffer:
    # The engine's default memory leaves its in-memory database open, which warns when it is collected.
    return ChatMemoryBuffer.from_defaults(token_limit=8000)


async def last(answer: Any) -> Any:
    """The last item of an answer in whatever form it comes."""
    if inspect.isawaitable(answer):
        answer = await answer
    if hasattr(answer, "__aiter__"):
        return [item async for item in answer][-1]
    return list(answer)[-1] if isinstance(answer, Iterator) else answer


@pytest.mark.parametrize("way", WAYS)
async def test_tools_are_called_in_every_way_of_asking(clever: RekaLLM, way: str) -> None:
    response: ChatResponse = await last(getattr(clever, way)(TOOLS, "Add 3 and 4."))
    await clever.aclose()

    (selection,) = clever.get_tool_calls_from_response(response)
    assert (selection.tool_name, selection.tool_kwargs) == ("add", {"a": 3, "b": 4})
    assert selection.tool_id


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("parallel", [False, True])
async def test_parallel_calls_come_where_they_are_allowed(clever: RekaLLM, way: str, parallel: bool) -> None:
    asked = "At once: add 3 and 4, and multiply 5 and 6."

    response = await last(getattr(clever, way)(TOOLS, asked, allow_parallel_tool_calls=parallel))
    await clever.aclose()

    called = [selection.tool_name for selection in clever.get_tool_calls_from_response(response)]
    assert called[0] == "add"
    assert (len(called) > 1) == parallel


@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_is_called_for_an_idle_question_only_if_one_is_required(clever: RekaLLM, way: str) -> None:
    idle = await last(getattr(clever, way)(TOOLS, "Hello."))
    required = await last(getattr(clever, way)(TOOLS, "Hello.", tool_required=True))
    named = await last(getattr(clever, way)(TOOLS, "Hello.", tool_choice="multiply"))
    await clever.aclose()

    assert clever.get_tool_calls_from_response(idle, error_on_no_tool_call=False) == []
    assert len(clever.get_tool_calls_from_response(required)) == 1
    assert [call.tool_name for call in clever.get_tool_calls_from_response(named)] == ["multiply"]
    with pytest.raises(ValueError, match="got none, want at least one; the model said: 'You said: Hello"):
        clever.get_tool_calls_from_response(idle)


def test_the_request_has_the_tools_and_the_history_in_the_live_hosts_form(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())
    history = [ChatMessage(content="Hi"), ChatMessage(role=MessageRole.ASSISTANT, content="Hello.")]

    llm(form="reka").chat_with_tools(TOOLS[:1], ChatMessage(content="Add."), history, tool_required=True)

    assert [message["content"] for message in sent(fake)["messages"]] == ["Hi", "Hello.", "Add."]
    assert sent(fake)["tool_choice"] == "tool"
    (tool,) = sent(fake)["tools"]
    assert (tool["name"], sorted(tool["parameters"]["properties"])) == ("add", ["a", "b"])
    assert "Add two numbers." in tool["description"]


def test_the_request_has_the_tools_and_the_history_in_openais_form(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion())
    history = [ChatMessage(role=MessageRole.SYSTEM, content="Be brief."), ChatMessage(content="Hi")]

    llm().chat_with_tools(TOOLS, ChatMessage(content="Add."), history, tool_choice="add")

    assert [message["role"] for message in sent(fake)["messages"]] == ["system", "user", "user"]
    assert sent(fake)["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert [(tool["type"], tool["function"]["name"]) for tool in sent(fake)["tools"]] == [
        ("function", "add"),
        ("function", "multiply"),
    ]


def test_without_tools_the_same_methods_just_chat(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion("Hello!"))

    assert llm().chat_with_tools([], "Hi", tool_required=True).message.content == "Hello!"
    assert not {"tools", "tool_choice"} & set(sent(fake))


async def test_predict_and_call_gives_what_the_tools_give(clever: RekaLLM) -> None:
    asked = "At once: add 3 and 4, and multiply 5 and 6."

    both = clever.predict_and_call(TOOLS, asked, allow_parallel_tool_calls=True)
    one = await clever.apredict_and_call(TOOLS, "Multiply 5 and 6.")
    await clever.aclose()

    assert str(one) == "30"
    assert [source.raw_output for source in both.sources[:1]] == [7]
    assert len(both.sources) > 1


@pytest.mark.parametrize("form", ["openai", "reka"])
def test_a_tools_result_goes_back_with_its_picture(llm: MakeLLM, rules: RuleModel, form: str) -> None:
    clever = llm(base_url=rules.url, form=form)
    tool = FunctionTool.from_defaults(photograph)
    history = [ChatMessage(content="Photograph 'lamp'")]
    call = clever.chat_with_tools([tool], chat_history=history)
    (selection,) = clever.get_tool_calls_from_response(call)
    output = ToolOutput(tool_name="photograph", blocks=photograph("lamp"), raw_input={}, raw_output=None)
    result = ChatMessage(
        role=MessageRole.TOOL, blocks=output.blocks, additional_kwargs={"tool_call_id": selection.tool_id}
    )

    answer = clever.chat([*history, call.message, result])

    assert "I see 1 image." in str(answer.message.content)
    result, last_message = rules.requests[-1]["messages"][-2:]
    if form == "openai":
        assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", selection.tool_id, "a lamp")
        assert last_message["content"][0]["text"] == f"[Media of the tool result for {selection.tool_id}]:"
        assert list(last_message["content"][1]["image_url"]) == ["url"]
    else:
        assert last_message["content"][0]["text"].startswith(f"[Tool result for {selection.tool_id}]")


def test_a_call_with_broken_arguments_is_an_error_and_calls_nothing(fake: FakeReka, llm: MakeLLM) -> None:
    broken = {"id": "c-1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b'}}
    fake.will_answer(200, completion("", "length", tool_calls=[broken]))

    with pytest.raises(reka.UnexpectedResponseError, match="'add'"):
        llm().predict_and_call(TOOLS, "Add.")


def test_tools_and_a_dataset_together_are_refused_by_a_server_that_cannot_do_both(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, {"features": []})

    with pytest.raises(reka.UnsupportedRequestError, match="tools and retrieval_dataset"):
        llm(retrieval_dataset="manual").chat_with_tools(TOOLS, "Hi")
    assert fake.paths == ["GET /"]


def test_tools_on_the_documented_endpoint_are_refused_and_not_offered(fake: FakeReka, llm: MakeLLM) -> None:
    model = llm(api="v0")

    with pytest.raises(reka.UnsupportedRequestError, match=r"tools.*leave out api=\"v0\""):
        model.chat_with_tools(TOOLS, "Hi")
    assert not model.metadata.is_function_calling_model
    assert fake.requests == []


@pytest.mark.parametrize("way", ["structured_predict", "astructured_predict"])
async def test_structured_output_is_a_nested_model(clever: RekaLLM, way: str) -> None:
    album = await last(getattr(clever, way)(Album, ASK_FOR_ALBUM, album=AS_JSON))
    await clever.aclose()

    assert album == Album.model_validate(ALBUM)


@pytest.mark.parametrize("way", ["stream_structured_predict", "astream_structured_predict"])
async def test_streamed_structured_output_ends_as_a_nested_model_though_no_tool_is_named(
    clever: RekaLLM, rules: RuleModel, way: str
) -> None:
    album = await last(getattr(clever, way)(Album, PromptTemplate("{text}"), text=AS_JSON))
    await clever.aclose()

    assert album == Album.model_validate(ALBUM)
    assert rules.requests[-1]["tool_choice"] == "required"


@pytest.mark.parametrize("way", ["chat", "achat", "stream_chat", "astream_chat", "complete", "acomplete"])
async def test_a_structured_llm_answers_with_the_model_as_json(clever: RekaLLM, way: str) -> None:
    structured = clever.as_structured_llm(Album)
    asked = AS_JSON if "complete" in way else [ChatMessage(content=AS_JSON)]

    response = await last(getattr(structured, way)(asked))
    await clever.aclose()

    text = response.text if "complete" in way else response.message.content
    assert Album.model_validate_json(text) == Album.model_validate(ALBUM)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("agent_type", [FunctionAgent, ReActAgent])
async def test_an_agent_calls_tools_until_it_can_answer(
    clever: RekaLLM, no_memory: ChatMemoryBuffer, agent_type: Any, streaming: bool
) -> None:
    agent = agent_type(tools=[*TOOLS], llm=clever, streaming=streaming)

    run = agent.run(ADD_AND_MULTIPLY, memory=no_memory)
    seen = [event async for event in run.stream_events()]
    answer = await run
    await clever.aclose()

    results = [event.tool_output.raw_output for event in seen if isinstance(event, ToolCallResult)]
    assert results == [7, 35]
    assert "35" in str(answer)
    if streaming:
        assert "The result is 35." in "".join(event.delta for event in seen if isinstance(event, AgentStream))


async def test_an_agent_goes_on_with_what_was_said_before(clever: RekaLLM, no_memory: ChatMemoryBuffer) -> None:
    agent = FunctionAgent(tools=[*TOOLS], llm=clever, system_prompt="Be brief.")

    await agent.run(ADD_AND_MULTIPLY, memory=no_memory)
    await agent.run("My name is John.", memory=no_memory)
    answer = await agent.run("What is my name?", memory=no_memory)
    await clever.aclose()

    assert str(answer) == "Your name is John."


async def test_agents_hand_over_to_each_other(clever: RekaLLM, no_memory: ChatMemoryBuffer) -> None:
    adder = FunctionAgent(
        name="adder", description="Adds.", tools=[*TOOLS[:1]], llm=clever, can_handoff_to=["multiplier"]
    )
    multiplier = FunctionAgent(name="multiplier", description="Multiplies.", tools=[*TOOLS[1:]], llm=clever)
    workflow = AgentWorkflow(agents=[adder, multiplier], root_agent="adder")

    asked = 'Call handoff {"to_agent": "multiplier", "reason": "it multiplies 5 and 6"}'
    run: Any = workflow.run(asked, memory=no_memory)
    called = [event.tool_name async for event in run.stream_events() if isinstance(event, ToolCall)]
    answer = await run
    await clever.aclose()

    assert called[0] == "handoff"
    assert answer.current_agent_name == "multiplier"


async def test_an_agent_answers_as_a_model(clever: RekaLLM, no_memory: ChatMemoryBuffer) -> None:
    class Result(BaseModel):
        number: int

    agent = FunctionAgent(tools=[*TOOLS], llm=clever, output_cls=Result)

    answer: Any = await agent.run("Add 3 and 4.", memory=no_memory)
    await clever.aclose()

    assert answer.get_pydantic_model(Result) is not None


def test_a_tool_that_fails_says_so_and_the_model_is_told(clever: RekaLLM) -> None:
    def divide(a: int, b: int) -> float:
        """Divide two numbers."""
        return a / b

    tool = FunctionTool.from_defaults(divide)
    (selection,) = clever.get_tool_calls_from_response(clever.chat_with_tools([tool], "Divide 1 by 0."))

    output = call_tool_with_selection(selection, [tool])

    assert output.is_error
    assert "division by zero" in output.content


@pytest.mark.parametrize(
    ("form", "result"),
    [
        ("openai", {"role": "tool", "content": "3", "tool_call_id": "c-1"}),
        ("reka", {"role": "user", "content": "[Tool result for c-1]: 3"}),
    ],
)
def test_a_tool_call_written_by_hand_may_stand_in_a_conversation(
    fake: FakeReka, llm: MakeLLM, form: str, result: dict[str, str]
) -> None:
    fake.will_answer(200, completion("3", tool_calls=[tool_call("c-9", "add", a=1)]))
    call = ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs={"a": 1, "b": 2})
    messages = [
        ChatMessage(content="Add."),
        ChatMessage(role=MessageRole.ASSISTANT, blocks=[call]),
        ChatMessage(role=MessageRole.TOOL, content="3", additional_kwargs={"tool_call_id": "c-1"}),
    ]

    llm(form=form).chat(messages)

    assert sent(fake)["messages"][1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    assert sent(fake)["messages"][2] == result
    assert KEY not in json.dumps(sent(fake))

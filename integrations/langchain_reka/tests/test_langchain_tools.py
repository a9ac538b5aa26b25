"""Tools in every form that LangChain has."""

from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel
from typing_extensions import TypedDict

import reka
from reka.testing import FakeReka
from reka.testing.bodies import DONE, call_pieces, chunk, events
from tests.support.rule_model import RuleModel

from .langchain_support import MakeModel, ask


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Add(BaseModel):
    """Add two numbers."""

    a: int
    b: int


class AddDict(TypedDict):
    """Add two numbers."""

    a: Annotated[int, ..., "one"]
    b: Annotated[int, ..., "other"]


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}

TOOLS: list[Any] = [
    pytest.param(add, "add", id="a function"),
    pytest.param(Add, "Add", id="a pydantic class"),
    pytest.param(AddDict, "AddDict", id="a TypedDict"),
    pytest.param(tool(add), "add", id="a tool"),
    pytest.param(StructuredTool.from_function(add, name="plus"), "plus", id="a structured tool"),
    pytest.param({"title": "Add", "description": "Add.", **SCHEMA}, "Add", id="a JSON schema"),
    pytest.param(
        {"type": "function", "function": {"name": "add", "description": "", "parameters": SCHEMA}}, "add", id="OpenAI's"
    ),
    pytest.param({"name": "add", "description": "", "input_schema": SCHEMA}, "add", id="Anthropic's"),
    pytest.param({"name": "add", "description": "", "parameters": SCHEMA}, "add", id="Reka's"),
]


@pytest.mark.parametrize(("given", "name"), TOOLS)
def test_a_tool_of_every_form_is_sent_flat_and_called(
    rules: RuleModel, rule_model: MakeModel, given: Any, name: str
) -> None:
    message = rule_model(form="reka").bind_tools([given], tool_choice="any").invoke("What is 3 plus 4? Use the tool.")

    assert [(call["name"], call["args"]) for call in message.tool_calls] == [(name, {"a": 3, "b": 4})]
    assert message.response_metadata["finish_reason"] == "tool_calls"
    (sent,) = rules.requests[0]["tools"]
    assert sorted(sent) == ["description", "name", "parameters"]
    assert set(sent["parameters"]["properties"]) == {"a", "b"}


@pytest.mark.parametrize(("given", "name"), TOOLS)
def test_a_tool_of_every_form_is_nested_in_openais_form_and_called(
    rules: RuleModel, rule_model: MakeModel, given: Any, name: str
) -> None:
    message = rule_model().bind_tools([given], tool_choice="any").invoke("What is 3 plus 4? Use the tool.")

    assert [(call["name"], call["args"]) for call in message.tool_calls] == [(name, {"a": 3, "b": 4})]
    (sent,) = rules.requests[0]["tools"]
    assert (sorted(sent), sent["type"]) == (["function", "type"], "function")
    assert sent["function"]["name"] == name
    assert set(sent["function"]["parameters"]["properties"]) == {"a", "b"}


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_a_runnable_is_a_tool(rule_model: MakeModel) -> None:
    def add(given: dict[str, int]) -> int:
        return given["a"] + given["b"]

    adder = RunnableLambda(add).as_tool(arg_types={"a": int, "b": int}, name="add", description="Add.")

    message = rule_model().bind_tools([adder]).invoke("Use add on 3 and 4.")

    assert [call["args"] for call in message.tool_calls] == [{"a": 3, "b": 4}]


@pytest.mark.parametrize(
    ("choice", "sent", "tools"),
    [
        (None, None, ["add", "Add"]),
        ("auto", "auto", ["add", "Add"]),
        ("none", "none", ["add", "Add"]),
        ("any", "tool", ["add", "Add"]),
        ("required", "tool", ["add", "Add"]),
        ("tool", "tool", ["add", "Add"]),
        (True, "tool", ["add", "Add"]),
        (False, "none", ["add", "Add"]),
        ("Add", "tool", ["Add"]),
        ({"type": "function", "function": {"name": "add"}}, "tool", ["add"]),
        ({"type": "tool", "name": "add"}, "tool", ["add"]),
        ({"type": "any"}, "tool", ["add", "Add"]),
    ],
)
def test_a_choice_is_sent_as_reka_has_it_and_a_named_tool_is_sent_alone(
    rules: RuleModel, rule_model: MakeModel, choice: Any, sent: str | None, tools: list[str]
) -> None:
    rule_model(form="reka").bind_tools([add, Add], tool_choice=choice).invoke("Hi")

    (request,) = rules.requests
    assert request.get("tool_choice") == sent
    assert [each["name"] for each in request["tools"]] == tools


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        ("auto", "auto"),
        (False, "none"),
        ("any", "required"),
        ({"type": "any"}, "required"),
        *(
            (named, {"type": "function", "function": {"name": "add"}})
            for named in ("add", {"type": "function", "function": {"name": "add"}}, {"type": "tool", "name": "add"})
        ),
    ],
)
def test_in_openais_form_a_choice_names_its_tool_and_all_tools_are_sent(
    rules: RuleModel, rule_model: MakeModel, choice: Any, sent: Any
) -> None:
    rule_model(form="openai").bind_tools([add, Add], tool_choice=choice).invoke("Hi")

    (request,) = rules.requests
    assert request.get("tool_choice") == sent
    assert [each["function"]["name"] for each in request["tools"]] == ["add", "Add"]


def test_a_choice_of_a_tool_that_is_not_there_is_refused(fake: FakeReka, make_model: MakeModel) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=r"'subtract'.*add"):
        make_model().bind_tools([add], tool_choice="subtract").invoke("Hi")
    assert fake.requests == []


def test_strict_closes_the_schema(rules: RuleModel, rule_model: MakeModel) -> None:
    rule_model().bind_tools([add], strict=True).invoke("Hi")

    function = rules.requests[0]["tools"][0]["function"]
    assert function["strict"] is True
    assert function["parameters"]["additionalProperties"] is False


def test_with_streaming_a_call_comes_whole_and_once(rule_model: MakeModel) -> None:
    model = rule_model().bind_tools([add])

    chunks = [chunk for chunk in model.stream("Use add on 3 and 4.") if isinstance(chunk, AIMessageChunk)]

    assert [chunk.tool_call_chunks for chunk in chunks if chunk.tool_call_chunks] == [
        [{"type": "tool_call_chunk", "name": "add", "args": '{"a": 3, "b": 4}', "id": "call_rule-1_0", "index": None}]
    ]
    assert chunks[-1].chunk_position == "last"


@pytest.mark.parametrize("call", ["stream", "astream"])
def test_calls_that_come_in_pieces_add_up(fake: FakeReka, make_model: MakeModel, call: str) -> None:
    first, second = (
        call_pieces(0, "c1", "add", '{"a": 1', ', "b": 2}'),
        call_pieces(1, "c2", "add", '{"a"', ': 3, "b": 4}'),
    )
    in_turn = [each for pair in zip(first, second, strict=True) for each in pair]
    fake.will_stream(events(chunk(content="Let me add."), *in_turn, chunk("tool_calls")), DONE)

    message = ask(make_model().bind_tools([add]), call, "Hi")

    assert message.text == "Let me add."
    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
        ("c1", "add", {"a": 1, "b": 2}),
        ("c2", "add", {"a": 3, "b": 4}),
    ]
    assert message.invalid_tool_calls == []
    assert message.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("call", ["stream", "astream"])
@pytest.mark.parametrize("arguments", [(), ('{"a": 1',), ('{"a": 1', ', "b"'), ('{"a": 1, "b": 2',)])
def test_a_streamed_call_that_the_token_limit_cuts_off_is_not_valid(
    fake: FakeReka, make_model: MakeModel, call: str, arguments: tuple[str, ...]
) -> None:
    whole = call_pieces(0, "c1", "add", '{"a": 1, "b": 2}')
    fake.will_stream(events(*whole, *call_pieces(1, "c2", "add", *arguments), chunk("length")), DONE)

    message = ask(make_model().bind_tools([add]), call, "Hi")

    assert [call["id"] for call in message.tool_calls] == ["c1"]
    assert [(call["id"], call["name"]) for call in message.invalid_tool_calls] == [("c2", "add")]
    assert message.response_metadata["finish_reason"] == "length"


def test_a_text_and_a_call_keep_apart_in_standard_output(fake: FakeReka, make_model: MakeModel) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    message = {"role": "assistant", "content": "Let me add.", "tool_calls": [call, {**call, "id": "c2"}]}
    for _ in range(2):
        fake.will_answer(200, {"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    model = make_model(output_version="v1").bind_tools([add])

    whole, chunks = model.invoke("Hi"), list(model.stream("Hi"))
    total = sum(chunks[1:], chunks[0])

    calls = [{"type": "tool_call", "id": each, "name": "add", "args": {"a": 1, "b": 2}} for each in ("c1", "c2")]
    assert whole.content_blocks == [{"type": "text", "text": "Let me add."}, *calls]
    assert [
        {name: value for name, value in block.items() if name != "index"} for block in total.content_blocks
    ] == whole.content_blocks


def test_one_call_at_a_time_can_be_asked_for(fake: FakeReka, make_model: MakeModel) -> None:
    calls = [{"id": each, "type": "function", "function": {"name": "add", "arguments": "{}"}} for each in ("c1", "c2")]
    fake.will_answer(200, {"choices": [{"message": {"content": "", "tool_calls": calls}, "finish_reason": "stop"}]})

    message = make_model().bind_tools([add], parallel_tool_calls=False).invoke("Hi")

    assert [call["id"] for call in message.tool_calls] == ["c1"]
    assert "parallel_tool_calls" not in fake.requests[0].json


def test_a_thread_goes_on_after_a_call_that_is_no_json(fake: FakeReka, make_model: MakeModel) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": NaN, "b": 1}'}}
    said = {"role": "assistant", "content": "", "tool_calls": [call]}
    fake.will_answer(200, {"choices": [{"message": said, "finish_reason": "tool_calls"}]})
    fake.will_answer(200, {"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]})
    agent: Any = create_agent(make_model(), [tool(add)], checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}

    agent.invoke({"messages": ["Add."]}, thread)
    answered = agent.invoke({"messages": ["Never mind, say hello."]}, thread)

    assert answered["messages"][-1].text == "Hello."
    assert [message["role"] for message in fake.requests[1].json["messages"]] == ["user", "assistant", "tool", "user"]

"""Answers that follow a schema."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypedDict

import reka
from reka.testing import FakeReka, answer
from tests.support.rule_model import RuleModel

from .langchain_support import MakeModel

T = TypeVar("T")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


class A(BaseModel):
    a: int


class B(BaseModel):
    b: str


class Joke(BaseModel):
    """A joke."""

    setup: str = Field(description="the question")
    punchline: str = Field(description="the answer")


class JokeDict(TypedDict):
    """A joke."""

    setup: Annotated[str, ..., "the question"]
    punchline: Annotated[str, ..., "the answer"]


@pytest.mark.parametrize("model", ["reka-flash", "reka-flash-research"])
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize("schema", [Joke, JokeDict, Joke.model_json_schema()], ids=["pydantic", "TypedDict", "JSON"])
def test_an_answer_follows_a_schema_of_every_form(rule_model: MakeModel, model: str, method: Any, schema: Any) -> None:
    structured = rule_model(model=model).with_structured_output(schema, method=method)

    whole = structured.invoke("Tell me a joke about cats.")
    *_, streamed = structured.stream("Tell me a joke about cats.")

    assert whole == streamed
    if schema is Joke:
        assert isinstance(whole, Joke)
    else:
        assert set(whole) == {"setup", "punchline"}


@pytest.mark.parametrize(
    ("model", "sent"), [("reka-flash", "tools"), ("reka-flash-research", "response_format"), ("unknown", "tools")]
)
def test_a_schema_is_enforced_by_the_server_where_it_can_be_and_else_by_a_tool(
    rules: RuleModel, rule_model: MakeModel, model: str, sent: str
) -> None:
    rule_model(model=model).with_structured_output(Joke, method="json_schema").invoke("Tell me a joke.")

    assert {"tools", "response_format"} & set(rules.requests[0]) == {sent}


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("deepseek4-flash", {"type": "json_object"}),
        ("unknown", {"type": "json_object"}),
        ("reka-edge", {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}),
        ("qwen3.8-27b", None),
        ("reka-flash", {"type": "json_object"}),
    ],
)
def test_json_mode_asks_for_any_json_as_far_as_the_model_supports_it(
    fake: FakeReka, make_model: MakeModel, model: str, sent: Any
) -> None:
    joke = {"setup": "Why?", "punchline": "So."}
    fake.otherwise = answer(200, {"choices": [{"message": {"content": json.dumps(joke)}, "finish_reason": "stop"}]})

    as_dict = make_model(model=model, api="v1").with_structured_output(method="json_mode").invoke("A joke in JSON.")
    as_object = make_model(model=model, api="v1").with_structured_output(Joke, method="json_mode").invoke("A joke.")

    assert (as_dict, as_object) == (joke, Joke(**joke))
    assert fake.requests[0].json.get("response_format") == sent


@pytest.mark.parametrize("method", ["function_calling", "json_mode"])
def test_the_message_can_come_along_and_what_cannot_be_parsed_is_then_a_value(
    fake: FakeReka, make_model: MakeModel, method: Any
) -> None:
    fake.will_answer(200, {"choices": [{"message": {"content": "I do not know any."}, "finish_reason": "stop"}]})

    told = make_model().with_structured_output(Joke, method=method, include_raw=True).invoke("Tell me a joke.")

    assert isinstance(told["raw"], AIMessage)
    assert told["raw"].text == "I do not know any."
    assert told["parsed"] is None
    assert (told["parsing_error"] is not None) == (method == "json_mode")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda model: model.with_structured_output(Joke, method="guessing"), "method: got 'guessing'"),
        (lambda model: model.with_structured_output(None), "schema: got None"),
        (lambda model: model.with_structured_output({"title": "All", "type": "array"}), "schema: got type 'array'"),
        (
            lambda model: model.with_structured_output(RootModel[A | B]),
            "got 'anyOf' at the top of 'RootModel_Union_A_B'",
        ),
        (
            lambda model: model.with_structured_output(RootModel[list[A]]),
            "got type 'array' at the top of 'RootModel_list_A'",
        ),
        (
            lambda model: model.with_structured_output({"title": "X", "anyOf": [SCHEMA]}),
            "got 'anyOf' at the top of 'X'",
        ),
        (lambda model: model.with_structured_output(A | B), "schema .*A | .*B': cannot be converted"),
        (lambda model: model.with_structured_output(SCHEMA), "schema: has no title"),
        (lambda model: model.with_structured_output({"title": "X", "$ref": "#/$defs/Y"}), "/Y' leads to no schema"),
        (
            lambda model: model.with_structured_output({"$ref": "#/$defs/Y", "$defs": {"Y": {"$ref": "#/$defs/Y"}}}),
            "leads to no schema",
        ),
        (lambda model: model.bind_tools([{"title": "All", "type": "string"}]), "schema: got type 'string'"),
    ],
)
def test_a_method_that_there_is_not_is_refused(make_model: MakeModel, make: Callable[[Any], object], what: str) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=what):
        make(make_model())


class Node(BaseModel):
    """A node of a tree."""

    name: str
    children: "list[Node]" = []


class NodeDict(TypedDict):
    """A node of a tree."""

    name: str
    children: "list[NodeDict]"


class WithModel(TypedDict):
    """A dict that contains an object."""

    one: A


class Response(BaseModel, Generic[T]):
    value: T


class Table(RootModel[dict[str, int]]):
    """Numbers by name."""


TREE: dict[str, Any] = {"name": "a", "children": [{"name": "b", "children": []}]}
SCHEMAS: list[Any] = [
    pytest.param(Node, "Node", TREE, id="recursive"),
    pytest.param(NodeDict, "NodeDict", TREE, id="a recursive TypedDict"),
    pytest.param(Node.model_json_schema(), "Node", TREE, id="a recursive JSON schema"),
    pytest.param(
        {"title": "Tree", "$ref": "#/$defs/Node", "$defs": Node.model_json_schema()["$defs"]}, "Tree", TREE, id="$ref"
    ),
    pytest.param(WithModel, "WithModel", {"one": {"a": 1}}, id="a model in a TypedDict"),
    pytest.param(Response[int], "Response_int", {"value": 1}, id="generic"),
    pytest.param(Response[list[A]], "Response_list_A", {"value": [{"a": 1}]}, id="generic of a list"),
    pytest.param(Table, "Table", {"x": 1}, id="a root model"),
    pytest.param({"title": "My answer!", **SCHEMA}, "My_answer", {"a": 1}, id="a title in words"),
]


@pytest.mark.parametrize(("schema", "name", "arguments"), SCHEMAS)
@pytest.mark.parametrize("strict", [None, True])
def test_a_schema_of_any_shape_is_sent_whole_and_its_call_is_parsed(
    fake: FakeReka, make_model: MakeModel, schema: Any, name: str, arguments: dict[str, Any], *, strict: bool | None
) -> None:
    fake.will_answer(200, called(name, json.dumps(arguments)))

    parsed = make_model().with_structured_output(schema, strict=strict).invoke("Hi")

    (sent,) = [each["function"] for each in fake.requests[0].json["tools"]]
    assert (sent["name"], sent["parameters"]["type"]) == (name, "object")
    if name in ("Node", "NodeDict", "Tree"):
        assert "#/$defs/" in sent["parameters"]["properties"]["children"]["items"]["$ref"]
    assert (parsed.model_dump() if isinstance(parsed, BaseModel) else parsed) == arguments
    assert isinstance(parsed, schema if isinstance(schema, type) and issubclass(schema, BaseModel) else dict)


def called(name: str, arguments: str, reason: str = "tool_calls") -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"choices": [{"message": {"content": "", "tool_calls": [call]}, "finish_reason": reason}]}


@pytest.mark.parametrize("call", [lambda model: model.invoke("Hi"), lambda model: list(model.stream("Hi"))])
@pytest.mark.parametrize(
    ("arguments", "reason"), [('{"a": NaN}', "tool_calls"), ('{"a": 1', "length"), ('{"a": 1}', "length")]
)
@pytest.mark.parametrize("schema", [A, {"title": "A", **SCHEMA}], ids=["class", "JSON"])
def test_a_call_that_is_cut_off_or_no_json_is_a_parsing_error(
    fake: FakeReka, make_model: MakeModel, call: Any, arguments: str, reason: str, schema: Any
) -> None:
    fake.will_answer(200, called("A", arguments, reason))

    with pytest.raises(OutputParserException, match="the call of 'A' is incomplete or has arguments that are no JSON"):
        call(make_model().with_structured_output(schema))


@pytest.mark.parametrize("schema", [None, Joke])
def test_a_text_that_the_token_limit_cut_off_is_a_parsing_error(
    fake: FakeReka, make_model: MakeModel, schema: Any
) -> None:
    content = '{"setup": "Why?", "punchline": "So'
    fake.will_answer(200, {"choices": [{"message": {"content": content}, "finish_reason": "length"}]})

    with pytest.raises(OutputParserException, match="the token limit cut the answer off"):
        make_model().with_structured_output(schema, method="json_mode").invoke("Hi")

"""Tools and schemas as Reka takes them, and the parsers of what comes back. Pure functions."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.base import OutputParserLike
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

import reka

Method: TypeAlias = Literal["function_calling", "json_schema", "json_mode"]
Schema: TypeAlias = dict[str, Any] | type
Tool: TypeAlias = dict[str, Any] | type | Callable[..., Any] | BaseTool


def normalize_tool_choice(choice: object) -> Any:
    """Bring a tool choice to one that `reka` knows: auto, none, any, or a tool's name."""
    if isinstance(choice, bool):
        return "any" if choice else "none"
    if isinstance(choice, Mapping) and choice.get("type") in ("auto", "any", "none"):
        return choice["type"]  # Anthropic's form
    return choice


_NO_OBJECT: Final = frozenset({"array", "string", "number", "integer", "boolean", "null"})


def to_openai_tool(schema: Tool, strict: bool | None) -> dict[str, Any]:
    """Bring a tool of any form to OpenAI's.

    Raises:
        InvalidArgumentError: It is a JSON schema of something else than an object, which no tool's arguments can be.
    """
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if kind in _NO_OBJECT:
        # LangChain takes it for a tool without arguments.
        raise reka.InvalidArgumentError(f"schema: got type {kind!r}, want 'object'; make it a property of one")
    return convert_to_openai_tool(schema, strict=strict)


def to_function(schema: Schema, strict: bool | None) -> dict[str, Any]:
    """Bring a schema to the function whose arguments follow it."""
    function: dict[str, Any] = to_openai_tool(schema, strict)["function"]
    return function


def response_format(schema: Schema, strict: bool | None) -> dict[str, Any]:
    """Bring a schema to a `response_format`."""
    function = to_function(schema, strict)
    described = {"name": function["name"], "schema": function.get("parameters", {})}
    return {
        "type": "json_schema",
        "json_schema": described if strict is None else {**described, "strict": strict},
    }


def check(method: str, schema: Schema | None) -> None:
    """Refuse a method that there is not, and a schema that is missing.

    Raises:
        InvalidArgumentError: One of them is.
    """
    if method not in ("function_calling", "json_schema", "json_mode"):
        raise reka.InvalidArgumentError(f"method: got {method!r}, want function_calling, json_schema or json_mode")
    if schema is None and method != "json_mode":
        raise reka.InvalidArgumentError(f"schema: got None, which method={method!r} cannot do without")


def tool_parser(schema: Schema) -> OutputParserLike[Any]:
    """Make the parser of the one tool call that holds the answer."""
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticToolsParser(tools=[schema], first_tool_only=True)
    return JsonOutputKeyToolsParser(key_name=to_function(schema, None)["name"], first_tool_only=True)


def json_parser(schema: Schema | None) -> BaseOutputParser[Any]:
    """Make the parser of an answer that is JSON."""
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        parser: BaseOutputParser[Any] = PydanticOutputParser(pydantic_object=schema)
        return parser
    return JsonOutputParser()


def with_raw(
    model: Runnable[LanguageModelInput, AIMessage], parser: OutputParserLike[Any]
) -> Runnable[LanguageModelInput, Any]:
    """Chain a model and a parser so that the message comes along, and an error of the parser is a value."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")

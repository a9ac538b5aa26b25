"""Conversion of tools and schemas to request fields, and parsers of the answers. Pure functions."""

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

_NON_OBJECT_TYPES: Final = frozenset({"array", "string", "number", "integer", "boolean", "null"})


def normalize_tool_choice(choice: object) -> Any:
    """Convert LangChain's and Anthropic's forms of a tool choice to `auto`, `none`, `any` or the name of a tool.

    Any other form is returned unchanged, for the client to check.
    """
    if isinstance(choice, bool):
        return "any" if choice else "none"
    if isinstance(choice, Mapping) and choice.get("type") in ("auto", "any", "none"):
        return choice["type"]  # Anthropic's form
    return choice


def to_openai_tool(schema: Tool, strict: bool | None) -> dict[str, Any]:
    """Convert a tool of any supported form to OpenAI's format.

    Raises:
        InvalidArgumentError: The tool is a JSON schema whose type is not `object`, so it cannot describe arguments.
    """
    schema_type = schema.get("type") if isinstance(schema, Mapping) else None
    if schema_type in _NON_OBJECT_TYPES:
        # LangChain would convert it to a tool without arguments.
        raise reka.InvalidArgumentError(
            f"schema: got type {schema_type!r}, want 'object'; make it a property of an object schema"
        )
    return convert_to_openai_tool(schema, strict=strict)


def to_function(schema: Schema, strict: bool | None) -> dict[str, Any]:
    """Convert a schema to an OpenAI function whose arguments follow it."""
    function: dict[str, Any] = to_openai_tool(schema, strict)["function"]
    return function


def response_format(schema: Schema, strict: bool | None) -> dict[str, Any]:
    """Convert a schema to a `response_format` of type `json_schema`."""
    function = to_function(schema, strict)
    json_schema = {"name": function["name"], "schema": function.get("parameters", {})}
    return {
        "type": "json_schema",
        "json_schema": json_schema if strict is None else {**json_schema, "strict": strict},
    }


def check_method(method: str, schema: Schema | None) -> None:
    """Check the method of structured output, and that it has a schema if it needs one.

    Raises:
        InvalidArgumentError: `method` is unknown, or `schema` is missing.
    """
    if method not in ("function_calling", "json_schema", "json_mode"):
        raise reka.InvalidArgumentError(f"method: got {method!r}, want function_calling, json_schema or json_mode")
    if schema is None and method != "json_mode":
        raise reka.InvalidArgumentError(f"schema: got None, want a schema for method={method!r}")


def tool_parser(schema: Schema) -> OutputParserLike[Any]:
    """Return the parser of an answer that is a call of the tool with this schema."""
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticToolsParser(tools=[schema], first_tool_only=True)
    return JsonOutputKeyToolsParser(key_name=to_function(schema, None)["name"], first_tool_only=True)


def json_parser(schema: Schema | None) -> BaseOutputParser[Any]:
    """Return the parser of an answer that is JSON text."""
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        parser: BaseOutputParser[Any] = PydanticOutputParser(pydantic_object=schema)
        return parser
    return JsonOutputParser()


def with_raw(
    model: Runnable[LanguageModelInput, AIMessage], parser: OutputParserLike[Any]
) -> Runnable[LanguageModelInput, Any]:
    """Chain a model and a parser; the result also has the raw message, and a parsing error as a value."""
    parse = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    without_result = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parse.with_fallbacks([without_result], exception_key="parsing_error")

"""Conversion of tools and schemas to request fields, and parsers of the answers. Pure functions."""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias, cast

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.base import OutputParserLike
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import TypeAdapter
from typing_extensions import is_typeddict

import reka
from reka.adapters import is_cut_off

Method: TypeAlias = Literal["function_calling", "json_schema", "json_mode"]
Schema: TypeAlias = dict[str, Any] | type
Tool: TypeAlias = dict[str, Any] | type | Callable[..., Any] | BaseTool

_NAMED_FORMS: Final = frozenset({"name", "function", "toolSpec"})
"""Keys of the dicts that are tools with a name; any other dict is a JSON schema."""

_COMBINATIONS: Final = ("anyOf", "oneOf", "allOf", "enum", "const")
_CONVERSION_ERRORS: Final = (AttributeError, KeyError, RecursionError, RuntimeError, TypeError, ValueError)
_LONGEST_NAME: Final = 64
_SHOWN: Final = 200


def tool_choice_of(choice: object, tools: Sequence[Mapping[str, Any]]) -> Any:
    """Convert LangChain's booleans and the titles of schemas to a choice that the client checks.

    Args:
        choice: The choice; see `ChatReka.bind_tools`.
        tools: The tools in OpenAI's format.
    """
    if isinstance(choice, bool):
        return "any" if choice else "none"
    names = {tool["function"]["name"] for tool in tools if "function" in tool}
    return _tool_name(choice) if isinstance(choice, str) and _tool_name(choice) in names - {choice} else choice


def to_openai_tool(schema: Tool, strict: bool | None) -> dict[str, Any]:
    """Convert a tool of any supported form to OpenAI's format.

    A class or a JSON schema is named by its title, with `_` for each character that names of tools do not have. The
    references of a recursive schema stay; others are replaced by what they refer to.

    Raises:
        InvalidArgumentError: The tool cannot be converted, or its schema is not that of an object, so it cannot
            describe arguments.
    """
    try:
        tool = _convert(schema, strict)
    except reka.RekaError:
        raise
    except _CONVERSION_ERRORS as error:
        name = getattr(schema, "__name__", None) or repr(schema)[:100]
        raise reka.InvalidArgumentError(
            f"tool or schema {name!r}: cannot be converted to a JSON schema: {str(error).splitlines()[0]}"
        ) from error
    function = tool["function"]
    _check_object(function["name"], function.get("parameters") or {})
    return tool


def _convert(schema: Tool, strict: bool | None) -> dict[str, Any]:
    if isinstance(schema, Mapping):
        is_tool = not _NAMED_FORMS.isdisjoint(schema)
        return convert_to_openai_tool(schema if is_tool else _function_of_schema(schema), strict=strict)
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        pydantic_class: Any = schema
        version_2 = hasattr(schema, "model_json_schema")
        json_schema = pydantic_class.model_json_schema() if version_2 else pydantic_class.schema()
        tool = convert_to_openai_tool(
            _function_of_schema(json_schema) if _is_recursive(json_schema) else schema, strict=strict
        )
    elif is_typeddict(schema):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # LangChain builds a class of pydantic 1
                tool = convert_to_openai_tool(schema, strict=strict)
        except _CONVERSION_ERRORS:  # a recursive one, or one that contains a pydantic model
            tool = convert_to_openai_tool(
                _function_of_schema(TypeAdapter[Any](cast("Any", schema)).json_schema()), strict=strict
            )
    else:
        return convert_to_openai_tool(schema, strict=strict)
    tool["function"]["name"] = _tool_name(tool["function"]["name"])
    return tool


def _function_of_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a JSON schema to a function; a reference at its top is replaced by what it refers to."""
    root, name, pointers = dict(schema), "", set[str]()
    while "$ref" in root:
        pointer = root.pop("$ref")
        target = None if pointer in pointers else _lookup(schema, pointer)
        if target is None:
            raise reka.InvalidArgumentError(f"schema: $ref {pointer!r} leads to no schema")
        pointers.add(pointer)
        name = pointer.rpartition("/")[2]
        root = {**target, **root}
    name = root.pop("title", name)
    if not name:
        raise reka.InvalidArgumentError("schema: has no title, want one; it becomes the name of the tool")
    _check_object(name, root)
    function = {"name": _tool_name(name), "description": root.pop("description", "")}
    return {**function, "parameters": {"type": "object", **root}}


def _lookup(schema: Mapping[str, Any], pointer: str) -> Mapping[str, Any] | None:
    target: object = schema
    for key in pointer.removeprefix("#/").split("/"):
        target = target.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
    return target if isinstance(target, Mapping) else None


def _check_object(name: str, schema: Mapping[str, Any]) -> None:
    got = f"type {schema['type']!r}" if schema.get("type", "object") != "object" else ""
    if "type" not in schema and "properties" not in schema:
        got = next((repr(key) for key in _COMBINATIONS if key in schema), "")
    if got:
        raise reka.InvalidArgumentError(
            f"schema: got {got} at the top of {name!r}, want an object; make it a property of an object schema"
        )


def _is_recursive(schema: Mapping[str, Any]) -> bool:
    """Whether a definition of a schema refers to itself, directly or through others."""
    references = {
        name: set(_references(definition))
        for group in ("$defs", "definitions")
        for name, definition in schema.get(group, {}).items()
    }
    for name in references:
        reached, waiting = set[str](), {name}
        while waiting:
            reached |= (waiting := set().union(*(references.get(each, ()) for each in waiting)) - reached)
        if name in reached:
            return True
    return False


def _references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        value = list(value.values())
    for child in value if isinstance(value, list) else ():
        yield from _references(child)


def _tool_name(name: str) -> str:
    """Make a name of the characters that OpenAI's protocol allows: `Response[int]` becomes `Response_int`."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")[:_LONGEST_NAME] or "schema"


def to_function(schema: Schema, strict: bool | None) -> dict[str, Any]:
    """Convert a schema to an OpenAI function whose arguments follow it."""
    function: dict[str, Any] = to_openai_tool(schema, strict)["function"]
    return function


def tracing_schema(schema: Schema | None) -> Any:
    """Return what LangChain converts to a JSON schema for tracers; it cannot convert every TypedDict."""
    return to_openai_tool(schema, None) if schema is not None and is_typeddict(schema) else schema


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


class _CallParser(JsonOutputKeyToolsParser):
    """Parses the call of a tool; a call that is cut off or no JSON is an error, not the same as no call."""

    first_tool_only: bool = True
    pydantic_class: Any = None
    """The class of the result; None for a dict."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        arguments = super().parse_result(result, partial=partial)
        if arguments is None:
            return self._no_call(result[0], partial=partial)
        if self.pydantic_class is None:
            return arguments
        validate = getattr(self.pydantic_class, "model_validate", None) or self.pydantic_class.parse_obj
        try:
            return validate(arguments)
        except ValueError:
            if partial:
                return None
            raise

    def _no_call(self, generation: Generation, *, partial: bool) -> None:
        message = generation.message if isinstance(generation, ChatGeneration) else None
        is_last = not partial or getattr(message, "chunk_position", None) == "last"
        for call in message.invalid_tool_calls if is_last and isinstance(message, AIMessage) else ():
            raise OutputParserException(
                f"the call of {self.key_name!r} is incomplete or has arguments that are no JSON object: "
                f"{(call['args'] or '')[:_SHOWN]!r}",
                llm_output=call["args"] or "",
            )


class _TextParser(JsonOutputParser):
    """Parses an answer that is JSON text; LangChain would complete one that the token limit cut off."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        message = getattr(result[0], "message", None)
        reason = message.response_metadata.get("finish_reason") if isinstance(message, AIMessage) else None
        if not partial and is_cut_off(reason):
            text = result[0].text
            raise OutputParserException(f"the token limit cut the answer off: {text[-_SHOWN:]!r}", llm_output=text)
        return super().parse_result(result, partial=partial)


class _PydanticTextParser(PydanticOutputParser[Any]):
    """As `_TextParser`, with a pydantic class as result."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        if not partial:
            _TextParser().parse_result(result)
        return super().parse_result(result, partial=partial)


def tool_parser(schema: Schema) -> OutputParserLike[Any]:
    """Return the parser of an answer that is a call of the tool with this schema."""
    name = to_function(schema, None)["name"]
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    return _CallParser(key_name=name, pydantic_class=schema if is_class else None)


def json_parser(schema: Schema | None) -> BaseOutputParser[Any]:
    """Return the parser of an answer that is JSON text."""
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return _PydanticTextParser(pydantic_object=schema)
    return _TextParser()


def json_format(schema: Schema | None, model: reka.Model | None) -> dict[str, Any] | None:
    """Choose the `response_format` of `json_mode` by what a model supports; None if it supports none.

    Args:
        schema: The schema of the answer, if any.
        model: What is known of the model. If nothing is, it is assumed to support any JSON.
    """
    if model is None or model.supports("json_mode") is not False:
        return {"type": "json_object"}
    if model.supports("structured_outputs") is False:
        return None
    return response_format({"title": "answer", "type": "object"} if schema is None else schema, None)


def with_raw(
    model: Runnable[LanguageModelInput, AIMessage], parser: OutputParserLike[Any]
) -> Runnable[LanguageModelInput, Any]:
    """Chain a model and a parser; the result also has the raw message, and a parsing error as a value."""
    parse = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    without_result = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parse.with_fallbacks([without_result], exception_key="parsing_error")

"""Structured output: how an object of a class is requested, and read from an answer. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from pydantic import BaseModel, RootModel, ValidationError
from pydantic.errors import PydanticUserError

import reka
from llamaindex_reka.answers import partial_arguments, tool_selections
from reka.adapters import parse_arguments

_VALUE: Final = "value"
"""Property that holds an output that is not an object, such as a list: APIs take schemas of objects only."""

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")
"""Characters that names of tools and schemas cannot have; the name of a generic class has brackets."""

_NAME_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class StructuredOutput:
    """An output class with the schema that it is requested by."""

    output_cls: type[BaseModel]
    name: str
    schema: dict[str, Any]
    """JSON schema of an object: the output, or one that holds it as its `value`."""

    is_held: bool
    """Whether the object holds the output."""

    by_schema: bool
    """Whether the text of the answer is held to the schema; otherwise the model must call a tool of that schema."""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a chat for the output."""
        if self.by_schema:
            definition = {"name": self.name, "schema": self.schema}
            return {"response_format": {"type": "json_schema", "json_schema": definition}}
        tool = {"name": self.name, "description": self.schema.get("description"), "parameters": self.schema}
        return {"tools": [tool], "tool_choice": "tool", "allow_parallel_tool_calls": False}

    def read(self, response: ChatResponse) -> Any:
        """Read the output from a complete answer.

        Raises:
            UnexpectedResponseError: The answer has no complete JSON object.
            ValidationError: The object does not have the form of the class.
        """
        calls = tool_selections(response)
        if calls:
            return self._validated(calls[0].tool_kwargs)
        text = response.message.content or ""
        fields = parse_arguments(text) if text.strip() else None
        if fields is None:
            reason = response.additional_kwargs.get("finish_reason")
            raise reka.UnexpectedResponseError(
                f"output_cls {self.output_cls.__name__}: got the answer {text[:200]!r} (finish reason: {reason}), want "
                "a complete JSON object"
            )
        return self._validated(fields)

    def flexible_class(self) -> type[FlexibleModel]:
        """Make the class of incomplete outputs, which has the same fields, all optional."""
        return create_flexible_model(self.output_cls)

    def read_partial(self, response: ChatResponse, flexible_class: type[FlexibleModel]) -> Any:
        """Read the output from an answer that is still being written.

        Returns:
            An object of the class, or of the flexible class if fields are missing; None if nothing can be read yet.
        """
        kwargs = [block.tool_kwargs for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        fields = kwargs[0] if kwargs else partial_arguments(response.message.content or "")
        if not fields or not isinstance(fields, dict):
            return None
        try:
            return self._validated(fields)
        except ValidationError:
            value = self._output_in(fields)
        if issubclass(self.output_cls, RootModel):
            value = {"root": value}
        return flexible_class.model_validate(value) if isinstance(value, dict) else None

    def _validated(self, fields: dict[str, Any]) -> Any:
        # From JSON even a strict class takes a date as a string, and a tuple as a list.
        return self.output_cls.model_validate_json(json.dumps(self._output_in(fields)))

    def _output_in(self, fields: dict[str, Any]) -> Any:
        return fields.get(_VALUE, fields) if self.is_held else fields


def structured_output(output_cls: type[BaseModel], *, by_schema: bool) -> StructuredOutput:
    """Describe an output class.

    Args:
        output_cls: The class; it may be recursive, generic, or a root model.
        by_schema: See `StructuredOutput`.

    Raises:
        InvalidArgumentError: It is not a pydantic model, or has no JSON schema; the error names it.
    """
    if not isinstance(output_cls, type) or not issubclass(output_cls, BaseModel):
        raise reka.InvalidArgumentError(f"output_cls: got {output_cls!r}, want a class of pydantic.BaseModel")
    try:
        schema = output_cls.model_json_schema()
        json.dumps(schema, allow_nan=False)
    except (PydanticUserError, ValueError, TypeError) as error:
        problem = str(error).partition("\n")[0]
        raise reka.InvalidArgumentError(
            f"output_cls: got {output_cls.__name__}, which has no JSON schema ({problem})"
        ) from error
    name = _NOT_IN_NAMES.sub("_", str(schema.get("title") or output_cls.__name__)).strip("_")[:_NAME_LENGTH]
    schema = _without_reference(schema)
    is_held = schema.get("type") != "object"
    return StructuredOutput(output_cls, name or "output", _holding(schema) if is_held else schema, is_held, by_schema)


def _without_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace a reference on top, as a recursive class has it, by what it refers to."""
    definitions: dict[str, Any] = schema.get("$defs", {})
    while (reference := schema.get("$ref")) is not None:
        further = {name: value for name, value in schema.items() if name not in ("$ref", "$defs")}
        schema = {**definitions[reference.rpartition("/")[2]], **further}
    return {**schema, "$defs": definitions} if definitions else schema


def _holding(schema: dict[str, Any]) -> dict[str, Any]:
    value = {name: part for name, part in schema.items() if name != "$defs"}
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {"type": "object", "properties": {_VALUE: value}, "required": [_VALUE], **definitions}

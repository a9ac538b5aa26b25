"""Tools and tool choice: normalization, and conversion to the form of Reka's host."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reka._protocol.checks import describe, json_kind
from reka.errors import InvalidArgumentError

NAMED: Final = "named:"
"""Prefix of a choice that names the tool to call."""

_SHOWN_NAMES: Final = 20


def flat_tools(tools: object) -> list[dict[str, Any]]:
    """Convert tools, flat or nested, to the flat form `{"name", "description", "parameters"}` with `strict` if set.

    Raises:
        InvalidArgumentError: A tool has no name, its parameters are not a JSON schema of an object, or two tools have
            the same name.
    """
    if isinstance(tools, str | Mapping) or not isinstance(tools, Sequence):
        raise InvalidArgumentError(f"tools: got {json_kind(tools)}, want a list of tools")
    flat = [_flat_tool(f"tools.{index}", tool) for index, tool in enumerate(tools)]
    names = [tool["name"] for tool in flat]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidArgumentError(f"tools: two tools have the name {twice[:100]!r}")
    return flat


def normalized_choice(choice: object, tools: Sequence[Mapping[str, Any]]) -> str | None:
    """Normalize a tool choice to `auto`, `none`, `required`, or `named:` with a name; None if not set.

    Args:
        choice: `auto`, `none`; `required`, `any` or `tool` to force a call; or the name of the tool to call. Each alone
            or in the forms of OpenAI and Anthropic, such as `{"type": "any"}`.
        tools: The tools, in the flat form.

    Raises:
        InvalidArgumentError: The choice is none of these, or there is no such tool.
    """
    if isinstance(choice, Mapping) and choice.keys().isdisjoint(("name", "function")):
        choice = choice.get("type", choice)
    if choice is None or choice in ("auto", "none"):
        return None if choice is None else str(choice)
    if not tools:
        raise InvalidArgumentError("tool_choice: a call is forced, but there are no tools")
    if choice in ("required", "any", "tool"):
        return "required"
    named = choice.get("function", choice) if isinstance(choice, Mapping) else choice
    name = named.get("name") if isinstance(named, Mapping) else named
    names = [tool["name"] for tool in tools]
    if not isinstance(name, str) or name not in names:
        raise InvalidArgumentError(
            f"tool_choice: got {describe(choice)}, want auto, none, required, or the name of one of the tools "
            f"({', '.join(names[:_SHOWN_NAMES])})"
        )
    return NAMED + name


def for_reka(tools: Sequence[Mapping[str, Any]], choice: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """Convert tools and a normalized choice to the form of Reka's host: `auto`, `none`, or `tool` for a forced call.

    The host has no named choice, so a named tool is sent alone, and no `strict`.
    """
    if choice is not None and choice.startswith(NAMED):
        tools = [tool for tool in tools if tool["name"] == choice.removeprefix(NAMED)]
        choice = "required"
    flat = [{name: tool[name] for name in ("name", "description", "parameters")} for tool in tools]
    return flat, "tool" if choice == "required" else choice


def _flat_tool(place: str, tool: object) -> dict[str, Any]:
    outer = _object(place, tool)
    flat = _object(f"{place}.function", outer.get("function", outer))
    name = flat.get("name")
    if not isinstance(name, str):
        raise InvalidArgumentError(f"{place}.name: got {json_kind(name)}, want a string")
    if not name:
        raise InvalidArgumentError(f"{place}.name: is empty")
    parameters = flat.get("parameters")
    schema = {"type": "object", "properties": {}} if parameters is None else _object(f"{place}.parameters", parameters)
    if schema.get("type", "object") != "object":
        raise InvalidArgumentError(
            f"{place}.parameters: got a schema of type {describe(schema['type'])} for {name[:100]!r}, want one of type "
            "'object'"
        )
    read = {"name": name, "description": str(flat.get("description") or ""), "parameters": dict(schema)}
    return read if flat.get("strict") is None else {**read, "strict": flat["strict"]}


def _object(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{place}: got {json_kind(value)}, want an object")
    return value

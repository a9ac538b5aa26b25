"""Tool calls in an upstream's responses, whole ones and the deltas of a stream. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from reka._protocol.responses import further_fields
from reka.server.generation.types import ToolCall

__all__ = ["ToolCallReader", "read_function", "read_function_delta", "read_tool_call"]

_CALL_FIELDS: Final = frozenset({"index", "id", "type", "function"})


def read_tool_call(call: Mapping[str, Any]) -> ToolCall:
    """Read a complete tool call.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: The call has an unexpected shape.
    """
    function = read_function(call["function"])
    return ToolCall(
        _id_of(call) or _new_id(), function["name"], function["arguments"], further_fields(call, _CALL_FIELDS)
    )


def read_function(function: Mapping[str, Any]) -> dict[str, Any]:
    """Read the function of a complete call; also a `function_call`, which is what it was called before.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: The function has an unexpected shape.
    """
    arguments = _arguments_text(function.get("arguments") or {})
    return {**function, "name": str(function["name"]), "arguments": arguments}


class ToolCallReader:
    """Normalizes the deltas of tool calls: each has an index, and the first of a call, alone, its id.

    Servers leave the index out, give all calls the same one, send a call in one piece, repeat its id and name with each
    piece, or make up another id for each.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        """The name of each call, as far as it has come."""
        self._of_id: dict[str, int] = {}
        self._of_index: dict[int, int] = {}
        """Our index of a call, by the last one that its server gave the same index."""

    def read(self, delta: Mapping[str, Any]) -> dict[str, Any]:
        """Normalize a delta.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: The delta has an unexpected shape.
        """
        function = read_function_delta(delta.get("function") or {})
        name = function.get("name") or ""
        index = self._index(delta, name)
        call: dict[str, Any] = {**further_fields(delta, _CALL_FIELDS), "index": index, "function": function}
        if index == len(self._names):
            self._names.append("")
            call |= {"id": self._add(delta, index), "type": delta.get("type") or "function"}
        elif name == self._names[index]:
            function.pop("name", None)
            name = ""
        self._names[index] += name
        return call

    def _index(self, delta: Mapping[str, Any], name: str) -> int:
        """Return the index of the call that a delta belongs to; the next free one for a new call."""
        call_id, index = _id_of(delta), delta.get("index")
        if call_id in self._of_id:
            return self._of_id[call_id]
        if index is not None:
            known = self._of_index.get(int(index))
            return len(self._names) if known is None or (call_id and name and self._names[known]) else known
        is_new = not self._names or call_id or (name and self._names[-1])
        return len(self._names) if is_new else len(self._names) - 1

    def _add(self, delta: Mapping[str, Any], index: int) -> str:
        call_id = _id_of(delta) or _new_id()
        self._of_id[call_id] = index
        if delta.get("index") is not None:
            self._of_index[int(delta["index"])] = index
        return call_id


def read_function_delta(function: Mapping[str, Any]) -> dict[str, Any]:
    """Read an increment of a function that is called: its name and its arguments, if it has them, are texts.

    Raises:
        TypeError, ValueError: It has an unexpected shape.
    """
    read = {name: value for name, value in dict(function).items() if value is not None}
    if not isinstance(read.get("name", ""), str):
        raise TypeError("the name of a function is not a string")
    if "arguments" in read:
        read["arguments"] = _arguments_text(read["arguments"])
    return read


def _arguments_text(arguments: Any) -> str:
    """Return arguments as JSON text, as in OpenAI's API; some servers send them as an object."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)


def _id_of(call: Mapping[str, Any]) -> str:
    return str(call.get("id") or "")


def _new_id() -> str:
    return f"call_{uuid4().hex}"  # the tool's result refers to it

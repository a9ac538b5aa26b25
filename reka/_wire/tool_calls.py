"""Tool calls of an answer, whole or streamed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reka._protocol.answers.budgets import MAX_STREAM_BYTES, MAX_TOOL_CALLS, OverBudgetError
from reka._protocol.answers.json_text import parse_json
from reka._wire.choices import beginning, new_part, objects
from reka.types import ToolCall, ToolCallDelta


def read_tool_call(call: Mapping[str, Any]) -> ToolCall:
    """Read a tool call in the nested form, or in the flat one with `parameters`."""
    function = call.get("function")
    function = function if isinstance(function, Mapping) else call
    arguments = function.get("arguments", function.get("parameters"))
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(str(call.get("id") or ""), str(function.get("name") or ""), arguments)


@dataclass(slots=True, eq=False, repr=False)
class _StreamedCall:
    """What has come of a call so far."""

    index: int
    id: str = ""
    name: str = ""
    parts: list[str] = field(default_factory=list)
    """Of the arguments; joined only where needed, as a call may come in thousands of parts."""

    def is_other_than(self, part: ToolCall) -> bool:
        """Whether a part names another call than this one; a part without a name goes on with a call."""
        if not part.name or not self.name:
            return False
        return part.id != self.id if part.id and self.id else part.name != self.name

    def add(self, part: ToolCall) -> ToolCallDelta:
        """Add a part, and give what is new in it: id and name come once, even if the server repeats them."""
        delta = ToolCallDelta(self.index, "" if self.id else part.id, "" if self.name else part.name, part.arguments)
        self.id, self.name = self.id or part.id, self.name or part.name
        self.parts.append(part.arguments)
        return delta

    def arguments(self) -> str:
        """JSON text of the arguments so far."""
        return "".join(self.parts)

    def is_whole(self) -> bool:
        """Whether the arguments are a JSON object."""
        try:
            return isinstance(parse_json(self.arguments()), dict)
        except ValueError:
            return False


class ToolCallStream:
    """Assigns the parts of a stream to its tool calls, whichever way the server tells the calls apart."""

    __slots__ = ("_by_index", "_calls", "_parsed")

    def __init__(self) -> None:
        self._parsed = 0  # characters of arguments, which are parsed again whenever it matters whether they are whole
        self._calls: list[_StreamedCall] = []
        self._by_index: dict[int, _StreamedCall] = {}

    def read(self, parts: object) -> list[ToolCallDelta]:
        """Read the `tool_calls` of a delta: new parts of calls, or whole calls."""
        deltas = []
        for fields in objects(parts):
            part, index = read_tool_call(fields), fields.get("index")
            call = self._at(index, part) if isinstance(index, int) else self._without_index(part)
            deltas.append(call.add(part))
        return deltas

    def read_so_far(self, calls: object) -> list[ToolCallDelta]:
        """Read the `tool_calls` of a message, which repeats what has come of each call before."""
        deltas = []
        for position, fields in enumerate(objects(calls)):
            whole, index = read_tool_call(fields), fields.get("index")
            call = self._with_id(whole.id) or self._at(index if isinstance(index, int) else position, whole)
            so_far = beginning(call.parts, len(whole.arguments))
            new = "" if self._is_whole(call) else new_part(whole.arguments, so_far)
            deltas.append(call.add(ToolCall(whole.id, whole.name, new)))
        return [delta for delta in deltas if delta.id or delta.name or delta.arguments]

    def _at(self, index: int, part: ToolCall) -> _StreamedCall:
        call = self._by_index.get(index)
        if call is None or (part.name and call.is_other_than(part)):  # some servers give each call the index 0
            call = self._by_index[index] = self._begin(index)
        return call

    def _without_index(self, part: ToolCall) -> _StreamedCall:
        if part.id:
            return self._with_id(part.id) or self._begin()
        last = self._calls[-1] if self._calls else None
        if last is None or last.is_other_than(part) or (part.name and self._is_whole(last)):
            return self._begin()
        return last

    def _is_whole(self, call: _StreamedCall) -> bool:
        self._parsed += sum(map(len, call.parts))
        if self._parsed > MAX_STREAM_BYTES:
            raise OverBudgetError("tool calls that are sent again and again")
        return call.is_whole()

    def _with_id(self, call_id: str) -> _StreamedCall | None:
        return next((call for call in self._calls if call_id and call.id == call_id), None)

    def _begin(self, index: int = 0) -> _StreamedCall:
        """Begin a call, at its index or at the next that is free."""
        taken = [call.index for call in self._calls]
        if len(taken) == MAX_TOOL_CALLS:
            raise OverBudgetError(f"more than {MAX_TOOL_CALLS:,} tool calls")
        self._calls.append(_StreamedCall(max(taken) + 1 if index in taken else index))
        return self._calls[-1]

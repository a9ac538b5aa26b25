"""A lenient reader of the chunks of an upstream's stream. Pure."""

from collections.abc import Mapping
from typing import Any

from reka.server.generation.types import Delta
from reka.server.generation.upstream.responses import arguments_text, choice_fields, read_text, response_fields

__all__ = ["StreamReader"]


class StreamReader:
    """Converts chunks to deltas one by one, and collects what the finish needs."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        """Why the response ended; None while it has not."""
        self.usage: Mapping[str, Any] = {}
        """The reported token counts, under the upstream's names."""
        self.texts: list[str] = []
        """The generated parts: text, and the arguments of tool calls."""
        self._response_fields: Mapping[str, Any] = {}

    def read(self, chunk: Any) -> Delta | None:
        """Convert a chunk to a delta; None if it has nothing new but usage or a finish reason.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: The chunk has an unexpected shape.
        """
        self.usage = chunk.get("usage") or self.usage
        further = response_fields(chunk)
        # Most servers repeat them in each chunk.
        has_news, self._response_fields = further != self._response_fields, further
        choices = chunk.get("choices")
        if not choices:
            return Delta({}, {}, further) if has_news else None
        choice = choices[0]
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        delta = self._delta(choice.get("delta") or {})
        of_choice = choice_fields(choice)
        return Delta(delta, of_choice, further) if delta or of_choice or has_news else None

    def end(self) -> str | None:
        """Return the finish reason of a response that the upstream ended properly; None if it generated nothing."""
        return self.finish_reason or ("stop" if self.texts else None)

    def _delta(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        delta = {name: value for name, value in sent.items() if value is not None}
        if "content" in delta:
            delta["content"] = read_text(delta["content"])
            self.texts.append(delta["content"])
        if "tool_calls" in delta:
            delta["tool_calls"] = [self._call_delta(index, call) for index, call in enumerate(delta["tool_calls"])]
        return delta

    def _call_delta(self, index: int, call: Mapping[str, Any]) -> dict[str, Any]:
        """Normalize an increment of a tool call: its index is a number, its arguments are a text."""
        function = dict(call.get("function") or {})
        arguments = function.get("arguments")
        if arguments is not None:
            # Unlike in a complete call, an empty text is valid.
            function["arguments"] = arguments if arguments == "" else arguments_text(arguments)
            self.texts.append(function["arguments"])
        if not isinstance(function.get("name", ""), str | None):
            raise TypeError("the name of a function is not a string")
        return {**call, "index": int(call.get("index", index)), "function": function}

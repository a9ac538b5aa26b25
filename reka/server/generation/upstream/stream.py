"""A lenient reader of the chunks of an upstream's stream. Pure."""

from collections.abc import Mapping
from typing import Any

from reka._protocol.responses import answer_choice
from reka.server.generation.types import Delta
from reka.server.generation.upstream.lenient_json import SurrogateJoiner, without_surrogates
from reka.server.generation.upstream.responses import (
    choice_fields,
    generated_texts,
    read_text,
    response_fields,
    with_reasoning_content,
)
from reka.server.generation.upstream.tool_calls import ToolCallReader, read_function_delta

__all__ = ["StreamReader"]


class StreamReader:
    """Converts chunks to deltas one by one, and collects what the finish needs."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        """Why the response ended; None while it has not."""
        self.usage: Mapping[str, Any] = {}
        """The reported token counts, under the upstream's names."""
        self.texts: list[str] = []
        """The generated parts: text, and the arguments of calls."""
        self._response_fields: Mapping[str, Any] = {}
        self._calls = ToolCallReader()
        self._surrogates = SurrogateJoiner()

    def read(self, chunk: Any, *, may_have_surrogates: bool = False) -> Delta | None:
        """Convert a chunk to a delta; None if it has nothing new but usage or a finish reason.

        Args:
            chunk: The chunk.
            may_have_surrogates: Whether its strings may have lone surrogates.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: The chunk has an unexpected shape.
        """
        self.usage = chunk.get("usage") or self.usage
        choice = answer_choice(chunk.get("choices")) or {}
        delta, of_choice, further = (
            self._delta(choice.get("delta") or {}),
            choice_fields(choice),
            response_fields(chunk),
        )
        if may_have_surrogates or self._surrogates.is_waiting:
            delta = self._surrogates.join(delta)
            of_choice, further = without_surrogates(of_choice), without_surrogates(further)
        self.texts += generated_texts(delta)
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        # Most servers repeat them in each chunk.
        has_news, self._response_fields = further != self._response_fields, further
        return Delta(delta, of_choice, further) if delta or of_choice or has_news else None

    def rest(self) -> Delta | None:
        """Return what is left when all chunks are read: ends of texts that waited for more; None if there are none."""
        delta = self._surrogates.rest()
        self.texts += generated_texts(delta)
        return Delta(delta) if delta else None

    def end(self) -> str | None:
        """Return the finish reason of a response that the upstream ended properly; None if it generated nothing."""
        return self.finish_reason or ("stop" if self.texts else None)

    def _delta(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        delta = with_reasoning_content({name: value for name, value in sent.items() if value is not None})
        if "content" in delta:
            delta["content"] = read_text(delta["content"])
        if "tool_calls" in delta:
            delta["tool_calls"] = [self._calls.read(call) for call in delta["tool_calls"]]
        if "function_call" in delta:
            delta["function_call"] = read_function_delta(delta["function_call"])
        return delta

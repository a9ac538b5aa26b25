"""The chunks of an upstream's stream, read leniently: what each of them brings, and what the end needs. Pure."""

from collections.abc import Mapping
from typing import Any

from reka.server.generation.types import Delta
from reka.server.generation.upstream.payloads import arguments_text, read_text

__all__ = ["StreamReader"]


class StreamReader:
    """Reads chunks one by one, and keeps what the end of the answer needs."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        """Why the answer ended; None before it has."""
        self.usage: Mapping[str, Any] = {}
        """What was told of the number of tokens, in the upstream's own names."""
        self.texts: list[str] = []
        """What counts as output, in pieces: text, and the arguments of calls."""

    def read(self, chunk: Any) -> Delta | None:
        """Give what a chunk brings; None if that is nothing but usage, or the reason of the end.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: It is of another shape.
        """
        self.usage = chunk.get("usage") or self.usage
        choices = chunk.get("choices")
        if not choices:
            return None
        choice = choices[0]
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        delta = {name: value for name, value in (choice.get("delta") or {}).items() if value is not None}
        if "content" in delta:
            delta["content"] = read_text(delta["content"])
            self.texts.append(delta["content"])
        if "tool_calls" in delta:
            delta["tool_calls"] = [self._piece_of_call(at, piece) for at, piece in enumerate(delta["tool_calls"])]
        return Delta(delta, choice.get("logprobs")) if delta else None

    def end(self) -> str | None:
        """Why the answer has ended, now that the upstream says that it is whole; None if nothing of it has come."""
        return self.finish_reason or ("stop" if self.texts else None)

    def _piece_of_call(self, at: int, piece: Mapping[str, Any]) -> dict[str, Any]:
        """A piece of a tool call whose index is a number, and whose arguments are a text."""
        function = dict(piece.get("function") or {})
        arguments = function.get("arguments")
        if arguments is not None:
            # Here an empty text is a piece like others.
            function["arguments"] = arguments if arguments == "" else arguments_text(arguments)
            self.texts.append(function["arguments"])
        if not isinstance(function.get("name", ""), str | None):
            raise TypeError("a function's name is no text")
        return {**piece, "index": int(piece.get("index", at)), "function": function}

"""Lenient readers of an upstream's responses, whole ones and the chunks of a stream. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from reka._protocol.messages import text_of as content_text
from reka._protocol.usage import read_usage
from reka.server.generation.types import GenerationResult, ToolCall, text_of

__all__ = [
    "arguments_text",
    "choice_fields",
    "estimate_usage",
    "read_completion",
    "read_text",
    "response_fields",
    "usage_fields",
]

_MESSAGE_FIELDS: Final = frozenset({"role", "content", "tool_calls", "function_call"})
_CHOICE_FIELDS: Final = frozenset({"index", "message", "delta", "finish_reason", "error"})
_RESPONSE_FIELDS: Final = frozenset({"id", "object", "created", "model", "choices", "usage", "error"})
_TOKEN_COUNTS: Final = frozenset(
    {"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens"}
)


def read_completion(completion: Any) -> GenerationResult:
    """Parse a chat completion leniently: only a message is required. Token counts are 0.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: The completion has an unexpected shape.
    """
    choice = completion["choices"][0]
    message = choice["message"]
    return GenerationResult(
        text=read_text(message.get("content")),
        finish_reason=str(choice.get("finish_reason") or "stop"),
        input_tokens=0,
        output_tokens=0,
        tool_calls=tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
        message_fields=_further(message, _MESSAGE_FIELDS),
        choice_fields=choice_fields(choice),
        response_fields=response_fields(completion),
        usage_fields=usage_fields(completion.get("usage")),
    )


def choice_fields(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a choice that are passed on as they are, such as `logprobs`."""
    return _further(choice, _CHOICE_FIELDS)


def response_fields(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a response, or of a chunk of a stream, that are passed on as they are."""
    return _further(response, _RESPONSE_FIELDS)


def usage_fields(usage: object) -> dict[str, Any]:
    """Return the fields of a usage besides the two counts. `total_tokens` is one if it is not the sum of them."""
    if not isinstance(usage, Mapping):
        return {}
    fields = _further(usage, _TOKEN_COUNTS)
    counts, total = read_usage(usage), usage.get("total_tokens")
    if counts is not None and total is not None and total != counts.total_tokens:
        fields["total_tokens"] = total
    return fields


def estimate_usage(
    count_tokens: Callable[[str], int], body: Mapping[str, Any], texts: Sequence[str]
) -> tuple[int, int]:
    """Count the tokens of a request and of the generated texts, for an upstream that reports no usage."""
    return sum(count_tokens(text_of(message)) for message in body["messages"]), count_tokens("".join(texts))


def read_text(content: Any) -> str:
    """Return the text of a message's content, or of an increment of it: a string, a list of parts, or nothing.

    Raises:
        TypeError: The content has an unexpected shape.
    """
    if isinstance(content, str):
        return content
    if content is not None and not (isinstance(content, list) and all(isinstance(part, dict) for part in content)):
        raise TypeError("a message's content is neither text nor parts")
    return content_text(content)


def arguments_text(arguments: Any) -> str:
    """Return the arguments of a tool call as JSON text, as in OpenAI's API; some servers send them as an object."""
    return arguments if isinstance(arguments, str) and arguments else json.dumps(arguments or {})


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function = call["function"]
    return ToolCall(
        id=str(call.get("id") or f"call_{uuid4().hex}"),  # the tool's result refers to it
        name=str(function["name"]),
        arguments=arguments_text(function.get("arguments")),
    )


def _further(fields: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Select the fields that are not known; null is the same as no field."""
    further = fields.keys() - known
    # In the order of `fields`: a set has none.
    return {name: value for name, value in fields.items() if name in further and value is not None} if further else {}

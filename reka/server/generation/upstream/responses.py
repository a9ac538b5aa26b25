"""Lenient readers of an upstream's responses, whole ones and the chunks of a stream. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reka._protocol.messages import text_of as content_text
from reka._protocol.responses import answer_choice, further_fields, read_usage
from reka.server.generation.types import GenerationResult, text_of
from reka.server.generation.upstream.tool_calls import read_function, read_tool_call

__all__ = [
    "choice_fields",
    "estimate_usage",
    "generated_texts",
    "read_completion",
    "read_text",
    "response_fields",
    "usage_fields",
    "with_reasoning_content",
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
    choice = answer_choice(completion["choices"]) or completion["choices"][0]
    message = choice["message"]
    message_fields = with_reasoning_content(further_fields(message, _MESSAGE_FIELDS))
    if message.get("function_call") is not None:
        message_fields["function_call"] = read_function(message["function_call"])
    return GenerationResult(
        text=read_text(message.get("content")),
        finish_reason=str(choice.get("finish_reason") or "stop"),
        input_tokens=0,
        output_tokens=0,
        tool_calls=tuple(read_tool_call(call) for call in message.get("tool_calls") or ()),
        message_fields=message_fields,
        choice_fields=choice_fields(choice),
        response_fields=response_fields(completion),
        usage_fields=usage_fields(completion.get("usage")),
    )


def with_reasoning_content(fields: dict[str, Any]) -> dict[str, Any]:
    """Give the model's reasoning its name of Reka's API too, if its server has only the other common one."""
    if isinstance(reasoning := fields.get("reasoning"), str) and "reasoning_content" not in fields:
        fields["reasoning_content"] = reasoning
    return fields


def generated_texts(fields: Mapping[str, Any]) -> list[str]:
    """List the generated texts in a message or a delta that has been read: its content, and arguments of calls."""
    texts = [fields["content"]] if "content" in fields else []
    if "tool_calls" in fields or "function_call" in fields:
        functions = [call["function"] for call in fields.get("tool_calls", ())]
        functions.append(fields.get("function_call", {}))
        texts += [function["arguments"] for function in functions if "arguments" in function]
    return texts


def choice_fields(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a choice that are passed on as they are, such as `logprobs`."""
    return further_fields(choice, _CHOICE_FIELDS)


def response_fields(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a response, or of a chunk of a stream, that are passed on as they are."""
    return further_fields(response, _RESPONSE_FIELDS)


def usage_fields(usage: object) -> dict[str, Any]:
    """Return the fields of a usage besides the two counts. `total_tokens` is one if it is not the sum of them."""
    if not isinstance(usage, Mapping):
        return {}
    fields = further_fields(usage, _TOKEN_COUNTS)
    counts, total = read_usage(usage), usage.get("total_tokens")
    if counts is not None and total is not None and total != counts.input_tokens + counts.output_tokens:
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

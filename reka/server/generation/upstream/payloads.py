"""Request bodies for an upstream, in OpenAI's form or in that of Reka's host, and parsing of its responses.

Pure functions; the sockets are in `upstream.http`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from reka._protocol.constants import V0_ONLY
from reka._protocol.messages import fold_for_reka, sent_message
from reka._protocol.messages import text_of as content_text
from reka._protocol.sampling import PARAMETERS
from reka._protocol.tools import NAMED, for_reka
from reka.errors import InvalidConversationError
from reka.server.generation import prompt
from reka.server.generation.types import (
    GenerationError,
    GenerationRequest,
    GenerationResult,
    Message,
    ToolCall,
    text_of,
)

__all__ = ["Form", "arguments_text", "chat_request", "estimate_usage", "read_completion", "read_text"]

Form: TypeAlias = Literal["openai", "reka"]
"""The form of requests that an upstream accepts: OpenAI's full form, or that of Reka's host."""

# A request's fields that both forms have under the same name. `stop` may be empty, and retrieval is this server's work.
_APART: Final = V0_ONLY | {"stop", "retrieval_top_k"}
_PARAMETERS: Final = (
    *(name for name in PARAMETERS if name not in _APART),
    "response_format",
)
_MESSAGE_FIELDS: Final = frozenset({"role", "content", "tool_calls", "function_call"})


def chat_request(request: GenerationRequest, model: str, form: Form = "openai") -> dict[str, Any]:
    """Build the body of a chat request. Options that are None are left out.

    Raises:
        GenerationError: The conversation cannot be converted to the form of Reka's host (400).
    """
    messages = prompt.build_messages(request)
    body: dict[str, Any] = {**request.extra, "model": model, "messages": _MESSAGES[form](messages)}
    for name in _PARAMETERS:
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        tools, choice = _TOOLS[form](request)
        body["tools"] = tools
        if choice is not None:
            body["tool_choice"] = choice
    return body


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
        extra={name: value for name, value in message.items() if name not in _MESSAGE_FIELDS and value is not None},
        logprobs=choice.get("logprobs"),
    )


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


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function = call["function"]
    return ToolCall(
        id=str(call.get("id") or f"call_{uuid4().hex}"),  # the tool's result refers to it
        name=str(function["name"]),
        arguments=arguments_text(function.get("arguments")),
    )


def arguments_text(arguments: Any) -> str:
    """Return the arguments of a tool call as JSON text, as in OpenAI's API; some servers send them as an object."""
    return arguments if isinstance(arguments, str) and arguments else json.dumps(arguments or {})


def _openai_messages(messages: Sequence[Message]) -> list[Any]:
    return [{**message, "content": _openai_content(message["content"])} for message in messages]


def _openai_content(content: Any) -> Any:
    return [_openai_part(part) for part in content] if isinstance(content, list) else content


def _openai_part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Convert a `pdf_url` with a data URL to a `file`: OpenAI's API has no `pdf_url`. Other URLs stay unchanged."""
    url = part["pdf_url"]["url"] if part["type"] == "pdf_url" else ""
    if not url.startswith("data:"):
        return part
    return {"type": "file", "file": {"filename": "document.pdf", "file_data": url}}


def _reka_messages(messages: Sequence[Message]) -> list[Any]:
    try:
        return [sent_message(message) for message in fold_for_reka(messages)]
    except InvalidConversationError as error:
        raise GenerationError(400, f"messages: {error.message}") from error


def _openai_tools(request: GenerationRequest) -> tuple[list[Any], Any]:
    tools = [{"type": "function", "function": dict(tool)} for tool in request.tools]
    choice = request.tool_choice
    if choice is not None and choice.startswith(NAMED):
        return tools, {"type": "function", "function": {"name": choice.removeprefix(NAMED)}}
    return tools, choice


def _reka_tools(request: GenerationRequest) -> tuple[list[Any], Any]:
    return for_reka(request.tools, request.tool_choice)


_MESSAGES: Final[Mapping[Form, Callable[[Sequence[Message]], list[Any]]]] = {
    "openai": _openai_messages,
    "reka": _reka_messages,
}
_TOOLS: Final[Mapping[Form, Callable[[GenerationRequest], tuple[list[Any], Any]]]] = {
    "openai": _openai_tools,
    "reka": _reka_tools,
}

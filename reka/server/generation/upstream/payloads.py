"""What is sent to a model behind the server, in OpenAI's form or in the live Reka host's; and how its answers are read.

Pure functions; `upstream` has the sockets.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from reka._protocol.features import V0_ONLY
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
"""Which of the two an upstream takes: OpenAI's full form, or the live Reka host's."""

# A request's fields that both have under the same name. `stop` may be empty, and retrieval is this server's own work.
_APART: Final = V0_ONLY | {"stop", "retrieval_top_k"}
_PARAMETERS: Final = (
    *(name for name in PARAMETERS if name not in _APART),
    "response_format",
)
_ANSWER_FIELDS: Final = frozenset({"role", "content", "tool_calls", "function_call"})


def chat_request(question: GenerationRequest, model: str, form: Form = "openai") -> dict[str, Any]:
    """Write a question as the body of a chat request. What the caller left open is left to the upstream.

    Raises:
        GenerationError: The conversation cannot be brought to the live host's form (400).
    """
    messages = prompt.messages(question)
    body: dict[str, Any] = {**question.extra, "model": model, "messages": _MESSAGES[form](messages)}
    for name in _PARAMETERS:
        value = getattr(question, name)
        if value is not None:
            body[name] = value
    if question.stop:
        body["stop"] = list(question.stop)
    if question.tools:
        tools, choice = _TOOLS[form](question)
        body["tools"] = tools
        if choice is not None:
            body["tool_choice"] = choice
    return body


def read_completion(completion: Any) -> GenerationResult:
    """Read a chat completion leniently: only a message must be there. Tokens are left at 0.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: It is of another shape.
    """
    choice = completion["choices"][0]
    message = choice["message"]
    return GenerationResult(
        text=read_text(message.get("content")),
        finish_reason=str(choice.get("finish_reason") or "stop"),
        input_tokens=0,
        output_tokens=0,
        tool_calls=tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
        extra={name: value for name, value in message.items() if name not in _ANSWER_FIELDS and value is not None},
        logprobs=choice.get("logprobs"),
    )


def estimate_usage(
    count_tokens: Callable[[str], int], body: Mapping[str, Any], texts: Sequence[str]
) -> tuple[int, int]:
    """Count the tokens of a request and of its answer's texts, for upstreams that do not tell."""
    return sum(count_tokens(text_of(message)) for message in body["messages"]), count_tokens("".join(texts))


def read_text(content: Any) -> str:
    """Read a message's content, or a piece of it: a text, a list of parts, or nothing.

    Raises:
        TypeError: It is of another shape.
    """
    if isinstance(content, str):
        return content
    if content is not None and not (isinstance(content, list) and all(isinstance(part, dict) for part in content)):
        raise TypeError("a message's content is neither text nor parts")
    return content_text(content)


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function = call["function"]
    return ToolCall(
        id=str(call.get("id") or f"call_{uuid4().hex}"),  # a result must be able to name it
        name=str(function["name"]),
        arguments=arguments_text(function.get("arguments")),
    )


def arguments_text(arguments: Any) -> str:
    """A call's arguments as the JSON text that they are in OpenAI's API; there are servers that send the object."""
    return arguments if isinstance(arguments, str) and arguments else json.dumps(arguments or {})


def _openai_messages(messages: Sequence[Message]) -> list[Any]:
    return [{**message, "content": _openai_content(message["content"])} for message in messages]


def _openai_content(content: Any) -> Any:
    return [_openai_part(part) for part in content] if isinstance(content, list) else content


def _openai_part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """OpenAI's API has no `pdf_url`: a PDF whose content is at hand goes as a file. Other URLs are left as they are."""
    url = part["pdf_url"]["url"] if part["type"] == "pdf_url" else ""
    if not url.startswith("data:"):
        return part
    return {"type": "file", "file": {"filename": "document.pdf", "file_data": url}}


def _reka_messages(messages: Sequence[Message]) -> list[Any]:
    try:
        return [sent_message(message) for message in fold_for_reka(messages)]
    except InvalidConversationError as error:
        raise GenerationError(400, f"messages: {error.message}") from error


def _openai_tools(question: GenerationRequest) -> tuple[list[Any], Any]:
    tools = [{"type": "function", "function": dict(tool)} for tool in question.tools]
    choice = question.tool_choice
    if choice is not None and choice.startswith(NAMED):
        return tools, {"type": "function", "function": {"name": choice.removeprefix(NAMED)}}
    return tools, choice


def _reka_tools(question: GenerationRequest) -> tuple[list[Any], Any]:
    return for_reka(question.tools, question.tool_choice)


_MESSAGES: Final[Mapping[Form, Callable[[Sequence[Message]], list[Any]]]] = {
    "openai": _openai_messages,
    "reka": _reka_messages,
}
_TOOLS: Final[Mapping[Form, Callable[[GenerationRequest], tuple[list[Any], Any]]]] = {
    "openai": _openai_tools,
    "reka": _reka_tools,
}

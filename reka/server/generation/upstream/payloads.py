"""Request bodies for an upstream, in OpenAI's form or in that of Reka's host. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reka._protocol.constants import V0_ONLY
from reka._protocol.forms import to_openai_tools, to_reka_tools
from reka._protocol.messages import normalize_messages, to_reka_messages
from reka._protocol.prompt import Passage, with_passages
from reka._protocol.sampling import PARAMETERS
from reka.errors import InvalidConversationError
from reka.server.generation.types import GenerationError, GenerationRequest, Message
from reka.types import Form

__all__ = ["chat_request"]

# A request's fields that both forms have under the same name. `stop` may be empty, and retrieval is this server's work.
_APART: Final = V0_ONLY | {"stop", "retrieval_top_k"}
_PARAMETERS: Final = (
    *(name for name in PARAMETERS if name not in _APART),
    "response_format",
)


def chat_request(request: GenerationRequest, model: str, form: Form = "openai") -> dict[str, Any]:
    """Build the body of a chat request. Options that are None are left out.

    Raises:
        GenerationError: The conversation cannot be converted to the form of Reka's host (400).
    """
    messages = request.messages
    if request.snippets is not None:
        messages = with_passages(
            messages, [Passage(snippet.source, snippet.text, snippet.context) for snippet in request.snippets]
        )
    body: dict[str, Any] = {**request.extra, "model": model, "messages": _MESSAGES[form](messages)}
    for name in _PARAMETERS:
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.stop:
        body["stop"] = list(request.stop)
    return body | _TOOLS[form](request.tools, request.tool_choice)


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
        return to_reka_messages(normalize_messages(messages))
    except InvalidConversationError as error:
        raise GenerationError(400, f"messages: {error.message}") from error


_MESSAGES: Final[Mapping[Form, Callable[[Sequence[Message]], list[Any]]]] = {
    "openai": _openai_messages,
    "reka": _reka_messages,
}
_TOOLS: Final[Mapping[Form, Callable[[Sequence[Mapping[str, Any]], str | None], dict[str, Any]]]] = {
    "openai": to_openai_tools,
    "reka": to_reka_tools,
}

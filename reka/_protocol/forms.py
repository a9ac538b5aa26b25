"""The two forms of `/v1/chat/completions`, and which one a host is sent.

`openai` is OpenAI's form, which Reka's pages describe since 2026; `reka` is the form that the live host accepted in
2025 (observed by third-party tests). A host that refuses a request in one form is sent the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reka._protocol.errors import is_missing_model, is_no_balance
from reka._protocol.media import MEDIA_KINDS
from reka._protocol.messages import media_behind_results, sent_message, to_reka_messages
from reka._protocol.tools import NAMED, for_reka
from reka.types import Form, FormChoice

FORMS: Final[tuple[FormChoice, ...]] = ("auto", "openai", "reka")

STREAM_OPTIONS: Final = "stream_options"
"""Field of a streamed request in OpenAI's form: usage is sent only if it asks for it."""

_REFUSALS: Final = frozenset({400, 422})
_TOO_LONG: Final = "context_length_exceeded"


def other_form(form: Form) -> Form:
    """The other one of the two forms."""
    return "reka" if form == "openai" else "openai"


def written_differently(messages: Sequence[Mapping[str, Any]], tools: Sequence[object]) -> bool:
    """Whether the forms write a request differently; both write texts of user and assistant in turn alike.

    Args:
        messages: Normalized messages.
        tools: Tools of the request.
    """
    return bool(tools) or to_openai_messages(messages) != to_reka_messages(messages)


def reveals_form(messages: Sequence[Mapping[str, Any]], tools: Sequence[object]) -> bool:
    """Whether a request that was answered shows the host's form: only tools and media do, any host accepts text."""
    return bool(tools) or any(
        message.get("tool_calls") or any(part["type"] in MEDIA_KINDS for part in message["content"])
        for message in messages
    )


def refuses_stream_options(message: str) -> bool:
    """Whether an error is about the one field that only OpenAI's form adds to a stream of texts."""
    return STREAM_OPTIONS in message


def may_refuse_form(status: int | None, code: str | None, message: str, model: str) -> bool:
    """Whether an error can mean that the host does not accept the form of the request.

    Args:
        status: Status of the response; None if the error came in one with a success status.
        code: Error code; None if there is none.
        message: The host's own words.
        model: Name of the model that the request was for.
    """
    return (
        status in _REFUSALS
        and code != _TOO_LONG
        and not is_no_balance(code, message)
        and not is_missing_model(status, code, message, model)
    )


def to_openai_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write normalized messages in OpenAI's form."""
    return [_openai_message(message) for message in media_behind_results(messages)]


def to_openai_tools(tools: Sequence[Mapping[str, Any]], choice: str | None) -> dict[str, Any]:
    """Write normalized tools and tool choice in OpenAI's form, as fields of a request body."""
    if not tools:
        return {}
    fields: dict[str, Any] = {"tools": [{"type": "function", "function": dict(tool)} for tool in tools]}
    if choice is not None:
        name = choice.removeprefix(NAMED) if choice.startswith(NAMED) else None
        fields["tool_choice"] = choice if name is None else {"type": "function", "function": {"name": name}}
    return fields


def to_reka_tools(tools: Sequence[Mapping[str, Any]], choice: str | None) -> dict[str, Any]:
    """Write normalized tools and tool choice in the form of 2025, as fields of a request body."""
    if not tools:
        return {}
    flat, flat_choice = for_reka(tools, choice)
    return {"tools": flat} if flat_choice is None else {"tools": flat, "tool_choice": flat_choice}


def _openai_message(message: Mapping[str, Any]) -> dict[str, Any]:
    role = "system" if message["role"] == "developer" else message["role"]
    content = [_openai_part(part) for part in message["content"]]
    sent = sent_message({**message, "role": role, "content": content})
    if role == "tool":
        sent["tool_call_id"] = message["tool_call_id"]
    return sent


def _openai_part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part["type"]
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    url: str = part[kind]
    if kind == "audio_url" and url[:5].lower() == "data:":
        header, _, data = url.partition(",")
        audio_format = header[len("data:audio/") :].partition(";")[0]
        return {
            "type": "input_audio",
            "input_audio": {"data": data, "format": _AUDIO_FORMATS.get(audio_format, audio_format)},
        }
    if kind == "pdf_url" and url[:5].lower() == "data:":
        return {"type": "file", "file": {"filename": "document.pdf", "file_data": url}}
    return {"type": kind, kind: {"url": url}}


_AUDIO_FORMATS: Final[Mapping[str, str]] = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
"""OpenAI's names of audio formats, by MIME subtype, where they differ."""

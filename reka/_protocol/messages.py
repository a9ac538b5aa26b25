"""Messages: validation, conversion to the form of Reka's host, and features that turns lack.

Callers can write whatever the OpenAI protocol allows. The live host accepts less, so each of its limits is a separate
pass from a list of messages to a new one; `fold` runs them in order. Source of the limits: observed on the
live host (third-party integration tests); our own server accepts both forms.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from reka._protocol.constants import LATER_MEDIA, SEVERAL_MEDIA, TOOL_CALLS
from reka._protocol.media import MEDIA_KINDS, part_of_url
from reka.errors import InvalidConversationError
from reka.types import Message

Part: TypeAlias = dict[str, Any]

OPENING: Final = "(The assistant speaks first.)"
"""Text of the user message inserted before an assistant message that would be the first."""

_MEDIA_RESULT: Final = "(The next user message has the result.)"
"""Text of a tool result that has only media, in OpenAI's form."""

_ROLES: Final = ("system", "developer", "user", "assistant", "tool")
_BETWEEN: Final = "\n\n"
_OPENAI_MEDIA: Final = {"input_audio": "data", "file": "file_data"}
_AUDIO_SUBTYPES: Final = {"mp3": "mpeg"}


def normalize_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Validate messages and bring them to one form; the arguments are not changed.

    Returns:
        Messages with a list of parts as content: texts, and media as `{"type": kind, kind: URL}`.

    Raises:
        InvalidConversationError: The messages are invalid; the error names the index of the first invalid one.
    """
    return [_normal(index, message) for index, message in enumerate(_list(messages))]


def fold(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Convert normalized messages to alternating user and assistant messages, the user first."""
    return user_first(alternating(system_into_user(tool_results_as_text([dict(one) for one in messages]))))


def to_reka_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write normalized messages in the form that the live host accepted in 2025."""
    return [sent_message(message) for message in fold(messages)]


def tool_results_as_text(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Convert tool results to user text: the live host refuses the role `tool` and fails on a `tool_call_id`."""
    return [_result_as_text(message) if message["role"] == "tool" else message for message in messages]


def media_behind_results(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Move media of tool results to a user message behind them: OpenAI's form has only text in tool results."""
    moved: list[Mapping[str, Any]] = []
    waiting: list[Part] = []
    for message in messages:
        if message["role"] == "tool":
            media = [part for part in message["content"] if part["type"] in MEDIA_KINDS]
            if media:
                texts = [part for part in message["content"] if part["type"] not in MEDIA_KINDS]
                message = {**message, "content": texts or [{"type": "text", "text": _MEDIA_RESULT}]}
                waiting += [
                    {"type": "text", "text": f"[Media of the tool result for {message['tool_call_id']}]:"},
                    *media,
                ]
        elif waiting:
            moved.append({"role": "user", "content": waiting})
            waiting = []
        moved.append(message)
    return [*moved, {"role": "user", "content": waiting}] if waiting else moved


def system_into_user(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prepend system text to the next user text: the live host has no such role.

    System text without a following user message becomes a user message, so that it is not lost.
    """
    folded: list[dict[str, Any]] = []
    waiting: list[Part] = []
    for message in messages:
        if message["role"] in {"system", "developer"}:
            waiting += message["content"]
        elif message["role"] == "user" and waiting:
            folded.append(message | {"content": concat_parts(waiting, message["content"])})
            waiting = []
        else:
            folded.append(message)
    return folded + ([{"role": "user", "content": waiting}] if waiting else [])


def alternating(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge consecutive messages of one role: the live host requires alternating roles."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"]:
            calls = merged[-1].get("tool_calls", []) + message.get("tool_calls", [])
            content = concat_parts(merged[-1]["content"], message["content"])
            merged[-1] = {"role": message["role"], "content": content} | ({"tool_calls": calls} if calls else {})
        else:
            merged.append(message)
    return merged


def user_first(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Insert a user message before an assistant message that would be the first."""
    if messages and messages[0]["role"] == "assistant":
        return [{"role": "user", "content": [{"type": "text", "text": OPENING}]}, *messages]
    return messages


def concat_parts(first: list[Part], second: list[Part]) -> list[Part]:
    """Concatenate parts; adjacent texts are joined with an empty line."""
    if first and second and first[-1]["type"] == second[0]["type"] == "text":
        texts = [part["text"] for part in (first[-1], second[0]) if part["text"]]
        return [*first[:-1], {"type": "text", "text": _BETWEEN.join(texts)}, *second[1:]]
    return [*first, *second]


class BeyondTurns(NamedTuple):
    """A feature of messages that turns of the documented endpoint lack."""

    feature: str
    """Name of the feature, from `reka._protocol.constants`."""

    message: int
    """Index of the message."""

    part: int | None
    """Index of the part in the message's content; None for tool calls."""


def beyond_turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[BeyondTurns]:
    """Find features that turns lack: they hold one media part, in the first turn, and no tool calls.

    Args:
        messages: Messages in either form; everything before the first assistant message is the first turn.
    """
    is_first_turn, has_media = True, False
    for index, message in enumerate(messages):
        is_first_turn = is_first_turn and message["role"] != "assistant"
        content = message["content"]
        for place, part in enumerate(() if isinstance(content, str) else content):
            if part["type"] not in MEDIA_KINDS:
                continue
            if has_media:
                yield BeyondTurns(SEVERAL_MEDIA, index, place)
            if not is_first_turn:
                yield BeyondTurns(LATER_MEDIA, index, place)
            has_media = True
        if message.get("tool_calls"):
            yield BeyondTurns(TOOL_CALLS, index, None)


def orphan_results(messages: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    """Find tool results that refer to no earlier call, which no model could interpret.

    Args:
        messages: Messages whose tool calls have an `id`.

    Yields:
        The index of each such message.
    """
    call_ids: set[str] = set()
    for index, message in enumerate(messages):
        call_ids.update(call["id"] for call in message.get("tool_calls") or ())
        if message["role"] == "tool" and message.get("tool_call_id") not in call_ids:
            yield index


def text_of(content: object, between: str = "") -> str:
    """Text of a message's content: a string, or the texts of a list of parts.

    Args:
        content: The content; any other value has no text.
        between: Separator of the texts of parts.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return between.join(
        part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    )


def _list(messages: object) -> Sequence[Message]:
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        raise InvalidConversationError(
            f'messages: got {type(messages).__name__}, want a list such as [{{"role": "user", "content": "Hi"}}]'
        )
    if not messages:
        raise InvalidConversationError("messages: there are none")
    return messages


def _normal(index: int, message: object) -> dict[str, Any]:
    """Validate one message; its content becomes a list of parts, and unknown fields are dropped."""
    if not isinstance(message, Mapping):
        raise _wrong(index, f"got {type(message).__name__}, want a dict with the keys 'role' and 'content'")
    role = message.get("role")
    if role not in _ROLES:
        raise _wrong(index, f"got role {role!r}, want one of {', '.join(_ROLES)}")
    content = message.get("content")
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list | tuple):
        raise _wrong(index, f"has tool_calls that are no list, but {type(calls).__name__}")
    if content is None and not calls:
        raise _wrong(index, "has no content")
    normal: dict[str, Any] = {"role": role, "content": _parts(index, content)}
    if calls:
        if role != "assistant":
            raise _wrong(index, f"has tool_calls, and only an assistant's message can, not a {role}'s")
        normal["tool_calls"] = [_call(index, call) for call in calls]
    if role == "tool":
        if not isinstance(message.get("tool_call_id"), str):
            raise _wrong(index, "is a tool's and has no tool_call_id")
        normal["tool_call_id"] = message["tool_call_id"]
    return normal


def _parts(index: int, content: object) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise _wrong(index, f"has content of type {type(content).__name__}, want a string or a list of parts")
    return [_part(index, place, part) for place, part in enumerate(content)]


def _part(index: int, place: int, part: object) -> Part:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(part, Mapping) and isinstance(kind, str) and kind in _OPENAI_MEDIA:
        return _openai_media(index, place, part)
    if not isinstance(part, Mapping) or kind not in ("text", *MEDIA_KINDS):
        got = f"type {kind!r}" if isinstance(part, Mapping) else type(part).__name__
        raise _wrong(index, f"part {place}: got {got}, want one of text, {', '.join(MEDIA_KINDS)}")
    value = part.get(kind)
    if kind != "text" and isinstance(value, Mapping):
        value = value.get("url")  # OpenAI's form; the live host requires the bare string
    if not isinstance(value, str):
        raise _wrong(index, f"part {place}: {kind} is {type(value).__name__}, want a string")
    return {"type": kind, kind: value}


def _openai_media(index: int, place: int, part: Mapping[str, Any]) -> Part:
    """Convert OpenAI's parts for the bytes of audio and files to parts with a data URL."""
    kind = part["type"]
    fields = part.get(kind)
    data = fields.get(_OPENAI_MEDIA[kind]) if isinstance(fields, Mapping) else None
    if not isinstance(fields, Mapping) or not isinstance(data, str):
        raise _wrong(index, f"part {place}: {kind} has no {_OPENAI_MEDIA[kind]}, want it as a string")
    if kind == "input_audio":
        audio_format = str(fields.get("format") or "wav")
        return {
            "type": "audio_url",
            "audio_url": f"data:audio/{_AUDIO_SUBTYPES.get(audio_format, audio_format)};base64,{data}",
        }
    part_kind, url = part_of_url(data if data[:5].lower() == "data:" else f"data:application/pdf;base64,{data}")
    return {"type": part_kind, part_kind: url}


def _call(index: int, call: object) -> dict[str, Any]:
    """Convert a tool call, nested or `{"id", "name", "arguments"}`, to the nested form."""
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise _wrong(index, 'has a tool call that is not {"id", "name", "arguments"}')
    arguments = function.get("arguments", function.get("parameters", "{}"))
    if not isinstance(arguments, str):
        try:
            arguments = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise _wrong(index, f"has a tool call whose arguments cannot be written as JSON: {error}") from error
    call_id = call.get("id")
    named = {"name": function["name"], "arguments": arguments}
    return {"id": call_id if isinstance(call_id, str) else "", "type": "function", "function": named}


def _result_as_text(message: dict[str, Any]) -> dict[str, Any]:
    label = {"type": "text", "text": f"[Tool result for {message['tool_call_id']}]: "}
    content = message["content"]
    if content and content[0]["type"] == "text":
        label["text"] += content[0]["text"]
        content = content[1:]
    return {"role": "user", "content": [label, *content]}


def sent_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Message as sent: content of at most one text becomes a plain string."""
    parts = message["content"]
    if len(parts) <= 1 and all(part["type"] == "text" for part in parts):
        content: object = parts[0]["text"] if parts else ""
    else:
        content = parts
    calls = message.get("tool_calls")
    return {"role": message["role"], "content": content} | ({"tool_calls": calls} if calls else {})


def _wrong(index: int, what: str) -> InvalidConversationError:
    return InvalidConversationError(f"message {index} {what}")

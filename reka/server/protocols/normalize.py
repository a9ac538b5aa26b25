"""Messages as programs write them -> messages in one form, OpenAI's full one: see `types.Message`. Pure.

Programs of Reka's present API write the live host's form (flat tools, media as plain strings), programs of OpenAI's
write the full one, and the generation before has forms of its own. All are taken, each problem is told by its place.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from pydantic_core import PydanticCustomError

from reka._protocol import tools as protocol
from reka._protocol.checks import describe, json_kind
from reka._protocol.media import MEDIA_KINDS, PART_LABELS, is_media_url
from reka._protocol.responses import further_fields
from reka.errors import InvalidArgumentError

__all__ = [
    "MAX_MESSAGES",
    "MAX_TOOLS",
    "body_error",
    "flatten_tools",
    "normalize_messages",
    "normalize_tool_choice",
    "normalize_v1_chat_messages",
]

MAX_MESSAGES: Final = 10_000
"""Messages in a conversation (ours): more than any model has room for."""

MAX_PARTS: Final = 1_000
"""Parts of a message (ours)."""

MAX_MEDIA: Final = 100
"""Parts of a message that are media (ours)."""

MAX_TOOLS: Final = 1_000
"""Tools in a request (ours)."""

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_NATIVE_ROLES: Final = ("system", "user", "assistant", "tool_output")
_MESSAGE_FIELDS: Final = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "function_call"})
_CALL_FIELDS: Final = frozenset({"index", "id", "type", "function", "name", "arguments", "parameters"})


def body_error(place: str, what: str) -> PydanticCustomError:
    """Make the error for one place of a body. The message is a value, as it may hold braces."""
    return PydanticCustomError("request", "{place}: {what}", {"place": place, "what": what})


def normalize_messages(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """Bring the messages of `/v1/chat/completions` to one form.

    Raises:
        PydanticCustomError: They are no conversation.
    """
    normal = [{**_message(f"messages.{index}", one), **_further(one)} for index, one in enumerate(messages)]
    return _checked(normal)


def normalize_v1_chat_messages(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """Bring the messages of `/v1/chat` to one form.

    Raises:
        PydanticCustomError: They are no conversation.
    """
    normal = [
        one
        for index, message in enumerate(messages)
        for one in _native_message(f"messages.{index}", _object(f"messages.{index}", message))
    ]
    return _checked(normal)


def flatten_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Bring tools, nested or flat, to the flat form.

    Raises:
        PydanticCustomError: One is no tool, or two have one name.
    """
    with _body_errors():
        return protocol.flat_tools(tools)


def normalize_tool_choice(choice: Any, tools: Sequence[Mapping[str, Any]]) -> str | None:
    """Bring a tool choice to `auto`, `none`, `required`, or `named:` and a name; None if nothing was chosen.

    Raises:
        PydanticCustomError: It is none of these, or there is no such tool.
    """
    with _body_errors():
        return protocol.normalized_choice(choice, tools)


@contextmanager
def _body_errors() -> Iterator[None]:
    """Turn an argument's error, which begins with its place, into one of a body."""
    try:
        yield
    except InvalidArgumentError as error:
        place, _, what = error.message.partition(": ")
        raise body_error(place, what) from error


def _checked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Check what is between messages: somebody asks, and a result belongs to a call."""
    if not any(message["role"] == "user" for message in messages):
        raise body_error("messages", "want at least one of role user: nothing is asked")
    calls: set[str] = set()
    for index, message in enumerate(messages):
        calls.update(call["id"] for call in message.get("tool_calls", ()))
        if message["role"] == "tool" and message["tool_call_id"] not in calls:
            raise body_error(
                f"messages.{index}",
                f"is the result of call {describe(message['tool_call_id'])}, and no assistant's message before it "
                "has a call of that id in its tool_calls",
            )
    return messages


def _message(place: str, message: Any) -> dict[str, Any]:
    message = _object(place, message)
    role = _role(place, message, _ROLES)
    normal: dict[str, Any] = {"role": role, "content": _content(place, message.get("content"))}
    if isinstance(name := message.get("name"), str) and name:
        normal["name"] = name
    calls = _calls(place, role, message)
    is_refusal = role == "assistant" and message.get("refusal")
    if message.get("content") is None and not (calls or is_refusal or role == "function"):
        raise body_error(f"{place}.content", "is missing")
    if role == "tool":
        normal["tool_call_id"] = _string(f"{place}.tool_call_id", message.get("tool_call_id"))
    if role == "function" and "name" not in normal:
        raise body_error(f"{place}.name", "is missing: want the name of the function whose result this is")
    return normal | calls


def _calls(place: str, role: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """The calls of a message, as fields of it: of tools, or of a function, as OpenAI's API had it before tools."""
    calls, function = message.get("tool_calls"), message.get("function_call")
    if (calls or function) and role != "assistant":
        name = "tool_calls" if calls else "function_call"
        raise body_error(f"{place}.{name}", f"only an assistant calls tools, and this is of role {role}")
    fields: dict[str, Any] = {}
    if calls:
        fields["tool_calls"] = [
            _call(f"{place}.tool_calls.{index}", call) for index, call in enumerate(_list(f"{place}.tool_calls", calls))
        ]
    if function:
        fields["function_call"] = _function(f"{place}.function_call", function)
    return fields


def _further(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message that the model may know, such as `reasoning_content`."""
    fields = further_fields(message, _MESSAGE_FIELDS)
    if "reasoning" in fields and fields.get("reasoning_content") == fields["reasoning"]:
        del fields["reasoning_content"]  # of our making, out of the other one
    return fields


def _native_message(place: str, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One message of `/v1/chat`; several, for the outputs of several tools."""
    role = _role(place, message, _NATIVE_ROLES)
    if role != "tool_output":
        return [_message(place, message)]
    outputs = _list(f"{place}.content", message.get("content"))
    if not outputs:
        raise body_error(f"{place}.content", "there are no tool outputs in it")
    return [_output(f"{place}.content.{index}", output) for index, output in enumerate(outputs)]


def _output(place: str, output: Any) -> dict[str, Any]:
    output = _object(place, output)
    told = output.get("output")
    return {
        "role": "tool",
        "tool_call_id": _string(f"{place}.tool_call_id", output.get("tool_call_id")),
        "content": told if isinstance(told, str) else json.dumps(told, ensure_ascii=False),
    }


def _content(place: str, content: Any) -> str | list[dict[str, Any]] | None:
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise body_error(f"{place}.content", f"got {json_kind(content)}, want a string or a list of parts")
    if len(content) > MAX_PARTS:
        raise body_error(f"{place}.content", f"has {len(content)} parts, want at most {MAX_PARTS}")
    media = sum(isinstance(part, Mapping) and part.get("type") != "text" for part in content)
    if media > MAX_MEDIA:
        raise body_error(f"{place}.content", f"has {media} images, files or other media, want at most {MAX_MEDIA}")
    return [_part(f"{place}.content.{index}", part) for index, part in enumerate(content)]


def _part(place: str, part: Any) -> dict[str, Any]:
    part = _object(place, part)
    kind = part.get("type")
    value = part.get(kind) if isinstance(kind, str) else None
    further = further_fields(part, frozenset({"type", kind}))  # such as `cache_control`
    if kind == "text":
        return {"type": "text", "text": _string(f"{place}.text", value), **further}
    if kind in MEDIA_KINDS:
        # The live host's form is the plain string, OpenAI's an object, which may say more (`detail`).
        media = {"url": value} if isinstance(value, str) else _object(f"{place}.{kind}", value)
        url = _string(f"{place}.{kind}.url", media.get("url"))
        if not is_media_url(url):
            raise body_error(f"{place}.{kind}", f"got {describe(url)}, want an http(s) or a data: URL")
        return {"type": kind, kind: dict(media), **further}
    if kind in PART_LABELS:
        return {"type": kind, kind: dict(_object(f"{place}.{kind}", value)), **further}
    raise body_error(f"{place}.type", f"got {describe(kind)}, want one of text, {', '.join(PART_LABELS)}")


def _call(place: str, call: Any) -> dict[str, Any]:
    """A tool call in the nested form, from that, or from the flat one with `parameters`."""
    call = _object(place, call)
    call_id = _string(f"{place}.id", call.get("id"))
    function = _function(place, _object(f"{place}.function", call.get("function", call)))
    return {**further_fields(call, _CALL_FIELDS), "id": call_id, "type": "function", "function": function}


def _function(place: str, function: Any) -> dict[str, str]:
    """A called function, its arguments as JSON text."""
    function = _object(place, function)
    arguments = function.get("arguments", function.get("parameters", {}))
    return {
        "name": _string(f"{place}.name", function.get("name")),
        "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False),
    }


def _role(place: str, message: Mapping[str, Any], roles: Sequence[str]) -> str:
    role = message.get("role")
    if not isinstance(role, str) or role not in roles:
        raise body_error(f"{place}.role", f"got {describe(role)}, want one of {', '.join(roles)}")
    return role


def _object(place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise body_error(place, f"got {json_kind(value)}, want an object")
    return value


def _list(place: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise body_error(place, f"got {json_kind(value)}, want a list")
    return value


def _string(place: str, value: Any) -> str:
    if not isinstance(value, str):
        raise body_error(place, f"got {json_kind(value)}, want a string")
    return value

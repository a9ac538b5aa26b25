"""What the strict hosts take in both forms, and how they refuse the rest. Pure; `strict_host` has the sockets.

A body is checked field by field, with no conversion and no field that the form does not have.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    model_validator,
)

from tests.support.rule_wire import MEDIA_PARTS
from tests.support.strict_models import Model

ERROR_TYPES: Final = {
    400: "validation_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
}


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The body of an error of this status."""
    return {
        "error": {"message": message, "type": ERROR_TYPES.get(status, "server_error"), "code": code, "param": param}
    }


class RefusalError(Exception):
    """A request that the host does not take.

    Args:
        status: Status of the answer.
        message: What is wrong, naming the field.
        param: The field of the body; None for none in particular.
        code: The error's code.
        faults: Each fault of the body, with its place.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        faults: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message, param, code)
        self.faults = faults


class Strict(BaseModel):
    """An object with these fields and no other, each of the type that it says."""

    model_config = ConfigDict(extra="forbid", strict=True)


Checked = TypeVar("Checked", bound=Strict)


def check_form(form: type[Checked], body: object) -> Checked:
    """Check a body against a form.

    Raises:
        RefusalError: It does not fit; the message has the path to the first fault.
    """
    try:
        return form.model_validate(body)
    except ValidationError as error:
        faults = [
            {"loc": ["body", *fault["loc"]], "msg": fault["msg"], "type": fault["type"]}
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        path = [str(place) for place in faults[0]["loc"][1:]]
        message = f"{'.'.join(path) or 'body'}: {faults[0]['msg']}"
        raise RefusalError(400, message, path[0] if path else None, faults=faults) from error


def _as_parts(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _json_object(text: str) -> str:
    try:
        is_object = isinstance(json.loads(text), dict)
    except ValueError:
        is_object = False
    if not is_object:
        raise ValueError("want a JSON object, written as a string")
    return text


AsParts: Final = BeforeValidator(_as_parts)
"""Reads content that is a string as one part of text."""
Name: TypeAlias = Annotated[str, Field(min_length=1)]
Address: TypeAlias = Annotated[str, Field(pattern=r"^(https?://|data:)")]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Text(Strict):
    type: Literal["text"]
    text: str


Texts: TypeAlias = Annotated[list[Text], AsParts, Field(min_length=1)]
"""A string, or parts of text."""


class JsonSchema(BaseModel):
    """A JSON schema: keywords that it has are of the type that they must have; it may have others."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: str | list[str] = "object"
    properties: "dict[str, JsonSchema]" = {}
    required: list[str] = []
    items: "dict[str, Any]" = {}
    enum: Annotated[list[Any], Field(min_length=1)] = [None]
    minimum: float = 0
    maximum: float = 0


class _CalledFunction(Strict):
    name: Name
    arguments: Annotated[str, AfterValidator(_json_object)]


class ToolCall(Strict):
    id: Name
    type: Literal["function"]
    function: _CalledFunction


class Assistant(Strict):
    """The model's message, as its answers have it."""

    role: Literal["assistant"]
    content: Texts | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    reasoning_content: str | None = None
    annotations: list[dict[str, Any]] | None = None

    @model_validator(mode="after")
    def _has_something(self) -> "Assistant":
        if self.content is None and self.tool_calls is None:
            raise ValueError("want content or tool_calls")
        return self


class _TextFormat(Strict):
    type: Literal["text"]


class _JsonObjectFormat(Strict):
    type: Literal["json_object"]


class _NamedSchema(Strict):
    name: Name
    definition: Annotated[JsonSchema, Field(alias="schema")]
    description: str | None = None
    strict: bool | None = None


class _JsonSchemaFormat(Strict):
    type: Literal["json_schema"]
    json_schema: _NamedSchema


class _WebSearch(Strict):
    enabled: bool | None = None
    max_uses: PositiveInt | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: dict[str, Any] | None = None


class _ParallelThinking(Strict):
    mode: str


class _Research(Strict):
    web_search: _WebSearch | None = None
    parallel_thinking: _ParallelThinking | None = None


class ChatBody(Strict):
    """Fields of a request that both forms have in common; null stands for a field that is not set."""

    model: Name
    max_tokens: PositiveInt | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    logprobs: bool | None = None
    response_format: Annotated[
        _TextFormat | _JsonObjectFormat | _JsonSchemaFormat | None, Field(discriminator="type")
    ] = None
    reasoning_effort: Effort | None = None
    research: _Research | None = None


def check_model(model: Model, body: Mapping[str, Any]) -> None:
    """Check that a model has what a body of either form asks of it.

    Raises:
        RefusalError: It has not.
    """
    if body.get("tools") and not model.has_tools:
        raise RefusalError(400, f"tools: the model {model.name} has no tools", "tools")
    wanted = (body.get("response_format") or {"type": "text"})["type"]
    if wanted != "text" and wanted not in model.response_formats:
        raise RefusalError(400, f"response_format: the model {model.name} has no {wanted}", "response_format")
    if body.get("research") and not model.searches:
        raise RefusalError(400, f"research: the model {model.name} does no research", "research")
    if (body.get("max_tokens") or 0) > model.max_output_length:
        limit = model.max_output_length
        raise RefusalError(400, f"max_tokens: the model {model.name} writes at most {limit} tokens", "max_tokens")
    kinds = list(_media(body))
    for kind in kinds:
        if kind not in model.modalities:
            raise RefusalError(400, f"messages: the model {model.name} takes no {kind}", "messages")
    if model.max_images is not None and (count := kinds.count("image")) > model.max_images:
        limit = model.max_images
        raise RefusalError(400, f"messages: got {count} images, {model.name} takes at most {limit}", "messages")


def _media(body: Mapping[str, Any]) -> Iterator[str]:
    """The kind of each of the media in a body."""
    for message in body["messages"]:
        if isinstance(parts := message.get("content"), list):
            yield from (MEDIA_PARTS[part["type"]] for part in parts if part["type"] in MEDIA_PARTS)
